"""Ray without the HTTP server of its agents: less to start, and fewer ports, where nobody sends jobs.

With `ray[default]` installed every node starts one, 1 to 2 s of computing, whether there is a dashboard or not.
`python -m cluster.light_ray start --head ...` is Ray's own command, lightened.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from ray._private import utils


@contextmanager
def light() -> Iterator[None]:
    """Nodes that this process starts while the block lasts have plain agents."""
    before = utils.get_dashboard_dependency_error
    utils.get_dashboard_dependency_error = lambda: ImportError("not wanted")
    try:
        yield
    finally:
        utils.get_dashboard_dependency_error = before


if __name__ == "__main__":
    from ray.scripts.scripts import main

    with light():
        main()
