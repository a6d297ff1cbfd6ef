"""How a leg ends, in words, and which failures poison the process that it ran in."""

from typing import Any

from trainables.origin import own_line


class LostError(Exception):
    """The process can no longer be trusted (out of memory, a CUDA error): the leg is to go on in another."""


def ending(status: str, reason: str, trace: str | None = None) -> dict[str, Any]:
    """How a leg ended, as a driver reads it."""
    return {"status": status, "reason": reason, "traceback": trace}


def reason_of(error: BaseException) -> str:
    """An exception in one line, with the user's own line that raised it."""
    line = own_line(error)
    where = f" ({line})" if line else ""
    text = line_of(error)
    return f"{type(error).__name__}: {text}{where}" if text else f"{type(error).__name__}{where}"


def line_of(error: BaseException) -> str:
    """An exception's text in one line, of 300 characters at most."""
    return " ".join(str(error).split())[:300]


_GPU_MARKS = ("CUDA error", "CUDA driver error", "CUBLAS_STATUS", "CUDNN_STATUS", "cuDNN error", "HIP error")
_MEMORY_MARKS = ("can't allocate memory", "not enough memory: you tried to allocate")


def loss_of(error: BaseException) -> LostError | None:
    """What to raise for failures that poison a process: its memory or its CUDA context."""
    if isinstance(error, LostError):
        return error
    cause: BaseException | None = error
    while cause is not None:
        name, text = type(cause).__name__, line_of(cause)
        if name == "OutOfMemoryError" or "CUDA out of memory" in text or "HIP out of memory" in text:
            return LostError(f"out of GPU memory: {text}")
        if isinstance(cause, MemoryError) or any(mark in text for mark in _MEMORY_MARKS):
            return LostError(f"out of memory: {text}")
        if name == "AcceleratorError" or any(mark in text for mark in _GPU_MARKS):
            return LostError(f"the GPU reported an error: {text}")
        cause = cause.__cause__
    return None
