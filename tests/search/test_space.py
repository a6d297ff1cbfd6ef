"""Spaces as trees, and their points: flat, nested and coded."""

import json
import math
import pickle
import random
from enum import IntEnum
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search import Choice, Space, choice, integer, loguniform, uniform
from search.space import shown_params
from tests.kit.spaces import SPACES, relu, spaces

TREE = SPACES["a tree"]
seeds = st.integers(0, 2**32)


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


# -- one point in three forms ----------------------------------------------------------------------


@given(spaces, seeds)
def test_nested_and_flat_points_are_one(space, seed):
    flat = space.sample(random.Random(seed))

    nested = space.nest(flat)

    assert same(space.flatten(nested), flat)
    assert same(space.check(nested), flat)
    assert same(dict(sorted(space.flatten(flat).items())), dict(sorted(flat.items())))
    assert same(space.check(flat), flat)


@given(spaces, seeds)
def test_a_point_survives_json(space, seed):
    flat = space.sample(random.Random(seed))

    coded = json.loads(json.dumps(space.encode(flat), allow_nan=False))

    assert same(space.decode(coded), flat)
    assert list(shown_params(coded)) == list(flat)


@given(spaces, seeds)
def test_a_point_holds_just_what_is_active_in_the_order_of_the_tree(space, seed):
    flat = space.sample(random.Random(seed))

    expected = [leaf for leaf in space.leaves if all(chosen(space, flat, *pair) for pair in chain(leaf))]
    assert space.active_leaves(flat) == expected
    assert list(flat) == [leaf.name for leaf in expected]


@given(spaces)
def test_a_space_is_a_value(space):
    again = pickle.loads(pickle.dumps(space))

    assert again == space
    assert hash(again) == hash(space)
    assert again.leaves == space.leaves
    assert Space(space) == space


@given(spaces)
def test_labels_are_unique(space):
    assert len({leaf.label for leaf in space.leaves}) == len(space.leaves)


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Equal down to the types: 1, 1.0 and True are three values."""
    return repr(a) == repr(b)


def chain(leaf: Any) -> list[tuple[str, int, tuple[Any, ...]]]:
    """Each condition of a leaf, with the conditions of the parent it speaks of."""
    return [(*pair, leaf.condition[:k]) for k, pair in enumerate(leaf.condition)]


def chosen(space: Space, flat: dict[str, Any], parent: str, places: Any, condition: tuple[Any, ...]) -> bool:
    """Whether a parent has one of its places, by searching all leaves for it."""
    [leaf] = [leaf for leaf in space.leaves if (leaf.name, leaf.condition) == (parent, condition)]
    return parent in flat and leaf.domain.holds(flat[parent]) and leaf.place(flat[parent]) in places


def test_a_tree_reads_as_tables_and_models_want_it():
    flat = {
        "lr": 0.01,
        "optimizer": "sgd",
        "optimizer.momentum": 0.9,
        "optimizer.nesterov": True,
        "head.width": 8,
        "head.kind": "flat",
    }
    nested = {
        "lr": 0.01,
        "optimizer": {"sgd": {"momentum": 0.9, "nesterov": True}},
        "head": {"width": 8, "kind": {"flat": {}}},
    }

    assert TREE.nest(flat) == nested
    assert TREE.flatten(nested) == flat
    assert TREE.check(nested) == flat


def test_branches_may_use_one_word_each_with_its_own_domain():
    for seed in range(200):
        flat = TREE.sample(random.Random(seed))
        if flat["optimizer"] in ("none", "plain"):
            assert "optimizer.momentum" not in flat
        elif flat["optimizer"] == "adam":
            assert flat["optimizer.momentum"] >= 0.8
            assert ("optimizer.amsgrad.warmup" in flat) == (flat["optimizer.amsgrad"] == "yes")


def test_options_that_are_choices_in_two_branches_are_not_confused():
    space = Space(
        {
            "o": choice(
                a={"kind": choice("x", y={"p": uniform(0, 1)})},
                b={"kind": choice(y={"q": uniform(2, 3)}, z={"p": uniform(4, 5)})},
            )
        }
    )

    assert space.check({"o": {"a": {"kind": {"y": {"p": 0.5}}}}}) == {"o": "a", "o.kind": "y", "o.kind.p": 0.5}
    assert space.check({"o": {"b": {"kind": {"y": {"q": 2.5}}}}}) == {"o": "b", "o.kind": "y", "o.kind.q": 2.5}
    with pytest.raises(ValueError, match="outside"):
        space.check({"o": "b", "o.kind": "x"})


def test_a_constant_seed_draws_a_constant_point_whatever_branch_came_before():
    one, other = (TREE.sample(random.Random(seed)) for seed in (3, 3))

    assert one == other
    space = Space({"o": choice(a={"x": uniform(0, 1)}, b={}), "z": uniform(0, 1)})
    assert len({random.Random(seed).random() < 0.5 for seed in range(9)}) == 2
    for seed in range(9):  # every leaf costs one number, active or not
        numbers = random.Random(seed)
        assert space.sample(random.Random(seed))["z"] == [numbers.random() for _ in range(3)][2]


# -- coded -----------------------------------------------------------------------------------------


def test_what_json_cannot_hold_is_coded_by_its_place():
    space = Space(
        {
            "act": choice(relu, len),
            "widths": choice([1], {"a": 2}),
            "size": choice(*Size),
            "clip": choice(1.0, math.inf),
        }
    )

    coded = space.encode({"act": len, "widths": {"a": 2}, "size": Size.LARGE, "clip": math.inf})

    assert coded == {
        "act": {"option": 1, "shown": "len"},
        "widths": {"option": 1, "shown": '{"a": 2}'},
        "size": {"option": 1, "shown": "2"},
        "clip": {"option": 1, "shown": "Infinity"},
    }
    decoded = space.decode(json.loads(json.dumps(coded)))
    assert decoded == {"act": len, "widths": {"a": 2}, "size": Size.LARGE, "clip": math.inf}
    assert type(decoded["size"]) is Size
    assert shown_params(coded)["act"] == "len"


def test_a_long_option_is_coded_by_its_place_and_shown_cut():
    space = Space({"prompt": choice("a" * 100_000, "b")})

    coded = space.encode({"prompt": "a" * 100_000})

    assert coded["prompt"]["option"] == 0
    assert len(coded["prompt"]["shown"]) == 200
    assert space.decode(coded) == {"prompt": "a" * 100_000}


def test_numbers_of_numpy_are_coded_as_numbers():
    space = Space({"lr": Choice(np.logspace(-3, -1, 3)), "n": integer(1, 4), "x": uniform(0, 1)})

    flat = space.check({"lr": np.float64(0.01), "n": np.int64(2), "x": np.float32(0.5)})

    assert [type(value) for value in flat.values()] == [float, int, float]
    assert json.dumps(space.encode(flat)) == '{"lr": 0.01, "n": 2, "x": 0.5}'
    assert space.nest(space.decode(space.encode(flat))) == {"lr": 0.01, "n": 2, "x": 0.5}


def test_options_that_are_arrays_or_tables_are_kept():
    arrays = np.arange(3), np.arange(3)
    space = Space({"w": choice(*arrays, {"w": arrays[0]})})

    for option in space["w"].options:
        assert space.decode(json.loads(json.dumps(space.encode({"w": option}))))["w"] is option
        assert space.nest({"w": option})["w"] is option


def test_params_are_given_in_types_that_models_take():
    space = Space({"layers": integer(1, 4), "x": uniform(0, 2)})

    assert repr(space.check({"layers": 2.0, "x": 1})) == "{'layers': 2, 'x': 1.0}"


# -- as a value ------------------------------------------------------------------------------------


def test_lists_are_choices_and_dicts_are_groups():
    space = Space({"act": ["relu", "gelu"], "model": {"width": integer(1, 4), "inner": {"x": (1, 2)}}})

    assert space["act"] == choice("relu", "gelu")
    assert space["model"] == Space({"width": integer(1, 4), "inner": {"x": [1, 2]}})
    assert [leaf.name for leaf in space.leaves] == ["act", "model.width", "model.inner.x"]
    assert (list(space), len(space)) == (["act", "model"], 2)


def test_a_space_is_not_changed_by_what_it_was_made_of():
    made_of: dict[str, Any] = {"o": choice(a={"x": uniform(0, 1)}, b={}), "g": {"y": uniform(0, 1)}}
    space = Space(made_of)
    before = str(space)

    made_of["o"].spaces[0]["z"] = uniform(0, 1)
    made_of["g"]["z"] = uniform(0, 1)
    made_of["new"] = uniform(0, 1)

    assert str(space) == before


def test_another_order_is_another_space_for_it_draws_other_points():
    a, b = uniform(0, 1), uniform(0, 2)

    assert Space({"a": a, "b": b}) != Space({"b": b, "a": a})
    assert Space({"a": a}) != Space({"a": b})
    assert Space({"a": a}) == Space({"a": uniform(0, 1)}) == {"a": uniform(0, 1)}
    assert Space({"a": a}) != {} != "a"


def test_raw_and_settled_branches_are_equal():
    assert Space({"o": choice(a={"x": [1, 2]}, b={})})["o"] == choice(a={"x": choice(1, 2)}, b={})


def test_odd_names_are_no_trouble():
    name = "名前 / with 'quotes', \n newlines, ☃ and : colons"
    space = Space({name: uniform(0, 1), "n" * 5000: choice(a={name: uniform(0, 1)}, b={})})

    flat = space.sample(random.Random(0))

    assert space.check(space.nest(flat)) == flat
    assert space.decode(json.loads(json.dumps(space.encode(flat)))) == flat


# -- what is refused -------------------------------------------------------------------------------


def itself() -> dict[str, Any]:
    space: dict[str, Any] = {"x": uniform(0, 1)}
    space["again"] = space
    return space


@pytest.mark.parametrize(
    ("params", "seen", "mend"),
    [
        ({}, "the space is empty", "{'lr': loguniform(1e-5, 1e-1)}"),
        ({"a": {}}, "the space is empty", "{'lr': loguniform(1e-5, 1e-1)}"),
        ([1, 2], "[1, 2] (list)", "Give names and domains"),
        (None, "None (NoneType)", "Give names and domains"),
        ("lr", "'lr' (str)", "Give names and domains"),
        ({"act": "relu"}, "act is the text 'relu'", "Write act: [relu, ...]"),
        ({"lr": 0.1}, "lr is 0.1 (float)", "lr: uniform(0, 1)"),
        ({"lr": None}, "lr is None (NoneType)", "lr: uniform(0, 1)"),
        ({"lr": {1, 2}}, "(set)", "lr: uniform(0, 1)"),
        ({"lr": uniform}, "(function)", "lr: uniform(0, 1)"),
        ({1: uniform(0, 1)}, "named 1 (int)", "Name it by a word: 'lr'"),
        ({"": uniform(0, 1)}, "named ''", "Name it by a word: 'lr'"),
        ({"a": {" ": uniform(0, 1)}}, "named ' '", "Name it by a word: 'lr'"),
        ({"act": []}, "no options", "choice('relu', 'gelu')"),
        ({"o": choice(a={"x": 5}, b={})}, "x is 5 (int)", "x: uniform(0, 1)"),
        ({"a.b": uniform(0, 1), "a": {"b": uniform(0, 1)}}, "both called 'a.b'", "Rename one"),
        ({"a": {"b": uniform(0, 1)}, "a.b": uniform(0, 1)}, "both called 'a.b'", "Rename one"),
        ({"o": choice(a={"x": [1, 2]}, b={}), "o.x": uniform(0, 1)}, "both called 'o.x'", "Rename one"),
        ({"o": choice(a={"g.x": [1, 2], "g": {"x": [1, 2]}}, b={})}, "both called 'g.x'", "Rename one"),
        (
            {"o": choice(a={"x.y": [1, 2]}, b={"x.y": [1, 2]}), "o.x": {"y": [1, 2]}},
            "both called 'o.x.y'",
            "Rename one",
        ),
        ({"a": {"b": uniform(0, 1)}, "a.b": {"c": uniform(0, 1)}}, "both called 'a.b'", "Rename one"),
        (itself(), "nested without end", "Write out its groups"),
    ],
)
def test_what_is_no_space_is_refused_with_what_was_seen_and_a_mend(params, seen, mend):
    with pytest.raises(ValueError, match=r"(?s)^.+\. [A-Z].+\.$") as refused:
        Space(params)

    assert seen in str(refused.value)
    assert mend in str(refused.value)


POINT = {"lr": 0.01, "optimizer": "none", "head": {"width": 8, "kind": "flat"}}


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"lr": 1.0}, r"lr=1\.0 lies outside loguniform\(0\.0001, 0\.1\)\. Choose a value inside\."),
        ({"lr": "0.01"}, r"lr='0\.01' lies outside"),
        ({"lr": math.nan}, r"lr=nan lies outside"),
        ({"lr": None}, r"lr=None lies outside"),
        ({"lrr": 0.1}, r"lrr=0\.1 is no parameter of this point\. Did you mean 'lr'\?"),
        ({5: 0.1}, r"5=0\.1 is no parameter of this point\. "),
        ({"optimizer": "sgdd"}, r"optimizer='sgdd' lies outside choice\("),
        ({"optimizer": "none", "optimizer.momentum": 0.9}, r"optimizer\.momentum=0\.9 is no parameter of this point"),
        (
            {"optimizer": "sgd"},
            r"lacks optimizer\.momentum, optimizer\.nesterov\. Give every active parameter a value\.",
        ),
        ({"optimizer": {"sgd": {"momentum": 0.5}}}, r"lacks optimizer\.nesterov"),
        (
            {"optimizer": {"sgd": {"momentum": 0.5, "nesterov": True, "momentun": 1}}},
            r"optimizer\.momentun=1 is no parameter\. Did you mean 'momentum'\?",
        ),
        ({"optimizer": {"sgd": 0.5}}, r"optimizer=0\.5 should hold momentum, nesterov\. Write optimizer: \{\.\.\.\}\."),
        ({"optimizer": {"plain": {"x": 1}}}, r"optimizer\.x=1 is no parameter\. None is known"),
        ({"optimizer": {"sgd": {}, "adam": {}}}, r"is none of the options of choice\(.*\. Give one: \{option: "),
        ({"optimizer": {"rmsprop": {}}}, r"optimizer=\{'rmsprop': \{\}\} is none of the options"),
        ({"optimizer": {}}, r"optimizer=\{\} is none of the options"),
        ({"head": 5}, r"head=5 should hold width, kind\. Write head: \{\.\.\.\}\."),
        ({"head": {"width": 8, "kind": "flat", "depth": 1}}, r"head\.depth=1 is no parameter\. Did you mean"),
        ({"head.width": 8}, r"head\.width=8 is given twice"),
        ({"head": {"width": 8.5, "kind": "flat"}}, r"head\.width=8\.5 lies outside integer\(8, 64\)"),
    ],
)
def test_a_point_of_another_space_is_refused(changes, match):
    assert TREE.check(POINT)

    with pytest.raises(ValueError, match=match):
        TREE.check({**POINT, **changes})


@pytest.mark.parametrize("point", [None, 5, [("lr", 0.1)], "lr"])
def test_what_is_no_point_is_refused(point):
    with pytest.raises(ValueError, match=r"the point is .*\. Give a value for each name"):
        TREE.check(point)


# -- what it costs ---------------------------------------------------------------------------------


def test_a_point_of_ten_params_costs_microseconds(benchmark_s):
    space = Space(
        {
            **{f"x{k}": loguniform(1e-5, 1) for k in range(8)},
            "o": choice(a={"m": uniform(0, 1)}, b={"n": uniform(0, 1)}),
        }
    )
    rng = random.Random(0)
    flat = space.sample(rng)
    coded, nested = space.encode(flat), space.nest(flat)
    calls: list[Any] = [
        lambda: space.sample(rng),
        lambda: space.encode(flat),
        lambda: space.decode(coded),
        lambda: space.nest(flat),
        lambda: space.check(nested),
    ]

    for call in calls:
        assert benchmark_s(lambda call=call: [call() for _ in range(100)], repeats=5) < 100 * 100e-6


def test_a_thousand_params_are_no_burden(benchmark_s):
    params = {f"o{k}": choice(a={"x": uniform(0, 1)}, b={"x": uniform(0, 1)}) for k in range(500)}

    def study() -> None:
        space = Space(params)
        flat = space.sample(random.Random(0))
        assert space.decode(space.encode(flat)) == space.check(space.nest(flat)) == flat

    assert benchmark_s(study) < 2
