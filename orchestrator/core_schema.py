"""A bare word of YAML as the value that a careful reader expects: YAML 1.2's core schema, less its traps.

`1e-3` is a number, only `true` and `false` are booleans; `on`, `no`, `1:30` and `2026-01-01` are text.
Numbers in hex and octal are `0x1f` and `0o17`. What readers disagree on is refused: `010`, `1_000`, `0b1`.
"""

import math
import re

MAX_DIGITS = 1_000  # Python itself refuses 4,301

_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_AMBIGUOUS = re.compile(r"(?P<sign>[-+]?)(?P<number>0[0-9]+|0b[01]+|[0-9]+(_[0-9]+)+(\.[0-9]*)?)")


class TroubleError(ValueError):
    """A word that is refused: what was seen, and the mend."""


def plain(word: str) -> str | int | float | bool | None:
    """The value of a word that stands without quotes.

    >>> plain("1e-3"), plain("on"), plain("TRUE"), plain("~")
    (0.001, 'on', True, None)
    """
    if _NULL.fullmatch(word):
        return None
    if _BOOL.fullmatch(word):
        return word.lower() == "true"
    if found := _AMBIGUOUS.fullmatch(word):
        raise TroubleError(
            f"{shown(word)} is one number to some readers, and another or text to others. "
            f"Write {shown(_in_decimals(found))}, or '{shown(word)}' in quotes for text."
        )
    if _NOT_FINITE.fullmatch(word):
        raise TroubleError(f"{word} is no finite number. Write a number, or null for none.")
    if _OTHER_BASE.fullmatch(word) or _FLOAT.fullmatch(word):
        return _number(word)
    return word


def is_text(word: str) -> bool:
    """Whether the word stays text without quotes."""
    try:
        return isinstance(plain(word), str)
    except TroubleError:
        return False


def shown(text: str, longest: int = 60) -> str:
    """Text for a message: control characters escaped, and cut.

    >>> shown("a" + chr(27))
    'a\\\\x1b'
    """
    escaped = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text[: longest + 1])
    return escaped if len(escaped) <= longest else escaped[:longest] + "…"


def _number(word: str) -> int | float:
    if len(word) > MAX_DIGITS:
        raise TroubleError(f"{shown(word)} has {len(word)} digits. Write a shorter number, or quotes for text.")
    if _OTHER_BASE.fullmatch(word):
        return int(word, 0)
    if _INT.fullmatch(word):
        return int(word)
    number = float(word)
    if math.isinf(number):
        raise TroubleError(f"{shown(word)} is beyond the largest float. Write a smaller number, or null for none.")
    return number


def _in_decimals(found: re.Match[str]) -> str:
    number = found["number"].replace("_", "")
    if number.startswith("0b"):
        number = str(int(number, 2)) if len(number) < MAX_DIGITS else "decimals"
    return found["sign"].replace("+", "") + (number.lstrip("0") or "0")
