"""Copies of a part of a space: how they are named, nested and counted."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search import Space, choice, integer, loguniform, ordinal, repeat, sequence, uniform, variants
from search.notation import DOMAINS, parse

LAYERS = Space(
    {"lr": loguniform(1e-4, 1), "layers": repeat(integer(1, 3), {"width": integer(8, 64), "act": ["r", "g"]})}
)


def test_a_flat_point_names_the_copies_by_their_places_and_a_nested_one_lists_them():
    flat = {
        "lr": 0.1,
        "layers": 2,
        "layers.0.width": 8,
        "layers.0.act": "r",
        "layers.1.width": 16,
        "layers.1.act": "g",
    }
    nested = {"lr": 0.1, "layers": [{"width": 8, "act": "r"}, {"width": 16, "act": "g"}]}

    assert LAYERS.nest(flat) == nested
    assert LAYERS.check(nested) == LAYERS.check(flat) == flat
    assert [leaf.name for leaf in LAYERS.active_leaves(flat)] == list(flat)


def test_a_fixed_number_of_copies_needs_no_parameter_of_its_own():
    space = Space({"rates": repeat(2, uniform(0, 1))})

    assert [leaf.name for leaf in space.leaves] == ["rates.0", "rates.1"]
    assert space.nest({"rates.0": 0.1, "rates.1": 0.2}) == {"rates": [0.1, 0.2]}
    assert space.check({"rates": [0.1, 0.2]}) == {"rates.0": 0.1, "rates.1": 0.2}


@given(st.integers(0, 2), st.integers(0, 3), st.integers(1, 3), st.integers(0, 2**20))
def test_a_copy_exists_just_where_there_are_so_many(low, more, step, seed):
    if step > more:
        return
    space = Space(
        {"n": repeat(integer(low, low + more, step=step), {"x": uniform(0, 1), "o": choice(a={"y": [1, 2]}, b={})})}
    )

    point = space.sample(random.Random(seed))

    present = {name.split(".")[1] for name in point if name.startswith("n.")}
    assert present == {str(k) for k in range(point["n"])}
    assert len(space.nest(point)["n"]) == point["n"]
    assert space.check(space.nest(point)) == point


def test_repeats_may_hold_repeats():
    space = Space({"blocks": repeat(integer(1, 2), {"convs": repeat(integer(1, 2), ordinal(1, 3, 5))})})

    point = space.check({"blocks": [{"convs": [3]}, {"convs": [5, 1]}]})

    assert point == {
        "blocks": 2,
        "blocks.0.convs": 1,
        "blocks.0.convs.0": 3,
        "blocks.1.convs": 2,
        "blocks.1.convs.0": 5,
        "blocks.1.convs.1": 1,
    }
    assert space.size == sum((3 + 9) ** k for k in (1, 2))


@pytest.mark.parametrize(
    "text",
    [
        "repeat(integer(1, 4), {'width': logint(8, 64)})",
        "repeat(3, uniform(0, 1))",
        "repeat(integer(0, 2), choice(a={'x': uniform(0, 1)}, b={}))",
        "variants(sgd={'kind': fixed('sgd'), 'm': uniform(0, 1)}, adam={'kind': fixed('adam')})",
        "sequence(uniform(0, 1), choice(1, 2), repeat(2, uniform(0, 1)))",
    ],
)
def test_it_is_read_as_it_is_written(text):
    value = parse(text, DOMAINS)

    assert str(value) == text
    assert Space({"a": value}) == Space({"a": parse(str(Space({"a": value})["a"]), DOMAINS)})


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: repeat(0, uniform(0, 1)), r"repeat\(n='?0'?\) is no number of copies\. Give one"),
        (lambda: repeat("three", uniform(0, 1)), r"repeat\(n='three'\) is no number of copies\. Give one"),
        (lambda: repeat(uniform(1, 3), uniform(0, 1)), r"is no number of copies"),
        (lambda: repeat(integer(-1, 3), uniform(0, 1)), r"goes from -1 to 3 copies\. Stay between 0 and 1000"),
        (lambda: repeat(5000, uniform(0, 1)), "Stay between 0 and 1000"),
        (lambda: repeat(2, {}), r"repeats nothing\. Name what a copy has"),
        (lambda: LAYERS.check({"lr": 0.1, "layers": []}), r"layers=0 lies outside integer\(1, 3\)"),
        (lambda: LAYERS.check({"lr": 0.1, "layers": [{"width": 8}]}), r"lacks layers\.0\.act"),
        (lambda: Space({"r": repeat(2, uniform(0, 1))}).check({"r": [1.0]}), r"has 1 copies, and the space has 2"),
        (lambda: Space({"r": repeat(2, uniform(0, 1))}).check({"r": 0.5}), r"should be a list of 2 copies"),
        (lambda: Space({"l": repeat(2, uniform(0, 1)), "l.0": uniform(0, 1)}), r"both called 'l\.0'"),
    ],
)
def test_what_cannot_be_is_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


# -- as other tuners have them ---------------------------------------------------------------------


def test_variants_give_the_parameters_alone_and_are_told_apart_by_a_constant():
    from search import fixed

    space = Space(
        {"opt": variants("none", sgd={"kind": fixed("sgd"), "m": uniform(0, 1)}, adam={"kind": fixed("adam")})}
    )
    flat = {"opt": "sgd", "opt.kind": "sgd", "opt.m": 0.5}

    assert space.nest(flat) == {"opt": {"kind": "sgd", "m": 0.5}}
    assert space.check({"opt": {"kind": "sgd", "m": 0.5}}) == flat
    assert space.check({"opt": {"kind": "adam"}}) == {"opt": "adam", "opt.kind": "adam"}
    assert space.check({"opt": "none"}) == {"opt": "none"}


def test_a_sequence_gives_its_values_in_a_tuple():
    space = Space({"case": sequence(uniform(0, 1), [1, 2])})

    assert space.nest({"case.0": 0.5, "case.1": 2}) == {"case": (0.5, 2)}
    assert space.check({"case": (0.5, 2)}) == {"case.0": 0.5, "case.1": 2}
