"""What a launch file says of a cluster: the machines that may come, and where studies lie.

On a head that `ray up` made, Ray has left the file behind; elsewhere a user names it.
"""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from cluster import Fleet

if TYPE_CHECKING:
    from cluster.launch_file import LaunchFile


def fleet_of(cluster: str | Path | None) -> Fleet | None:
    """What a launch file says may come; None for no file."""
    from cluster.launch_file import read

    return None if cluster is None else read(cluster).fleet()


def as_launched() -> "LaunchFile | None":
    """The file that this host was made a head from; None where `ray up` did not make it."""
    file = Path.home() / "ray_bootstrap_config.yaml"
    if not file.exists():
        return None
    from cluster.launch_file import read

    try:
        return read(file)
    except (OSError, ValueError) as error:
        warnings.warn(f"{file} cannot be read, so what may be started is not known: {error}", stacklevel=2)
        return None


def default_storage() -> str:
    """Where studies lie that do not say it: where the cluster's launch file says, or in `runs`."""
    launched = as_launched()
    return "runs" if launched is None or launched.storage is None else launched.storage
