"""A finding: what was seen where in a launch file, and how it is mended."""

import difflib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

from cluster.document import Document, Path, written

Severity: TypeAlias = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What the linter says.

    Attributes:
        line: counted from 1; of the nearest enclosing key where the key itself is missing.
        place: the key, as `provider.region`; "" for the whole file.
        severity: "error" where it cannot work or is dangerous, "warning" otherwise.
        seen: one sentence without its full stop.
        mend: one sentence that can be followed, pasteable where it can be.
    """

    line: int
    place: str
    severity: Severity
    seen: str
    mend: str

    def line_of(self, file: str) -> str:
        """As it is printed.

        >>> Finding(12, "provider.regoin", "error", "AWS has no such key", "Did you mean 'region'?").line_of("c.yaml")
        "c.yaml:12 error provider.regoin: AWS has no such key. Did you mean 'region'?"
        """
        place = f" {self.place}" if self.place else ""
        return f"{file}:{self.line} {self.severity}{place}: {self.seen}. {self.mend}"

    def as_json(self, file: str) -> str:
        """One JSON object, in a line."""
        return json.dumps({"file": file, **asdict(self)}, ensure_ascii=False)


Findings: TypeAlias = Iterator[Finding]


def error(document: Document, path: Path, seen: str, mend: str) -> Finding:
    """A finding that cannot work, or is dangerous."""
    return Finding(document.line(path), written(path), "error", seen, mend)


def warning(document: Document, path: Path, seen: str, mend: str) -> Finding:
    """A finding that works, but not well."""
    return Finding(document.line(path), written(path), "warning", seen, mend)


def nearest(word: str, known: Iterable[str]) -> str:
    """A sentence that names the nearest known word, or all of them where none is near.

    >>> nearest("regoin", ["region", "type"])
    "Did you mean 'region'?"
    """
    names = sorted(known)
    folded = {name.lower(): name for name in names}
    near = difflib.get_close_matches(word.lower(), folded, n=1, cutoff=0.6)
    if near:
        return f"Did you mean '{folded[near[0]]}'?"
    return f"Remove it; known here: {', '.join(names)}."
