"""Options that have parameters of their own, as other tuners write them: dicts and lists without a name."""

import keyword
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from search.domains import Choice, Int, fixed
from search.repeat import Repeat
from search.space import Space, alone


def branch_names(options: Sequence[Any]) -> list[Any]:
    """A name for each option of a choice.

    That of a constant by which all dicts differ, `{"type": "sgd", ...}` and `{"type": "adam", ...}`; where there is
    none, `option0`, `option1` ..., as for lists. Options that are neither dicts nor lists keep their value.
    """
    dicts = [option for option in options if isinstance(option, Mapping)]
    if dicts and not any(isinstance(option, list | tuple) for option in options):
        for key in dicts[0]:
            words = [option.get(key) for option in dicts]
            if all(map(is_word, words)) and len({*words, *_texts(options)}) == len(words) + len(_texts(options)):
                named = iter(words)
                return [next(named) if isinstance(option, Mapping) else option for option in options]
    return [f"option{k}" if isinstance(option, Mapping | list | tuple) else option for k, option in enumerate(options)]


def branches(plain: Sequence[Any], names: Sequence[Any], spaces: Sequence[Space | None]) -> Choice:
    """A choice whose branches go by their names.

    `[{"sgd": {...}}, {"adam": {}}, "none"]`, which is how we write our own, comes back as it was.

    Args:
        plain: the options as they were given.
        names: what they are called.
        spaces: the parameters of each; None where it is a plain value.
    """
    own = [_own_form(option, space) for option, space in zip(plain, spaces, strict=True)]
    if all(found is not None for found, space in zip(own, spaces, strict=True) if space is not None):
        found = [(name, None) if form is None else form for form, name in zip(own, names, strict=True)]
        return Choice(tuple(name for name, _ in found), tuple(space for _, space in found))
    return Choice(tuple(names), tuple(map(_bare_form, plain, spaces)), bare=True)


def _bare_form(option: Any, space: Space | None) -> Any:
    """The parameters of an option without a name: its constants, where there are no others."""
    if space is not None or not isinstance(option, Mapping | list | tuple):
        return space
    if isinstance(option, Mapping):
        return Space({str(name): fixed(inner) for name, inner in option.items()}) if option else {}
    return alone(fixed(option))


def repeated(
    lists: Sequence[Sequence[Any]], read: Callable[[Any], Any], alike: Callable[[Any, Any], bool]
) -> Repeat | None:
    """A repeat, where lists begin with the same items and each one is longer by one; None where they are not so.

    Args:
        lists: options of a choice.
        read: turns an item into a domain.
        alike: whether two items are the same one.
    """
    first, longest = len(lists[0]), lists[-1]
    if len(lists) < 2 or not longest:
        return None
    for more, row in enumerate(lists):
        if len(row) != first + more or not all(map(alike, row, longest)):
            return None
    each = [read(item) for item in longest]
    if any(copy != each[0] for copy in each):
        return None
    return Repeat(Int(first, first + len(lists) - 1), each[0])


def is_word(value: object) -> bool:
    """Whether an option may have parameters of its own under this name."""
    return isinstance(value, str) and value.isidentifier() and not keyword.iskeyword(value)


def _own_form(option: Any, space: Space | None) -> tuple[str, Any] | None:
    """`{option: its parameters}` taken apart."""
    if space is None:
        if (
            isinstance(option, Mapping)
            and len(option) == 1
            and is_word(next(iter(option)))
            and option[next(iter(option))] == {}
        ):
            return next(iter(option)), {}
        return None
    if len(space) != 1 or space.form != "dict":
        return None
    [(name, inner)] = space.items()
    return (name, inner) if is_word(name) and isinstance(inner, Space) and inner.form == "dict" else None


def _texts(options: Sequence[Any]) -> set[str]:
    return {option for option in options if isinstance(option, str)}
