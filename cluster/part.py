"""Parts of a launch file, taken out with their types checked; each error says the line and the mend."""

from collections.abc import Mapping, Sequence
from typing import Any

from cluster.document import Document, Path

MANY = 10_000  # no cluster of Ray's has so many nodes, but files say maxReplicas: 2147483647


class MisreadError(ValueError):
    """A part of a launch file that means nothing; the linter makes a finding of it."""

    def __init__(self, document: Document, path: Path, seen: str, mend: str) -> None:
        super().__init__(f"{document.where(path)}: {seen}. {mend}")
        self.path, self.seen, self.mend = path, seen, mend


def fail(document: Document, path: Path, seen: str, mend: str) -> MisreadError:
    """An error at that place."""
    return MisreadError(document, path, seen, mend)


def mapping(document: Document, path: Path, value: Any) -> Mapping[str, Any]:
    """A mapping; nothing at all is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise fail(document, path, f"{value!r} is no mapping", "Write `key: value` lines below it.")
    return value


def sequence(document: Document, path: Path, value: Any) -> Sequence[Any]:
    """A list; nothing at all is an empty one."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise fail(document, path, f"{value!r} is no list", "Write one item per line, each with a dash.")
    return value


def count(document: Document, path: Path, value: Any) -> int:
    """A whole number of nodes from 0; more than there ever are count as `MANY`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise fail(document, path, f"{value!r} is not a number of nodes", "Write a whole number from 0, say 4.")
    return min(value, MANY)


def whole(document: Document, path: Path, value: Any) -> int:
    """A whole number, of either sign."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise fail(document, path, f"{value!r} is not a whole number", "Write one without quotes, say 1.")
    return value


def amount(document: Document, path: Path, value: Any) -> float:
    """A number from 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise fail(document, path, f"{value!r} is not an amount", "Write a number from 0, without quotes: 5")
    return value


def text(document: Document, path: Path, value: Any) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value:
        raise fail(
            document, path, f"{value!r} is not a text", "Write a text there, in quotes if it looks like a number."
        )
    return value
