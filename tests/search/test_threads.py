"""One thread for the models of a driver, and what it was for everybody else."""

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from search.threads import on_one_thread


def threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_linear_algebra_is_on_one_thread_within_it_and_as_before_afterwards():
    np.linalg.inv(np.eye(2))

    with threadpool_limits(2, user_api="blas"):
        with on_one_thread():
            within = threads()
        after = threads()

    assert (within, after) == ({1}, {2})
