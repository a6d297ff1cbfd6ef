"""Where a network is trained, and how exactly its algorithms repeat themselves."""

import os

import torch

from trainables.loop import Loop


def device_of(loop: Loop) -> torch.device:
    """The device of this process, set up as a loop wants it.

    Raises:
        ValueError: it cannot train in that precision.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if loop.precision == "fp16" and device.type == "cpu":
        raise ValueError("precision 'fp16' wants a GPU, and this trial has none. Write Loop(precision='bf16').")
    if loop.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if torch.are_deterministic_algorithms_enabled() != loop.deterministic:  # of the process, which trials share
        torch.use_deterministic_algorithms(loop.deterministic, warn_only=True)
    return device
