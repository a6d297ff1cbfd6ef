"""A study on a cluster that is only pretended, before a real one is paid for."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cluster import Fleet, NodeType
from cluster.launch_file import LaunchFile
from cluster.simulation import Simulation
from orchestrator.drive import drive
from orchestrator.results import Results
from orchestrator.study import Study


@dataclass(frozen=True)
class Weather:
    """How the pretended cloud behaves.

    Attributes:
        machines: at most so many at once, for they are all processes of this host.
        idle_seconds: after which an idle machine goes.
        boot_seconds: how long a machine takes to come.
        exhausted: types of which there are none.
        spot_seconds: how long to wait for spot machines; None for as long as the launch file says.
    """

    machines: int = 4
    idle_seconds: float = 10.0
    boot_seconds: float = 0.0
    exhausted: Sequence[str] = ()
    spot_seconds: float | None = None


def rehearse(study: Study, file: LaunchFile, weather: Weather) -> Results:
    """Runs a study on the node types of a launch file; raises ValueError where it could never run there."""
    unknown = set(weather.exhausted) - {kind.name for kind in file.workers}
    if unknown:
        raise ValueError(
            f"there is no type {sorted(unknown)[0]!r} to be exhausted. "
            f"Name one of the file's: {', '.join(kind.name for kind in file.workers)}"
        )
    full = file.fleet()
    types = tuple(_fewer(kind, weather.machines) for kind in file.workers)
    most = weather.machines if full.most is None else min(full.most, weather.machines)
    spot_s = full.spot_s if weather.spot_seconds is None else weather.spot_seconds
    if most < len(full.to_start()):
        warnings.warn(
            f"the cluster may have {len(full.to_start())} machines, and {most} are pretended at once: they are "
            f"processes of this one. Pretend more with --machines {len(full.to_start())}",
            stacklevel=2,
        )
    speed = float(file.spec.get("upscaling_speed", 1.0)) if file.provider != "kuberay" else 100.0
    with Simulation(file.head, types, most=most, idle_s=weather.idle_seconds, speed=speed) as cloud:
        cloud.exhaust(*weather.exhausted)
        cloud.boot_takes(weather.boot_seconds)
        may_come = Fleet((), (file.head, *types), most, spot_s)
        return drive(study, None, address=cloud.address, progress=True, may_come=may_come)


def _fewer(kind: NodeType, most: int) -> NodeType:
    return replace(kind, least=min(kind.least, most), most=min(kind.most, most))
