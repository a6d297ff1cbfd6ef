"""The only place that builds a `tune.Tuner`: Ray Tune carries legs out, and decides nothing.

Tune's own loggers, snapshots and output are off, because the ledger and our table take their place;
actors are used again, because a new process costs a second and a reset a few milliseconds.
"""

import json
import logging
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray._private import state, worker

from cluster.process import environment, quiet
from orchestrator.lanes import HurryError, Lanes
from search.to_ray import TuneCallback, TuneScheduler, TuneSearcher

KEEP_S = 20.0  # for an actor to write a checkpoint when the study is interrupted

_SETTINGS = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S": "1000000",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_TRAIN_V2_ENABLED": "0",
}


class RayActors:
    """Actors as the driver's lanes handle them."""

    def keep(self, actor: Any) -> Mapping[str, int]:
        with suppress(ray.exceptions.RayError):
            return dict(ray.get(actor.keep.remote(), timeout=KEEP_S))
        return {}

    def take(self, actor: Any, legs: Sequence[Mapping[str, Any]], dropped: Sequence[str]) -> None:
        actor.take.remote(json.dumps({"legs": legs, "dropped": dropped}))  # calls of one caller run in their order

    def lost_its_node(self, actor: Any) -> bool | None:
        nodes = ray.nodes()
        if len(nodes) < 2:
            return None
        home = state.actors(actor._actor_id.hex()).get("Address", {}).get("NodeID")
        return home is not None and not any(node["Alive"] and node["NodeID"] == home for node in nodes)

    def kill(self, actor: Any) -> None:
        ray.kill(actor, no_restart=True)


def fit(trainable: Any, placement: Any, lanes: Lanes, at_once: int) -> None:
    """Runs Ray Tune's loop until the lanes have no more legs, or the user is in a hurry.

    Args:
        trainable: what an actor runs, from `trainables.to_ray`.
        placement: one trial's resources, from `cluster.to_ray`.
        lanes: the driver.
        at_once: how many actors to ask for before the first of them is there.
    """
    scratch = Path(tempfile.mkdtemp(prefix="a440-tune-"))
    try:
        with environment({**_SETTINGS, "TUNE_MAX_PENDING_TRIALS_PG": str(max(1, at_once))}), _silence():
            tuner = tune.Tuner(
                tune.with_resources(trainable, placement),
                tune_config=tune.TuneConfig(
                    search_alg=TuneSearcher(lanes),
                    scheduler=TuneScheduler(lanes),
                    num_samples=-1,
                    reuse_actors=True,
                    trial_dirname_creator=lambda trial: trial.trial_id,
                ),
                run_config=tune.RunConfig(
                    name="legs",
                    storage_path=str(scratch),
                    verbose=0,
                    callbacks=[TuneCallback(lanes)],
                    checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),  # elsewhere, scratch is not there
                ),
            )
            with suppress(HurryError):
                tuner.fit()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def _silence() -> Iterator[None]:
    """Keeps Ray Tune's own words out of our table; what matters of them is told by the ledger."""
    printed, worker.print_to_stdstream = worker.print_to_stdstream, lambda *_, **__: None  # "(raylet) A worker died"
    try:
        with ExitStack() as stack:
            for name in ("ray.tune", "ray.train", "ray.air", "ray.util"):
                stack.enter_context(quiet(name, logging.CRITICAL))
            yield
    finally:
        worker.print_to_stdstream = printed
