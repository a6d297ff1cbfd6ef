"""The nearest known word to one that is not known."""

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str:
    """A sentence that names it, or what is known.

    >>> nearest("DigitMLP", ["DigitsMLP", "main"])
    "Did you mean 'DigitsMLP'?"
    """
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    if near:
        return f"Did you mean {near[0]!r}?"
    return f"It has: {', '.join(names[:12])}." if names else "It has nothing to offer."
