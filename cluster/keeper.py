"""Starts the process that holds a cluster's state anew when it alone has died, as when memory ran out.

Ray starts its GCS once, on the head, and whoever lives on without it gives up after a minute. With its state on disk
(`RAY_gcs_storage=rocksdb`) one that is back by then finds all nodes, actors and jobs again, and nobody notices.
`python -m cluster.keeper` runs beside the head's Ray, and ends with it: `ray stop` ends the raylet first.
"""

import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

LOOK_S = 1.0
QUICK_S = 10.0  # one that dies sooner than this after its start will hardly live the next time
TRIES = 5


@dataclass(frozen=True, slots=True)
class Server:
    """A GCS that runs, and how it was started.

    Attributes:
        process: psutil's.
        port: on which it listens.
        command, environment, folder: as the process has them.
    """

    process: Any
    port: int
    command: list[str]
    environment: dict[str, str]
    folder: str

    @property
    def keeps_its_state(self) -> bool:
        """Whether it finds on disk what the one before it knew; an empty one would be another cluster."""
        return self.environment.get("RAY_gcs_storage") == "rocksdb" or any(
            word.startswith("--redis_address=") for word in self.command
        )


def find(port: int) -> Server:
    """The GCS on that port of this machine.

    Raises:
        RuntimeError: there is none, or it keeps its state in memory alone.
    """
    process = _server(port)
    if process is None:
        raise RuntimeError(f"no GCS listens on port {port} of this machine. Start the head first: ray start --head")
    server = Server(process, port, process.cmdline(), process.environ(), process.cwd())
    if not server.keeps_its_state:
        raise RuntimeError(
            "this head keeps its state in memory, so a new GCS would not know the cluster. "
            "Start it with: export RAY_gcs_storage=rocksdb RAY_gcs_storage_path=$HOME/.ray/gcs"
        )
    return server


def keep(server: Server, *, look_s: float = LOOK_S) -> int:
    """Looks after a GCS for as long as its raylet lives; how often it was started anew.

    Raises:
        RuntimeError: it dies again and again.
    """
    process, times, quick = server.process, 0, 0
    while True:
        began = time.monotonic()
        _wait(process, look_s)
        if not _raylet_lives(server.port) or _server(server.port) is not None:
            return times
        quick = quick + 1 if time.monotonic() - began < QUICK_S else 0
        if quick == TRIES:
            raise RuntimeError(f"the GCS died {TRIES} times within seconds. See gcs_server.out in Ray's logs.")
        process = _begin(server)
        times += 1
        print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} the GCS had died and was started anew", flush=True)


def _server(port: int) -> Any | None:
    return _process("gcs_server", f"--gcs_server_port={port}")


def _raylet_lives(port: int) -> bool:
    return _process("raylet", f":{port}") is not None


def _process(name: str, ending: str) -> Any | None:
    """A living process of that name, one of whose words ends so."""
    import psutil

    for process in psutil.process_iter():
        try:
            found = process.name() == name and process.status() != psutil.STATUS_ZOMBIE
            if found and any(word.endswith(ending) for word in process.cmdline()):
                return process
        except psutil.Error:  # it has just ended, or is another user's
            continue
    return None


def _wait(process: Any, look_s: float) -> None:
    """Until it has ended, whoever's child it is."""
    import psutil

    try:
        while process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(look_s)
    except psutil.NoSuchProcess:
        return


def _begin(server: Server) -> Any:
    import psutil

    child = subprocess.Popen(  # noqa: S603
        server.command,
        env=server.environment,
        cwd=server.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    return psutil.Process(child.pid)


if __name__ == "__main__":
    try:
        keep(find(int(sys.argv[1]) if len(sys.argv) > 1 else 6379))
    except RuntimeError as error:
        raise SystemExit(str(error)) from error
