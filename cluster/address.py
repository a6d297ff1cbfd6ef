"""Addresses of Ray: read, found on this host, and tried in a second or two.

Ray itself waits 40 to 60 s for a head that is gone, so every address is tried here first.
"""

import os
import re
import socket
from pathlib import Path

_HOST_AND_PORT = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<host>[^\s:/\[\]]+)):(?P<port>[0-9]{1,5})")
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])  # RFC 9113, 3.4
_SETTINGS_FRAME = 4


def parse(address: str) -> tuple[str, int]:
    """Host and port of a Ray head.

    >>> parse("10.0.0.5:6379")
    ('10.0.0.5', 6379)
    """
    if "://" in address:
        raise ValueError(
            f"the address {address!r} leads to Ray's client or jobs server, but a study needs a driver inside "
            f"the cluster. Send it there: ray job submit --address http://HOST:8265 --working-dir . -- "
            f"a440 run study.yaml"
        )
    parts = _HOST_AND_PORT.fullmatch(address)
    if parts is None or not 0 < int(parts["port"]) < 65536:
        raise ValueError(
            f"the address {address!r} is not HOST:PORT. Write the head's host and GCS port, say 10.0.0.5:6379, or "
            f"'auto' for the Ray on this host, or 'local' for a Ray of your own."
        )
    return parts["v6"] or parts["host"], int(parts["port"])


def is_loopback(host: str) -> bool:
    """Whether the name can only mean this host."""
    return host in ("localhost", "::1") or host.startswith("127.")


def answers(host: str, port: int, *, timeout_s: float = 2, encrypted: bool = False) -> bool:
    """Whether a gRPC server listens there: it greets back with an HTTP/2 settings frame.

    A port that merely accepts (a stopped head, an SSH server) would keep Ray's own client for 40 s.
    """
    try:
        with socket.create_connection((host, port), timeout=timeout_s) as line:
            if encrypted:
                return True
            line.settimeout(timeout_s)
            line.sendall(_HELLO)
            greeting = line.recv(9)
            return len(greeting) > 3 and greeting[3] == _SETTINGS_FRAME
    except (OSError, UnicodeError):  # UnicodeError: a label of the host name is too long for DNS
        return False


def address_on_this_host(file: Path) -> str | None:
    """The Ray that `ray start` left running here, if its address file is to be trusted and it answers.

    The file lies in a folder that every user can write. A stranger's Ray would get this study's code and send
    objects back to be unpickled, so only files of this user and of root count.
    """
    try:
        owner = file.lstat().st_uid
        address = file.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None
    if owner not in (0, os.getuid()):
        return None
    try:
        host, port = parse(address)
    except ValueError:
        return None
    return address if answers(host, port) else None
