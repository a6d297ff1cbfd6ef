"""Whether this host can work in a study's folder: what a worker does there, tried before the first trial."""

import os
import uuid
from pathlib import Path

from trainables import store_trouble
from trainables.remote import Remote

PREFIX = ".probe-"


def leave_word(place: Path | Remote) -> str:
    """Writes a random word into a study's folder, which `look` is to find from other hosts; answers the word."""
    word = uuid.uuid4().hex
    if isinstance(place, Remote):
        place.write(PREFIX + word, word.encode())
    else:
        (place / (PREFIX + word)).write_text(word)
    return word


def take_word(place: Path | Remote, word: str) -> None:
    """Removes it again."""
    if isinstance(place, Remote):
        place.remove(PREFIX + word)
    else:
        (place / (PREFIX + word)).unlink(missing_ok=True)


def look(place: Path | Remote, word: str) -> str | None:
    """Reads the word, and writes, lists and removes a file of this host's; answers what is wrong, in one sentence."""
    own = f"{PREFIX}{os.getpid()}-{uuid.uuid4().hex}"
    try:
        return _look_there(place, word, own) if isinstance(place, Remote) else _look_here(place, word, own)
    except (OSError, ValueError) as error:
        if isinstance(place, Remote):
            return store_trouble.told(place.uri, error)
        return f"it cannot write there ({getattr(error, 'strerror', None) or error})"


def _look_here(folder: Path, word: str, own: str) -> str | None:
    try:
        if (folder / (PREFIX + word)).read_text() != word:
            return "it sees another folder there"
    except FileNotFoundError:
        return "it does not see it" if not folder.is_dir() else "it sees another folder there"
    (folder / own).write_text(word)
    listed = own in os.listdir(folder)
    (folder / own).unlink()
    return None if listed else "it does not list what it has written"


def _look_there(home: Remote, word: str, own: str) -> str | None:
    try:
        if home.read(PREFIX + word) != word.encode():
            return "it sees another folder there"
    except FileNotFoundError:
        return "it sees another store there"
    home.write(own, word.encode())
    listed = own in [entry.path for entry in home.entries()]
    home.remove(own)
    return None if listed else "it does not list what it has written"
