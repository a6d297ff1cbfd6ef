"""A port of this machine that leads to one elsewhere, held open by a program such as ssh or kubectl."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

WAIT_S = 25.0


def free_port() -> int:
    """A port of loopback that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def forwarded(command: Sequence[str], port: int, cause: Callable[[str], str]) -> Iterator[None]:
    """Runs a command that opens a port of loopback and forwards what comes there, for as long as the block lasts.

    Args:
        command: such as `ssh -N -L ...`.
        port: that it opens.
        cause: what to tell a user, from what the command said before it ended; "" where it said nothing in time.

    Raises:
        ConnectionError: the port did not open.
    """
    line = subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        until = time.monotonic() + WAIT_S
        while not _is_open(port):
            if line.poll() is not None:
                raise ConnectionError(cause(line.stderr.read() if line.stderr else ""))
            if time.monotonic() > until:
                raise ConnectionError(cause(""))
            time.sleep(0.1)
        yield
    finally:
        line.terminate()
        line.wait()


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
