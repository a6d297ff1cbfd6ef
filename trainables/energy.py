"""What training draws from the socket: codecarbon's figure where it is installed, else an estimate that says so.

The estimate is that of Green Algorithms (Lannelongue et al. 2021, doi:10.1002/advs.202100707, eq. 1) for this process
alone: cores that were busy, memory that was held; and the counters of the GPUs it sees, where `pynvml` reads them.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from typing import Any

CORE_W = 12.0  # of a busy core: the mean over processors, ibid., Table S1
GIB_W = 0.3725 * 1.0737  # of memory: 0.3725 W per 10^9 bytes, ibid.
GRID_G_PER_KWH = 475.0  # CO2 of a kilowatt-hour: the world's mean, IEA 2019, ibid.
GRID = "A440_CO2_G_PER_KWH"  # an environment variable with that of one's own grid
J_PER_KWH = 3.6e6
WARM_S = 5.0  # of training before codecarbon is started, whose start takes seconds


class Energy:
    """The joules of one process, counted up."""

    def __init__(self) -> None:
        self._trained_s = 0.0
        self._cpu_s = time.process_time()
        self._gpus = _Gpus()
        self._carbon: Carbon | None = None
        self._has_carbon = find_spec("codecarbon") is not None

    def spent(self, seconds: float, memory_gib: float) -> float:
        """Joules of a stretch of training that has just ended.

        Args:
            seconds: that it took, by the clock.
            memory_gib: that the process held.
        """
        busy_s, self._cpu_s = time.process_time() - self._cpu_s, time.process_time()
        estimate = busy_s * CORE_W + seconds * memory_gib * GIB_W + self._gpus.spent()
        self._trained_s += seconds
        watts = self._watts() if self._has_carbon and self._trained_s > WARM_S else None
        return estimate if watts is None else watts * seconds

    def restart(self) -> None:
        """What the process did until now was not training."""
        self._cpu_s = time.process_time()
        self._gpus.spent()

    def close(self) -> None:
        """Ends codecarbon."""
        if self._carbon is not None:
            self._carbon.close()

    def _watts(self) -> float | None:
        """codecarbon's figure; None until it has one, and from when it has failed, which the trial's log then says."""
        self._carbon = self._carbon or Carbon()
        watts = self._carbon.watts()
        if self._carbon.failure is not None:
            print(f"codecarbon failed ({self._carbon.failure}): joules are estimates from here on.")
            self._has_carbon = False
            return None
        return watts


def grid_g_per_kwh() -> float:
    """Grams of CO2 per kilowatt-hour, as this host is told; the world's mean otherwise."""
    with suppress(ValueError):
        return float(os.environ.get(GRID, GRID_G_PER_KWH))
    return GRID_G_PER_KWH


def source() -> str:
    """Where joules come from on this host, in words."""
    grid = f"{grid_g_per_kwh():g} g CO2 per kWh ({GRID})"
    if find_spec("codecarbon") is not None:
        return f"codecarbon's, and estimates for the first {WARM_S:g} s of a process; {grid}"
    return f"estimates: {CORE_W:g} W per busy core, {GIB_W:.1f} W per GiB; {grid}; a440[energy] has codecarbon's"


class Carbon:
    """codecarbon's tracker of this process; it starts beside the training, and is asked at most once a second.

    Attributes:
        failure: what went wrong with it, in words; it is not asked again.
    """

    def __init__(self) -> None:
        self.failure: str | None = None
        self._tracker: Any = None
        self._watts: float | None = None
        self._asked_at = 0.0
        self._thread = threading.Thread(target=self._guarded, args=(self._start,), name="codecarbon", daemon=True)
        self._thread.start()

    def watts(self) -> float | None:
        """The mean power of the last second or so; None until it is known."""
        if self._tracker is not None and time.monotonic() - self._asked_at > 1.0:
            self._guarded(self._ask)
        return self._watts

    def close(self) -> None:
        """Ends the tracker."""
        tracker, self._tracker = self._tracker, None
        if tracker is not None:
            self._guarded(tracker.stop)

    def _guarded(self, act: Callable[[], Any]) -> None:
        """What goes wrong with a figure beside the training costs no trial; it is kept, and told."""
        try:
            act()
        except Exception as error:  # noqa: BLE001 - kept in `failure`
            self.failure, self._tracker = f"{type(error).__name__}: {error}", None

    def _ask(self) -> None:
        data = self._tracker.stop_task("a440")
        self._watts = data.energy_consumed * J_PER_KWH / max(data.duration, 1e-3)
        self._tracker.start_task("a440")
        self._asked_at = time.monotonic()

    def _start(self) -> None:
        from codecarbon import OfflineEmissionsTracker

        logging.getLogger("codecarbon").setLevel(logging.CRITICAL)  # its level is set after its first words
        tracker = OfflineEmissionsTracker(
            country_iso_code="USA",  # only its watts are used
            tracking_mode="process",
            save_to_file=False,
            log_level="critical",
            allow_multiple_runs=True,
        )
        tracker.start_task("a440")
        self._asked_at = time.monotonic()
        self._tracker = tracker


class _Gpus:
    """The energy counters of the GPUs that this process sees; none where there is no library, driver or counter."""

    def __init__(self) -> None:
        self._handles: list[Any] = []
        names = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        if names in ("", "-1", "NoDevFiles") or find_spec("pynvml") is None:
            return
        import pynvml

        with suppress(pynvml.NVMLError):
            pynvml.nvmlInit()
            self._handles = [_handle(name) for name in names.split(",")]
        self._last_mj = self._read()

    def spent(self) -> float:
        """Joules since the last time."""
        if not self._handles:
            return 0.0
        now_mj = self._read()
        spent, self._last_mj = (now_mj - self._last_mj) / 1000, now_mj
        return max(spent, 0.0)

    def _read(self) -> int:
        """Millijoules since the driver was loaded; a GPU that counts none is not asked again."""
        import pynvml

        try:
            return sum(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) for handle in self._handles)
        except pynvml.NVMLError:
            self._handles = []
            return 0


def _handle(name: str) -> Any:
    """A GPU by its number or its UUID."""
    import pynvml

    return pynvml.nvmlDeviceGetHandleByIndex(int(name)) if name.isdigit() else pynvml.nvmlDeviceGetHandleByUUID(name)
