"""Our driver as Ray Tune sees it: a searcher, a scheduler and a callback that only pass words to and fro."""

from collections import deque
from pathlib import Path
from typing import Any, Protocol

import cloudpickle
from ray.tune import Callback
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher


class Driver(Protocol):
    """The study's driver as Ray Tune's adapters see it; a lane is one Tune trial."""

    def next_leg(self, lane: str) -> dict[str, Any] | None:
        """A Tune config, or None while there is nothing to do yet."""

    @property
    def finished(self) -> bool:
        """Whether there will never be another leg."""

    def began(self, lane: str, actor: Any) -> None:
        """The lane's actor starts."""

    def heard(self, lane: str, result: dict[str, Any]) -> bool:
        """The lane reports; the answer says whether it goes on."""

    def lost(self, lane: str, error: str) -> None:
        """The lane's actor died."""

    def tick(self) -> None:
        """Called after each event of the Tune loop."""


class _Unsaved:
    """Ray Tune copies and pickles what it is given; the driver stays where it is, for the ledger is the state."""

    def __deepcopy__(self, memo: Any) -> "_Unsaved":
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {}


class TuneSearcher(_Unsaved, Searcher):
    """Ray Tune asks, the driver answers."""

    def __init__(self, driver: Driver):
        super().__init__()
        self._driver = driver

    def suggest(self, trial_id: str) -> Any:
        config = self._driver.next_leg(trial_id)
        return self.FINISHED if config is None and self._driver.finished else config

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Everything was told through the scheduler."""

    def save(self, checkpoint_path: str) -> None:
        """The ledger is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """The ledger is the state."""


class TuneScheduler(_Unsaved, TrialScheduler):
    """Ray Tune reports, the driver decides."""

    def __init__(self, driver: Driver):
        super().__init__()
        self._driver = driver
        self._pending: deque[Any] = deque()

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        self._pending.append(trial)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        return self.CONTINUE if self._driver.heard(trial.trial_id, result) else self.STOP

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        self._driver.lost(trial.trial_id, _error_of(trial))

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """The driver said so itself."""

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        """A leg that never began goes on waiting in the ledger."""

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """The oldest pending trial; Ray's own FIFO walks through all trials there ever were."""
        while self._pending and self._pending[0].status != "PENDING":
            self._pending.popleft()
        return self._pending[0] if self._pending else None

    def debug_string(self) -> str:
        return "a440"

    def save(self, checkpoint_path: str) -> None:
        """The ledger is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """The ledger is the state."""


class TuneCallback(_Unsaved, Callback):
    """Ray Tune's loop turns, the driver looks around."""

    def __init__(self, driver: Driver):
        self._driver = driver

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._driver.began(trial.trial_id, trial.temporary_state.ray_actor)

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        self._driver.tick()


def _error_of(trial: Any) -> str:
    """What Ray said of a lost actor: Tune writes it beside the driver, and reads it from the study's storage."""
    file = trial.pickled_error_file
    try:
        return str(cloudpickle.loads(Path(file).read_bytes())) if file else "the actor died"
    except Exception:  # noqa: BLE001 - a user's exception may not come back
        text = Path(trial.error_file)
        return text.read_text(errors="replace") if text.exists() else "the actor died"
