"""Why nothing runs on a cluster, for a study or for all that waits there."""

from collections.abc import Iterator
from dataclasses import replace

from cluster import Fleet
from cluster.fit import Wish
from cluster.scaling import explain


def explanations(study: str | None, file: str | None, address: str | None) -> Iterator[str]:
    """The sentences, a paragraph each.

    Args:
        study: path of a study file, whose trials it is about; None for all that waits on the cluster.
        file: the cluster's launch file, for what an autoscaler may start; on a head that `ray up` made it is found.
        address: HOST:PORT of the cluster's head; None for the Ray of this host.
    """
    from cluster import autoscaler, to_ray
    from orchestrator.launched import as_launched, fleet_of
    from orchestrator.spec import load

    with to_ray.connect(address or "auto") as connection:
        launched = as_launched()
        may_come = fleet_of(file) or (launched.fleet() if launched else Fleet(()))
        fleet = replace(may_come, machines=connection.machines)
        scaling = autoscaler.scaling()
        yield _machines(fleet, scaling.idle)
        if study is not None:
            bundle = load(study).bundle
            yield f"{bundle}: {explain(bundle.wish(), fleet, scaling)}"
            return
        for wish, times in scaling.waiting:
            yield f"{_shown(wish, times)} waits. {explain(wish, fleet, scaling)}"
        if not scaling.waiting:
            yield "Nothing waits: all that was asked for runs."


def _machines(fleet: Fleet, idle: int) -> str:
    largest = max(fleet.machines, key=lambda machine: (machine.gpus, machine.cpus))
    more = f", and {len(fleet.to_start())} more may come" if fleet.scales else ""
    return (
        f"{len(fleet.machines)} machines are there, {idle} of them idle{more}; "
        f"the largest has {largest.cpus:g} CPUs and {largest.gpus:g} GPUs."
    )


def _shown(wish: Wish, times: int) -> str:
    amounts = ", ".join(f"{amount:g} {name}" for name, amount in wish.needs.items())
    each = f"{wish.workers} times {amounts}" if wish.workers > 1 else amounts
    return f"A group of {each}" if times == 1 else f"{each}, {times} times,"
