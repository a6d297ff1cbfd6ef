"""The trainables' door to Ray: a session as Ray Tune's Trainable, on actors that are used again."""

import json
import pickle
from collections.abc import Callable, Mapping
from typing import Any

from ray import tune

from trainables.cohort import Cohort
from trainables.contract import Brief, Training
from trainables.energy import Energy
from trainables.log import Log
from trainables.meter import Meter
from trainables.session import Session
from trainables.start import family_of, starter
from trainables.store import store_of


def tune_trainable(packed: bytes, terms: Mapping[str, Any], repeats: int = 1, brief: Brief | None = None) -> Any:
    """What `tune.Tuner` runs: a cohort per actor, of one trial or of several.

    Args:
        packed: the user's trainable and what turns coded params into nested ones, as `shipping.pack`
            made it from both; it is put into the object store once.
        terms: the session's arguments that are the same for all trials, and `fuse`, how many share a process.
        repeats: how often a point is trained, each time from another seed.
        brief: what the study asks for and gives; its data are put into the object store once too, and an actor on
            the same host reads them where they lie.
    """
    aim = terms["aim"]
    brief = brief or Brief(aim.metric, aim.metrics, mode=getattr(aim, "mode", None))
    return tune.with_parameters(Legs, packed=packed, terms=dict(terms), repeats=repeats, brief=brief)


class Legs(tune.Trainable):
    """Stretches of one trial or of several; the actor outlives them, the user's objects do not.

    Its config is one JSON text, so that Tune has nothing to flatten, resolve or copy.
    """

    _trouble: Exception | None = None  # of a change that could not be made
    _stacks: Any = None  # what trains members together

    def setup(self, config: dict[str, Any], packed: bytes, terms: dict[str, Any], repeats: int, brief: Brief) -> None:
        source, params_of = pickle.loads(packed)  # noqa: S301 - packed by our own driver
        start = starter(source, brief, repeats)
        self._energy = Energy()
        shared = {**terms, "folder": store_of(terms["folder"]), "log": Log()}
        self._stacks = _stacks(source, shared.pop("fuse", None), self._energy)

        def begin(params: Any, seed: int) -> Training:
            return start(params_of(params), seed)

        self._cohort = Cohort(
            lambda: Session(begin, **shared, meter=Meter(self._energy), neighbour=self._at), stacks=self._stacks
        )
        self._cohort.take(json.loads(config["legs"]))

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._cohort.end()
        self._cohort.take(json.loads(new_config["legs"]))
        return True

    def step(self) -> dict[str, Any]:
        if self._trouble is not None:
            raise self._trouble
        if not len(self._cohort):
            raise RuntimeError("this process has no trial to train")
        found: dict[str, Any] = {"said": self._cohort.advance()}  # a list, which Tune does not flatten
        if self._stacks is not None:
            found |= {"room": self._stacks.room, "notes": self._stacks.notes()}
        return found

    def take(self, change: str) -> None:
        """Ends the legs of some trials and begins others: `{"dropped": ids, "legs": terms}` as JSON."""
        try:
            self._cohort.take(**json.loads(change))
        except Exception as error:  # noqa: BLE001 - nobody waits for this call: the next one tells of it
            self._trouble = error

    def _at(self, trial: str, epoch: int) -> Callable[[Training], None] | None:
        return self._cohort.at(trial, epoch)

    def keep(self) -> dict[str, int]:
        """Writes checkpoints of the newest epochs; called when the study is interrupted."""
        return self._cohort.keep()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Checkpoints are written into the study's folder by the session."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Checkpoints are read by the session."""

    def cleanup(self) -> None:
        self._cohort.end()
        self._energy.close()


def _stacks(source: Any, fuse: Any, energy: Energy) -> Any:
    """What trains members together, where the study wants that and they are networks of torch; else None."""
    if fuse is None or family_of(source).kind != "torch":
        return None
    from trainables.fused.stacks import Stacks  # which loads torch

    return Stacks(measures=fuse == "auto", energy=energy)
