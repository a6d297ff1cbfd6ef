"""SSH to a cluster's machines: tried first with short waits, explained when it fails, and used for tunnels.

Ray's launcher tries a wrong key or a dead host for 15 minutes in silence, and then names no cause.
"""

import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cluster.tunnel import forwarded, free_port

CONNECT_S = 8
_CAUSES = (
    (
        "Permission denied",
        "the host does not take our key",
        "Name the key that it knows: auth: {{ssh_private_key: ...}}",
    ),
    ("UNPROTECTED PRIVATE KEY", "the key can be read by others", "Close it: chmod 600 {key}"),
    ("bad permissions", "the key can be read by others", "Close it: chmod 600 {key}"),
    ("not accessible", "there is no key {key}", "Name the one that it knows: auth: {{ssh_private_key: ...}}"),
    ("Host key verification failed", "the host is not the one it was", "If that is meant: ssh-keygen -R {host}"),
    ("Connection refused", "no SSH server listens there", "Start one on the host: sudo systemctl start ssh"),
    ("timed out", "the host does not answer", "Check that it runs, and that port 22 is open to this machine"),
    ("No route to host", "there is no way to the host", "Check its address, and the VPN"),
    ("Could not resolve", "its name is not known", "Write its address, or add it to /etc/hosts"),
)


@dataclass(frozen=True, slots=True)
class Ssh:
    """How one host is reached.

    Attributes:
        key: path of the private key; empty for those that ssh finds by itself.
        proxy: ssh's ProxyCommand; empty for none.
    """

    host: str
    user: str = ""
    key: str = ""
    proxy: str = ""

    def command(self, *remote: str, options: tuple[str, ...] = ()) -> list[str]:
        """The words of an ssh call; a remote command runs in a login shell, where `ray` is on the PATH."""
        words = ["ssh", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_S}"]
        words += ["-o", "StrictHostKeyChecking=accept-new", "-o", "LogLevel=ERROR"]
        words += ["-i", os.path.expanduser(self.key), "-o", "IdentitiesOnly=yes"] if self.key else []
        words += ["-o", f"ProxyCommand={self.proxy}"] if self.proxy else []
        words += [*options, f"{self.user}@{self.host}" if self.user else self.host]
        return words + ([f"bash -lc {shlex.quote(' '.join(remote))}"] if remote else [])

    def run(self, *remote: str, timeout_s: float = 60) -> "subprocess.CompletedProcess[str]":
        """Runs a command there; raises ConnectionError where the host cannot be reached."""
        try:
            done = subprocess.run(  # noqa: S603
                self.command(*remote), capture_output=True, text=True, timeout=timeout_s, stdin=subprocess.DEVNULL
            )
        except subprocess.TimeoutExpired as error:
            raise ConnectionError(
                f"{self.host} has not answered `{' '.join(remote)[:60]}` for {timeout_s:.0f} s. "
                f"Look there: ssh {self.host}"
            ) from error
        except FileNotFoundError as error:
            raise ConnectionError("there is no ssh on this machine. Install it: apt install openssh-client") from error
        if done.returncode == 255:
            raise ConnectionError(self._cause(done.stderr))
        return done

    def check(self) -> None:
        """Raises ConnectionError, with the cause and its mend, where the host cannot be reached."""
        self.run("true", timeout_s=3 * CONNECT_S)

    @contextmanager
    def tunnel(self, port: int) -> Iterator[int]:
        """A port of this machine that leads to a loopback port of the host, for as long as the block lasts."""
        here = free_port()
        forward = ("-N", "-L", f"127.0.0.1:{here}:127.0.0.1:{port}", "-o", "ExitOnForwardFailure=yes")
        alive = ("-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3")
        with forwarded(self.command(options=(*forward, *alive)), here, lambda said: self._cause(said or "timed out")):
            yield here

    def _cause(self, words: str) -> str:
        """What ssh said, in two sentences."""
        for mark, cause, mend in _CAUSES:
            if mark in words:
                key = self.key or str(Path.home() / ".ssh" / "id_ed25519")
                told = cause.format(key=key, host=self.host), mend.format(key=key, host=self.host)
                return f"{self.host} cannot be reached over SSH: {told[0]}. {told[1]}."
        last = next((line for line in reversed(words.splitlines()) if line.strip()), "ssh ended without a word")
        return f"{self.host} cannot be reached over SSH: {last.strip()}. Try it by hand: {shlex.join(self.command())}"
