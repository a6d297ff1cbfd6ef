"""What Ray's schedulers look at in Tune's trials and in its controller, and no more.

With these, the same class of Ray decides live, in a simulation and from a ledger.
"""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any


@dataclass(eq=False)
class StandIn:
    """A Tune trial as a scheduler sees it."""

    trial_id: str
    config: dict[str, Any]
    status: str = "RUNNING"
    experiment_tag: str = ""
    evaluated_params: dict[str, Any] = field(default_factory=dict)
    run_metadata: Any = field(
        default_factory=lambda: SimpleNamespace(
            checkpoint_manager=SimpleNamespace(checkpoint_config=SimpleNamespace(num_to_keep=None))
        )
    )

    def __str__(self) -> str:
        return self.trial_id  # as Tune's do: PB2 finds a trial's rows by it

    def is_finished(self) -> bool:
        return self.status == "TERMINATED"

    def set_config(self, config: dict[str, Any]) -> None:
        self.config = config

    def set_experiment_tag(self, tag: str) -> None:
        self.experiment_tag = tag


class Standby:
    """What Ray's PBT asks of Tune's controller while it judges one trial."""

    search_alg = None

    def get_trials(self) -> list[StandIn]:
        return []  # whether anybody waits is our own question

    def _schedule_trial_save(self, trial: StandIn, result: Any = None) -> str:
        return trial.trial_id

    def pause_trial(self, trial: StandIn, should_checkpoint: bool = True) -> None:
        trial.status = "PAUSED"
