"""Files and folders: what travels to nodes, what opens them, and where studies lie."""

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path as File

from cluster.auth_token import token_file
from cluster.launch_file import LaunchFile
from cluster.lint.finding import Findings, error, warning
from cluster.lint.places import runs_commands, storage

_OWN = ("~", "/tmp", "/var/tmp", "/home/", "/root", "/dev/shm", "$HOME")  # noqa: S108
_BUCKET = re.compile(r"(s3|gs|gcs|abfss?|az|hdfs)://[^/]+")


def check(file: LaunchFile) -> Findings:
    """What is sent to nodes, and the key that opens them."""
    mounts = file.document.data.get("file_mounts")
    for remote, local in mounts.items() if isinstance(mounts, Mapping) else ():
        yield from _mount(file, str(remote), str(local))
    if runs_commands(file):
        yield from _keys(file)


def _mount(file: LaunchFile, remote: str, local: str) -> Findings:
    document, path = file.document, ("file_mounts", remote)
    if not remote.startswith(("/", "~")):
        seen = f"{remote} is relative, and to what depends on the node"
        yield error(document, path, seen, f"Write the whole path: ~/{remote}")
    here = File(os.path.expanduser(local))
    if not here.is_absolute():
        seen = f"{local} is relative to wherever ray up is called"
        yield warning(document, path, seen, f"Write the whole path: {here.absolute()}")
    is_token = here == token_file(os.environ) or here == File("~/.ray/auth_token").expanduser()
    if not here.exists():
        if not is_token:  # that one is made when the cluster is started
            yield error(document, path, f"there is no {local} here", "Make it, or take the line out.")
    elif is_token and stat.S_IMODE(here.stat().st_mode) & 0o077:
        yield warning(document, path, f"others on this machine can read {local}", f"Run: chmod 600 {local}")


def _keys(file: LaunchFile) -> Findings:
    auth = file.document.data.get("auth")
    auth = auth if isinstance(auth, Mapping) else {}
    path, key = ("auth", "ssh_private_key"), auth.get("ssh_private_key")
    if file.provider == "local" and not auth.get("ssh_user"):
        yield error(file.document, ("auth", "ssh_user"), "no user is named for SSH", "Write auth: {ssh_user: ubuntu}")
    if not isinstance(key, str):
        return
    here = File(os.path.expanduser(key))
    if not here.is_file():
        mend = f"Make it and send it to the machines: ssh-keygen -t ed25519 -f {key}; ssh-copy-id -i {key} HOST"
        yield error(file.document, path, f"there is no key {key} here", mend)
    elif stat.S_IMODE(here.stat().st_mode) & 0o077:
        yield error(file.document, path, f"others can read {key}, and ssh refuses such keys", f"Run: chmod 600 {key}")


def check_storage(file: LaunchFile) -> Findings:
    """Whether a study's folder can be reached from every node."""
    if file.simulated or not any(kind.most for kind in file.workers):
        return
    path, said = storage(file), file.storage
    where = f"`{path[-1]}: s3://bucket/studies`, or a folder that every node mounts"
    if said is None:
        seen = "nothing says where studies lie, and a folder of the head is not seen by workers"
        yield warning(file.document, path, seen, f"Write {'.'.join(map(str, path[:-1]))}: {where}.")
    elif said.startswith(_OWN) or not (said.startswith("/") or _BUCKET.match(said)):
        seen = f"{said} is another folder on every node, so the first checkpoint would fail"
        yield warning(file.document, path, seen, f"Write {where}.")
