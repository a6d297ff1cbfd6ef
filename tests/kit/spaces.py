"""Spaces with every kind of trap, and random ones, for the tests of samplers and schedulers."""

import keyword
from typing import Any

from hypothesis import strategies as st

from search import (
    Choice,
    Float,
    Int,
    Space,
    believed,
    choice,
    fixed,
    integer,
    logint,
    lognormal,
    loguniform,
    normal,
    ordinal,
    repeat,
    uniform,
    variants,
)


def relu(x: float) -> float:
    """A function to choose: it can be no key, and JSON cannot hold it."""
    return max(x, 0.0)


SPACES = {
    "two floats": Space({"x": uniform(-5, 10), "y": uniform(0, 15)}),
    "logs and steps": Space(
        {
            "lr": loguniform(1e-6, 1e-1),
            "dropout": uniform(0.1, 0.7, step=0.1),
            "decay": loguniform(0.01, 1, step=0.05),
            "layers": integer(1, 4),
            "width": logint(8, 1000),
            "batch": integer(16, 130, step=16),
            "negative": integer(-3, 3),
        }
    ),
    "odd options": Space(
        {
            "flag": choice(True, 1, 1.0, None, "1"),
            "widths": choice([64, 64], [128], {"wide": [256]}, ()),
            "act": choice(relu, len),
            "long": choice("a" * 500, "b" * 500),
        }
    ),
    "a tree": Space(
        {
            "lr": loguniform(1e-4, 1e-1),
            "optimizer": choice(
                "none",
                sgd={"momentum": uniform(0, 0.99), "nesterov": choice(True, False)},
                adam={"momentum": uniform(0.8, 0.9999), "amsgrad": choice(no={}, yes={"warmup": integer(1, 9)})},
                plain={},
            ),
            "head": {"width": integer(8, 64), "kind": choice(deep={"width": [1, 2, 3]}, flat={})},
        }
    ),
    "layers": Space(
        {
            "lr": loguniform(1e-4, 1e-1),
            "layers": repeat(
                integer(1, 3), {"width": logint(8, 64), "act": choice(relu={}, leaky={"slope": [0.1, 0.2]})}
            ),
            "rates": repeat(2, uniform(0, 1)),
            "heads": repeat(integer(0, 4, step=2), ordinal(1, 2, 4)),
        }
    ),
    "bells and constants": Space(
        {
            "batch": ordinal(16, 32, 64, 128),
            "momentum": fixed(0.9),
            "shift": normal(0, 1),
            "rate": lognormal(-6, 1),
            "rough": normal(10, 2, step=0.5),
            "kind": variants(sgd={"type": fixed("sgd"), "nesterov": [True, False]}, adam={"type": fixed("adam")}),
        }
    ),
    "limits": Space(
        {
            "low": uniform(0, 1),
            "high": uniform(0, 1),
            "layers": integer(1, 8),
            "width": logint(8, 2048),
            "optimizer": choice(sgd={"momentum": uniform(0, 1)}, adam={}),
        },
        limits=["low < high", "layers * width <= 1024", "optimizer.momentum <= 0.5 or layers < 4"],
    ),
    "beliefs": Space(
        {"lr": loguniform(1e-6, 1), "width": integer(8, 512), "act": ["relu", "gelu", "tanh"], "drop": uniform(0, 1)},
        prior=[believed(lr=3e-3, within="3x"), believed(act="gelu"), believed(drop=0.2, within=0.1)],
    ),
}

numbers = st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 6))
words = st.from_regex(r"[a-z][a-z_]{0,5}", fullmatch=True).filter(lambda word: not keyword.iskeyword(word))
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([-1.5, 0.0, 1.0, 1e-7])
    | st.text(max_size=5)
    | words
)
options = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@st.composite
def floats(draw: Any) -> Float:
    """Any `Float`: linear, log or a bell, with or without a step."""
    log = draw(st.booleans())
    if draw(st.integers(0, 3)) == 0:
        mean, sd = draw(st.floats(-20, 20)), draw(st.floats(0.01, 3))
        step = sd * draw(st.floats(0.1, 2)) if draw(st.booleans()) and not log else None
        return (lognormal if log else normal)(round(mean, 3), round(sd, 3), None if step is None else round(step, 4))
    low = draw(st.floats(1e-8, 1e3)) if log else draw(numbers)
    high = low * draw(st.floats(1.001, 1e6)) if log else low + draw(st.floats(1e-3, 1e6))
    step = (high - low) / draw(st.floats(1, 50)) if draw(st.booleans()) else None
    return Float(low, high, log, None if step is None else min(step, high - low))


@st.composite
def ints(draw: Any) -> Int:
    """Any `Int`."""
    log = draw(st.booleans())
    low = draw(st.integers(1, 10**6) if log else st.integers(-(10**6), 10**6))
    high = low + draw(st.integers(1, 10**6))
    return Int(low, high, log, draw(st.integers(1, min(high - low, 10**3))))


@st.composite
def choices(draw: Any, depth: int = 0) -> Choice:
    """Any `Choice`: in order, or plain options of any type, then branches while the tree is not too deep."""
    if draw(st.integers(0, 4)) == 0:
        return ordinal(*draw(st.lists(st.integers(-9, 9), min_size=2, max_size=5, unique=True)))
    plain = draw(st.lists(options, min_size=2, max_size=4))
    branches: dict[str, Any] = {}
    if depth:
        inner = st.just({}) | trees(depth - 1)
        branches = draw(st.dictionaries(words, inner, max_size=3))
    kept: list[Any] = []
    for option in plain:
        told_apart = not any(repr(option) == repr(other) for other in kept) and option not in list(branches)
        if told_apart and not (isinstance(option, dict) and len(option) == 1):  # looks like a branch when nested
            kept.append(option)
    kept = kept if len(kept) + len(branches) > 1 else ["one", "two"]
    return choice(*kept, **branches)


def trees(depth: int = 2) -> Any:
    """Any mapping of names to domains, groups and conditional choices."""
    leaf = floats() | ints() | choices(depth)
    copies = st.integers(1, 2) | st.integers(0, 1).map(lambda low: integer(low, low + 2))
    inner = leaf | trees(depth - 1) | st.builds(repeat, copies, leaf | trees(0)) if depth else leaf
    return st.dictionaries(words, inner, min_size=1, max_size=3)


spaces = trees().map(Space)
