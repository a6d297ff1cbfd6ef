"""The token that Ray's processes show each other, in a file that only its owner reads.

Ray 2.60 writes that file with mode 0644, and looks for it where `RAY_AUTH_TOKEN_PATH` points but creates it
in the home folder. So the file is made here, before Ray starts.
"""

import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

OWNER_ONLY = 0o600


def token_file(environment: Mapping[str, str]) -> Path:
    """Where Ray looks for the token, in Ray's order."""
    path = environment.get("RAY_AUTH_TOKEN_PATH")
    return Path(path) if path else Path.home() / ".ray" / "auth_token"


def private_token_file(environment: Mapping[str, str]) -> Path:
    """The token's file, made if it is missing or empty, and readable by its owner alone."""
    path = token_file(environment)
    try:
        if not _holds_a_token(path):
            _write_new_token(path)
        elif stat.S_IMODE(path.stat().st_mode) & 0o077:
            path.chmod(OWNER_ONLY)
    except OSError as error:
        raise PermissionError(
            f"Ray's token file {path} cannot be kept private: {error.strerror}. "
            f"Choose a file of your own: export RAY_AUTH_TOKEN_PATH=$HOME/.ray/my_token"
        ) from error
    return path


def _holds_a_token(path: Path) -> bool:
    try:
        return bool(path.read_bytes().strip())
    except FileNotFoundError:
        return False


def _write_new_token(path: Path) -> None:
    """Complete or not at all: of several drivers that start at once, all read the token of one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with open(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, OWNER_ONLY), "w") as file:
        file.write(secrets.token_hex(32))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        if not _holds_a_token(path):
            os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
