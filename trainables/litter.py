"""Closed models on their way out of memory.

Trainers, layers and models refer to each other in circles, and so stay where nobody collects them. Python counts
objects and not bytes, and a collection takes 0.2 s beside torch and Keras, which is more than a small fold: so it is
made when enough bytes lie about.
"""

import gc

LITTER_MIB = 64

_litter = 0


def collect(size: int) -> None:
    """Collects what is closed, when that is worth its time.

    Args:
        size: bytes of a model that is left just now.
    """
    global _litter
    _litter += size
    if _litter > LITTER_MIB * 2**20:
        _litter = 0
        gc.collect()
