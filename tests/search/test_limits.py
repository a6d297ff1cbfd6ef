"""Relations between parameters: what they say, where they are silent, and what is refused."""

import ast
import itertools
import pickle
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search import Space, believed, choice, integer, logint, repeat, uniform
from search.limits import parse_limit
from search.room import pulled

KNOWN = ["low", "high", "layers", "layers.0.width", "layers.1.width", "opt", "opt.momentum", "a.0.1.b"]
POINT = {"low": 0.1, "high": 0.2, "layers": 2, "layers.0.width": 60, "layers.1.width": 50, "opt": "adam"}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("low < high", True),
        ("low * 2 < high", False),
        ("low * 2 <= high", True),
        ("0.05 < low < high <= 0.2", True),
        ("sum(layers.width) <= 110", True),
        ("sum(layers.width) < 110", False),
        ("max(layers.width) == 60 and min(layers.width) == 50", True),
        ("len(layers.width) == layers", True),
        ("layers[0].width >= layers.1.width", True),
        ("layers.0.width % 7 == 4", True),
        ("layers.0.width // 7 == 8", True),
        ("opt == 'sgd' or low < 0.5", True),
        ("opt == 'sgd' or not low < 0.5", False),
        ("opt in ['adam', 'lion']", True),
        ("opt not in ('adam', 'lion')", False),
        ("opt.momentum < 0.1", True),  # there is none in this point
        ("opt.momentum < 0.1 and low > 9", True),  # nor does the rest count then
        ("low > 9 and opt.momentum < 0.1", True),  # in whatever order it is written
        ("low > 9 or opt.momentum < 0.1", True),
        ("sqrt(layers.0.width + 4) == 8 and log2(layers + 2) == 2", True),
        ("abs(low - high) <= 0.11 and -low < 0", True),
        ("2 ** layers == 4", True),
        ("min(low, high) == low", True),
        ("low / (layers - 2) < 1", False),  # a division by zero keeps nothing
        ("9 ** 9 ** 9 ** 9 < low", False),
        ("log(low - high) < 1", False),
    ],
)
def test_a_relation_holds_or_not(text, holds):
    limit = parse_limit(text, KNOWN)

    assert limit.holds(POINT) is holds
    assert pickle.loads(pickle.dumps(limit)).holds(POINT) is holds
    assert parse_limit(str(limit), KNOWN) == limit


@given(st.floats(-10, 10), st.floats(-10, 10), st.integers(-5, 5), st.sampled_from(["<", "<=", ">", ">=", "==", "!="]))
def test_arithmetic_is_pythons(low, high, layers, op):
    text = f"low * {layers} - 2 * high + 1.5 {op} high - low / 3"

    expected = eval(text, {"low": low, "high": high})  # of a text that is ours

    assert parse_limit(text, KNOWN).holds({"low": low, "high": high}) == expected


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("low", r"'low' compares nothing\. Write a relation: 'layers \* width <= 4096'"),
        ("low + high", "compares nothing"),
        ("low +", "cannot be read"),
        ("low <", "cannot be read"),
        ("lo < high", r"names 'lo'\. Did you mean 'low'\?"),
        ("layers.wdth < 3", r"names 'layers\.wdth'\. Did you mean 'layers\.width'\?"),
        ("1 < 2", "names no parameter"),
        ("__import__('os').system('id') < low", "no arithmetic"),
        ("open('x') < low", r"calls 'open'\. Known: min, max"),
        ("low.__class__ < 3", r"names 'low\.__class__'"),
        ("(lambda: 1) < low", r"'lambda: 1' in .* is no arithmetic"),
        ("[x for x in low] < 3", "no arithmetic"),
        ("low if high else 3 < 2", "compares nothing"),
        ("low < high; low", "cannot be read"),
        ("low < f'{high}'", "no arithmetic"),
        ("low is high", "no arithmetic"),
        ("", "a limit is ''"),
        (3, "a limit is 3"),
        ("low < " + "1 + " * 300 + "1", "a limit is"),
    ],
)
def test_what_is_no_relation_is_refused(text, match):
    with pytest.raises(ValueError, match=match):
        parse_limit(text, KNOWN)


# -- in a space ------------------------------------------------------------------------------------


def test_every_draw_keeps_the_limits():
    space = Space(
        {"low": uniform(0, 1), "high": uniform(0, 1), "n": integer(1, 8), "w": logint(1, 4096)},
        limits=["low < high", "n * w <= 64"],
    )
    rng = random.Random(0)

    for _ in range(500):
        point = space.sample(rng)
        assert point["low"] < point["high"]
        assert point["n"] * point["w"] <= 64


def test_a_point_that_breaks_one_is_refused_with_its_text():
    space = Space({"low": uniform(0, 1), "high": uniform(0, 1)}, limits=["low < high"])

    with pytest.raises(
        ValueError, match=r"breaks the limit low < high\. One nearby keeps it: \{'low': 0\.49"
    ) as refused:
        space.check({"low": 0.5, "high": 0.5})

    mend = ast.literal_eval(str(refused.value).partition("keeps it: ")[2].rstrip("."))
    assert space.check(mend) == mend


@pytest.mark.parametrize(
    ("limits", "match"),
    [
        (["x + y > 3"], r"no point of 20,000 keeps the limits; the last one broke 'x \+ y > 3'\. Loosen it"),
        (["kind < 3"], r"the limit 'kind < 3' cannot be computed: '[ab]' is no number\. Compare numbers"),
        ("x < z", r"names 'z'\."),
    ],
)
def test_limits_that_leave_no_room_or_cannot_be_computed_are_refused(limits, match):
    with pytest.raises(ValueError, match=match):
        Space({"x": uniform(0, 1), "y": uniform(0, 1), "kind": choice("a", "b")}, limits=limits)


def test_where_hardly_any_draw_keeps_them_points_are_pulled_to_where_they_do():
    space = Space({f"x{k}": uniform(0, 1) for k in range(4)}, limits=["x0 + x1 + x2 + x3 <= 0.35"])
    rng = random.Random(0)  # 1 in 1,600

    points = [space.sample(rng) for _ in range(20)]

    assert all(sum(point.values()) <= 0.35 for point in points)
    assert len({tuple(point.values()) for point in points}) > 10


@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 3), st.sampled_from(["a", "b"]))
def test_a_point_is_pulled_only_as_far_as_it_needs(x, y, copies, kind):
    space = Space(
        {"x": uniform(0, 1), "y": uniform(0, 1), "l": repeat(integer(1, 3), {"w": uniform(0, 1)}), "kind": ["a", "b"]},
        limits=["x + y <= 1", "kind == 'a' or x < 0.5"],
    )
    anchor = space.check({"x": 0.1, "y": 0.1, "l": [{"w": 0.5}], "kind": "a"})
    point = space.within({"x": x, "y": y, "l": [{"w": 0.5}] * copies, "kind": kind})

    moved = pulled(space, point, anchor)

    assert space.check(moved) == moved
    if x + y > 1.01 and kind == "a":
        assert moved["x"] + moved["y"] > 0.999


def test_a_space_with_limits_is_a_value():
    one, same, other = (Space({"x": uniform(0, 1)}, limits=[text]) for text in ("x < 0.5", "x < 0.5", "x < 0.6"))

    assert one == same != other
    assert pickle.loads(pickle.dumps(one)) == one
    assert one != Space({"x": uniform(0, 1)})


ORDERED = {f"x{k}": uniform(0, 1) for k in range(8)}


@pytest.mark.parametrize(
    ("params", "limits"),
    [
        (ORDERED, [" < ".join(ORDERED)]),  # 1 draw in 40,320
        (ORDERED, [f"{a} < {b}" for a, b in itertools.pairwise(ORDERED)]),
        ({f"x{k}": uniform(0, 1) for k in range(20)}, [" + ".join(f"x{k}" for k in range(20)) + " <= 1"]),
        ({"x": uniform(0, 1), "y": uniform(0, 1)}, ["x + y <= 1e-6"]),
        ({"x": uniform(0, 1), "y": uniform(0, 1)}, ["x * y >= 0.999999"]),
        ({"x": uniform(0, 1), "y": uniform(0, 1)}, ["not (x > 1e-6 or y > 1e-6)"]),
        ({"n": logint(1, 10**6), "m": logint(1, 10**6), "k": ["a", "b"]}, ["n > 999_000 and m > 999_000", "k == 'a'"]),
    ],
)
def test_limits_that_no_draw_keeps_are_kept_all_the_same(params, limits):
    space = Space(params, limits)
    rng = random.Random(0)

    points = [space.sample(rng) for _ in range(8)]

    assert all(space.check(point) == point for point in points)
    assert len({tuple(point.values()) for point in points}) > 4


def test_where_draws_are_led_they_are_as_draws_that_were_kept():
    """The smallest of ordered shares, against the mean of its beta distribution, 1 / (n + 1)."""
    space = Space({f"x{k}": uniform(0, 1) for k in range(8)}, [" < ".join(f"x{k}" for k in range(8))])
    rng = random.Random(1)

    points = [space.sample(rng) for _ in range(150)]

    assert statistics.mean(point["x0"] for point in points) == pytest.approx(1 / 9, abs=0.03)
    assert statistics.mean(point["x4"] for point in points) == pytest.approx(5 / 9, abs=0.05)


def test_what_can_nowhere_be_computed_says_why():
    with pytest.raises(ValueError, match=r"the last one broke '9 \*\* 9 \*\* 9 > x' \(math range error\)\. Loosen it"):
        Space({"x": uniform(0, 1)}, ["9 ** 9 ** 9 > x"])


@pytest.mark.parametrize(
    ("limit", "match"),
    [
        ("opt == 'adm'", r"compares opt with 'adm', which is no option of it\. Did you mean 'adam'\?"),
        ("'sdg' != opt", r"Did you mean 'sgd'\?"),
        ("opt in ['adam', 'lion']", r"with 'lion'.*Known: adam, sgd\."),
    ],
)
def test_options_that_there_are_not_are_told(limit, match):
    with pytest.raises(ValueError, match=match):
        Space({"opt": ["adam", "sgd"], "x": uniform(0, 1)}, [limit])


def test_a_space_shows_its_limits_and_beliefs():
    space = Space({"x": uniform(0, 1)}, ["x < 0.5"], believed(x=0.1))

    assert repr(space) == "Space({'x': uniform(0, 1)}, limits=['x < 0.5'], prior=[believed(x=0.1)])"
