"""What an autoscaler is doing, and why a trial waits, in plain sentences."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from cluster.amounts import ON_DEMAND
from cluster.fit import Wish, fit
from cluster.fleet import Fleet, NodeType
from cluster.selector import suits

_FAILED = re.compile(r"Failed to launch \d+ nodes of type (\S+): (\S.*)$", re.MULTILINE)
_EXCEPTION = re.compile(r"Node Launch Exception \(([^)]*)\): (.*)")


@dataclass(frozen=True, slots=True)
class Launch:
    """Machines that were asked of a provider, and have not come.

    Attributes:
        kind: the node type's name.
        ago_s: when they were asked for; of a refusal, when it was refused.
        reason: of a refusal, in the provider's words; empty where they are not known here.
    """

    kind: str
    count: int
    ago_s: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Scaling:
    """What Ray's autoscaler says of itself.

    Attributes:
        at_work: whether there is one.
        waiting: what trials and others ask for and do not have, each with how many times it is asked for.
        launching: asked of the provider.
        booting: types of the machines that there are, and that have not joined Ray yet.
        refused: by the provider, lately.
        idle: how many machines run nothing.
    """

    at_work: bool
    waiting: tuple[tuple[Wish, int], ...] = ()
    launching: tuple[Launch, ...] = ()
    booting: tuple[str, ...] = ()
    refused: tuple[Launch, ...] = ()
    idle: int = 0


def explain(wish: Wish, fleet: Fleet, scaling: Scaling) -> str:
    """Why a trial with this wish does not run, and what it waits for; one sentence or several."""
    now, ever = fit(wish, fleet.machines), fit(wish, fleet.at_most())
    if not ever.at_once:
        unknown = scaling.at_work and not fleet.types
        more = " What the autoscaler may start is not known here; tell it with -c cluster.yaml." if unknown else ""
        return f"It will never run: {ever.why}{more}"
    said = []
    if now.at_once:
        said.append(f"The machines that are there hold {now.at_once} such trials, and are busy.")
    else:
        said.append(f"No machine that is there fits: {now.why.split('. ')[0].rstrip('.')}.")
    if not fleet.scales:
        said.append("No more machines will come, so it waits for a running trial to end.")
    elif not scaling.at_work:
        said.append(
            "No autoscaler is at work on this cluster, so no more machines will come. "
            "Start the head with: ray start --head --autoscaling-config=~/ray_bootstrap_config.yaml"
        )
    else:
        said += _what_comes(wish, fleet, scaling)
    return " ".join(said)


def _what_comes(wish: Wish, fleet: Fleet, scaling: Scaling) -> list[str]:
    refused = summed(scaling.refused)
    known = {launch.kind for launch in refused}
    said = [
        *(_boots(kind, count) for kind, count in Counter(scaling.booting).items()),
        *(_asked(launch) for launch in summed(scaling.launching) if launch.kind not in known),
        *(_refused(launch) for launch in refused),
    ]
    if not said:
        said.append("The autoscaler has not asked the provider for a machine yet; it looks every few seconds.")
    others = fallbacks(wish, fleet, sorted(known))
    return said + [f"{kind.name} would fit too, and Ray does not turn to it by itself." for kind in others]


def _boots(kind: str, count: int) -> str:
    are = "are" if count > 1 else "is"
    return f"{_machines(count, kind)} {are} there and not yet in Ray: booting, or being set up."


def _asked(launch: Launch) -> str:
    were, have = ("were", "have") if launch.count > 1 else ("was", "has")
    asked = f"{_machines(launch.count, launch.kind)} {were} asked of the provider {launch.ago_s:.0f} s ago"
    return f"{asked}, and {have} not come yet."


def _refused(launch: Launch) -> str:
    why = f": {launch.reason}" if launch.reason else ", for a reason that stands in monitor.log on the head"
    return f"The provider refuses {launch.kind}, last {launch.ago_s:.0f} s ago{why}."


def _machines(count: int, kind: str) -> str:
    return f"{count} machine{'s' if count > 1 else ''} of type {kind}"


def fallbacks(wish: Wish, fleet: Fleet, exhausted: Sequence[str]) -> tuple[NodeType, ...]:
    """On-demand types that could take the trials that wait for exhausted spot types."""
    spot = {kind.name for kind in fleet.types if kind.spot}
    if not spot & set(exhausted):
        return ()
    return tuple(
        kind
        for kind in fleet.types
        if not kind.spot and kind.name not in exhausted
        if fit(wish, [kind.machine] * fleet.room_for(kind)).at_once
    )


def selector_of(kind: NodeType, fleet: Fleet) -> dict[str, str]:
    """A label that this type has and spot types have not, by which the autoscaler can be asked for it."""
    for name, value in kind.machine.labels.items():
        if not any(suits({name: value}, other.machine.labels) for other in fleet.types if other.spot):
            return {name: value}
    raise LookupError(
        f"{kind.name} has no label that tells it from spot machines. "
        f"Add to it in the launch file: labels: {{ray.io/market-type: {ON_DEMAND}}}"
    )


def reasons(log: str) -> dict[str, str]:
    """Why a provider refused machines, by their type: the newest of what the autoscaler's log says.

    >>> reasons("INFO node_provider.py:491 -- Failed to launch 1 nodes of type spot: Node Launch Exception (Quota): no")
    {'spot': 'Quota: no'}
    """
    found = {}
    for kind, said in _FAILED.findall(log):
        exception = _EXCEPTION.fullmatch(said)
        found[kind] = f"{exception[1]}: {exception[2]}" if exception else said
    return found


def summed(launches: Sequence[Launch]) -> list[Launch]:
    """One entry a type: all its machines, the newest date and reason."""
    found: dict[str, Launch] = {}
    for launch in sorted(launches, key=lambda launch: launch.ago_s):
        first = found.setdefault(launch.kind, launch)
        if first is not launch:
            found[launch.kind] = Launch(
                launch.kind, first.count + launch.count, first.ago_s, first.reason or launch.reason
            )
    return list(found.values())
