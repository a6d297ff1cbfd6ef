"""What every trial costs, measured beside it: rows per second, peak memory, joules, CO2.

Reported under these names with every epoch, unless the trainable reports something of its own under them; so a goal
may ask for less of them, as in `["max accuracy", "min joules"]`.
"""

import resource
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from trainables.energy import J_PER_KWH, Energy, grid_g_per_kwh
from trainables.shared import Share

MEASURED = ("rows_per_s", "peak_memory_mib", "peak_gpu_memory_mib", "joules", "co2_g")

_STATUS, _PEAKS = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_MIB = 2**20


class Meter:
    """The costs of one leg after another in one process.

    Args:
        energy: of the process; made when it is first needed.
    """

    def __init__(self, energy: Energy | None = None):
        self._energy = energy or Energy()
        self._joules = 0.0
        self._rows = 0
        self._began = time.perf_counter()

    def begin(self, joules: float) -> None:
        """A leg begins; its trial has used so many joules before."""
        self._joules, self._rows = joules, 0
        with suppress(OSError):  # 5 sets the peak back to what is held now: proc_pid_clear_refs(5)
            _PEAKS.write_text("5")
        cuda = _cuda()
        if cuda is not None:
            cuda.reset_peak_memory_stats()

    def start(self, training: Any) -> None:
        """An epoch begins."""
        self._rows = _rows(training)
        self._energy.restart()
        self._began = time.perf_counter()

    def stop(self, training: Any) -> tuple[float, dict[str, float]]:
        """An epoch has ended: its seconds, and its metrics; joules and CO2 are the trial's until now."""
        seconds = time.perf_counter() - self._began
        rows, peak_mib = _rows(training) - self._rows, peak_memory_mib()
        self._joules += self._energy.spent(seconds, peak_mib / 1024)
        found = {"rows_per_s": rows / seconds} if rows > 0 and seconds > 0 else {}
        return seconds, {**found, **self._held(peak_mib)}

    def _held(self, peak_mib: float | None = None) -> dict[str, float]:
        """What the process holds at most, and what the trial has used until now."""
        found = {"peak_memory_mib": round(peak_memory_mib() if peak_mib is None else peak_mib, 1)}
        cuda = _cuda()
        if cuda is not None:
            found["peak_gpu_memory_mib"] = round(cuda.max_memory_allocated() / _MIB, 1)
        return {**found, "joules": self._joules, "co2_g": self._joules / J_PER_KWH * grid_g_per_kwh()}

    def shared(self, share: Share) -> tuple[float, dict[str, float]]:
        """The same of an epoch that was trained together with others."""
        self._joules += share.joules
        found = {"rows_per_s": share.rows / share.seconds} if share.rows > 0 and share.seconds > 0 else {}
        return share.seconds, {**found, **self._held()}


def peak_memory_mib() -> float:
    """The most memory that this process held, since the leg began where the system can tell."""
    with suppress(OSError, StopIteration, ValueError):
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    scale = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / _MIB


def _rows(training: Any) -> int:
    return int(getattr(training, "rows", 0))


def _cuda() -> Any:
    """torch.cuda where this process uses a GPU."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized() else None
