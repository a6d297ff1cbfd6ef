"""Models on one thread: the driver leaves the other cores to the trials, and small matrices gain nothing by more."""

import functools
from contextlib import AbstractContextManager
from typing import Any


def on_one_thread() -> AbstractContextManager[Any]:
    """Within it, linear algebra computes on one thread."""
    limited: AbstractContextManager[Any] = _pools().limit(limits=1, user_api="blas")
    return limited


@functools.cache
def _pools() -> Any:
    import scipy.linalg  # noqa: F401 - its own library is one of those that are found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
