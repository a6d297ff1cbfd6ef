"""What the tests of this room share: patience on shared machines, and a stopwatch."""

import time

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")


@pytest.fixture
def benchmark_s():
    """How many seconds a call takes; bounds on it are wide, for machines are shared."""

    def seconds(call, repeats=1):
        call() if repeats > 1 else None  # warm
        best = float("inf")
        for _ in range(repeats):
            began = time.perf_counter()
            call()
            best = min(best, time.perf_counter() - began)
        return best

    return seconds
