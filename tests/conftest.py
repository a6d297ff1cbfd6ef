"""What all tests share: how Hypothesis looks for counterexamples.

The gate tries the same examples every time, so that a change is judged by what it changes; `make soak` looks for new
ones, and many more of them.
"""

from hypothesis import HealthCheck, settings

settings.register_profile("gate", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("hunt", max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gate")
