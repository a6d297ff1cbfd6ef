"""What the tests of this room share: a stopwatch."""

import time

import pytest


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
