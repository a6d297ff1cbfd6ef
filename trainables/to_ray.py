"""The trainables' door to Ray: a session as Ray Tune's Trainable, on actors that are used again."""

import json
import pickle
from collections.abc import Mapping
from typing import Any

from ray import tune

from trainables.contract import Brief
from trainables.meter import Meter
from trainables.session import Session
from trainables.start import starter


def tune_trainable(packed: bytes, terms: Mapping[str, Any], repeats: int = 1, brief: Brief | None = None) -> Any:
    """What `tune.Tuner` runs: one leg per Tune trial, one session per actor.

    Args:
        packed: the user's trainable and what turns coded params into nested ones, as `shipping.pack`
            made it from both; it is put into the object store once.
        terms: the session's arguments that are the same for all trials.
        repeats: how often a point is trained, each time from another seed.
        brief: what the study asks for and gives; its data are put into the object store once too, and an actor on
            the same host reads them where they lie.
    """
    aim = terms["aim"]
    brief = brief or Brief(aim.metric, aim.metrics, mode=getattr(aim, "mode", None))
    return tune.with_parameters(Leg, packed=packed, terms=dict(terms), repeats=repeats, brief=brief)


class Leg(tune.Trainable):
    """A stretch of one trial; the actor outlives it, the user's object does not.

    Its config is one JSON text, so that Tune has nothing to flatten, resolve or copy.
    """

    def setup(self, config: dict[str, Any], packed: bytes, terms: dict[str, Any], repeats: int, brief: Brief) -> None:
        source, params_of = pickle.loads(packed)  # noqa: S301 - packed by our own driver
        start = starter(source, brief, repeats)
        self._meter = Meter()
        self._session = Session(lambda params, seed: start(params_of(params), seed), **terms, meter=self._meter)
        self._session.begin(json.loads(config["leg"]))

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._session.begin(json.loads(new_config["leg"]))
        return True

    def step(self) -> dict[str, Any]:
        return {"said": [self._session.advance()]}  # in a list, which Tune does not flatten

    def keep(self) -> int:
        """Writes a checkpoint of the newest epoch; called when the study is interrupted."""
        return self._session.keep()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Checkpoints are written into the study's folder by the session."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Checkpoints are read by the session."""

    def cleanup(self) -> None:
        self._session.end()
        self._meter.end()
