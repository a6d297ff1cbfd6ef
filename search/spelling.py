"""What a misspelt word was probably meant to be."""

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A sentence that names the nearest known word, or all of them where none is near.

    >>> did_you_mean("asha", ["ASHA", "PBT"])
    "Did you mean 'ASHA'?"
    >>> did_you_mean("xyz", ["ASHA", "PBT"])
    'Known: ASHA, PBT.'
    """
    names = list(known)
    folded = {name.lower(): name for name in names}
    near = difflib.get_close_matches(word.lower(), folded, n=1, cutoff=0.6)
    if near:
        return f"Did you mean '{folded[near[0]]}'?"
    return f"Known: {', '.join(names)}." if names else "None is known."
