"""Floats, integers and choices: what they hold, how they are drawn, and what is refused."""

import copy
import math
import pickle
from collections import Counter
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from search import (
    Choice,
    Float,
    Int,
    choice,
    fixed,
    integer,
    logint,
    lognormal,
    loguniform,
    normal,
    ordinal,
    uniform,
)
from search.notation import DOMAINS, parse
from tests.kit.spaces import choices, floats, ints, relu

domains = floats() | ints() | choices()
shares = st.floats(0, 1, exclude_max=True) | st.sampled_from([0.0, 0.5, 1 - 2**-53])


class Color(Enum):
    RED = 1


# -- what every domain does ------------------------------------------------------------------------


@given(domains, shares)
def test_what_a_domain_draws_it_holds(domain, u):
    assert domain.holds(domain.at(u))


@given(floats() | ints(), st.floats(allow_nan=False))
def test_what_a_domain_clips_it_holds_and_leaves_alone(domain, value):
    clipped = domain.clip(value)

    assert domain.holds(clipped)
    assert domain.clip(clipped) == clipped
    assert type(clipped) is (float if isinstance(domain, Float) else int)


@given(domains, shares)
def test_every_value_has_shares_of_its_own(domain, u):
    value = domain.at(u)

    low, high = domain.cell(value)

    assert 0 <= low <= domain.unit(value) <= high <= 1
    coarse = math.ulp(max(abs(domain.low), abs(domain.high))) / (domain.high - domain.low) if high == low else 0
    assert low - 1e-9 - coarse <= u <= high + 1e-9 + coarse
    again = domain.at(min(domain.unit(value), 1 - 2**-53))
    assert again == (pytest.approx(value, rel=1e-6, abs=1e-300) if domain.size == math.inf else value)


@given(domains)
def test_the_shares_of_all_values_fill_the_unit_interval(domain):
    if domain.size > 200:
        return
    values = list(domain.options if isinstance(domain, Choice) else domain.grid(None))

    ends = [domain.cell(value) for value in values]

    assert len(values) == domain.size
    assert (ends[0][0], ends[-1][1]) == (0, 1)
    assert all(a[1] == pytest.approx(b[0], abs=1e-12) for a, b in pairwise(ends))


@given(floats() | ints(), st.integers(1, 12))
def test_what_a_grid_names_a_domain_holds_and_in_order(domain, points):
    values = list(domain.grid(points))

    assert all(domain.holds(value) for value in values)
    assert values == sorted(set(values))
    assert 1 <= len(values) <= points


@given(domains)
def test_a_domain_is_read_as_it_is_written(domain):
    again = parse(str(domain), DOMAINS)

    assert again == domain
    assert hash(again) == hash(domain)
    assert str(again) == str(domain)


@given(domains)
def test_a_domain_is_a_value(domain):
    for again in (pickle.loads(pickle.dumps(domain)), copy.deepcopy(domain)):
        assert again == domain
        assert hash(again) == hash(domain)


@given(floats() | ints(), st.lists(shares, min_size=2, max_size=5))
def test_a_larger_share_is_a_larger_value(domain, us):
    assert [domain.at(u) for u in sorted(us)] == sorted(domain.at(u) for u in us)


# -- floats ----------------------------------------------------------------------------------------


def test_a_uniform_share_is_a_share_of_the_way():
    assert [uniform(-5, 10).at(u) for u in (0, 0.2, 0.5)] == [-5, -2, 2.5]
    assert type(uniform(0, 1).at(0)) is float


def test_a_log_share_is_a_share_of_the_orders_of_magnitude():
    assert [loguniform(1e-4, 1).at(u) for u in (0, 0.25, 0.5, 0.75)] == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1])


@pytest.mark.parametrize(
    ("domain", "values"),
    [
        (uniform(0.1, 0.7, step=0.1), [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]),  # just so, not 0.30000000000000004
        (uniform(0, 1, step=0.4), [0.0, 0.4, 0.8]),
        (uniform(-0.3, 0.3, step=0.2), [-0.3, -0.1, 0.1, 0.3]),
        (uniform(1e-10, 5e-10, step=1e-10), [1e-10, 2e-10, 3e-10, 4e-10, 5e-10]),
        (loguniform(0.1, 1, step=0.25), [0.1, 0.35, 0.6, 0.85]),
    ],
    ids=str,
)
def test_steps_are_walked_as_they_are_written(domain, values):
    assert list(domain.grid(None)) == values
    assert {domain.at(u / 1000) for u in range(1000)} == set(values)
    for value in values:
        assert domain.holds(value)
        assert not domain.holds(value + 0.5 * domain.step)
        assert not domain.holds(value + 0.01 * domain.step)


def test_each_step_is_drawn_as_often_as_any_other():
    drawn = Counter(uniform(0, 1, step=0.25).at(k / 1000) for k in range(1000))

    assert drawn == {0.0: 200, 0.25: 200, 0.5: 200, 0.75: 200, 1.0: 200}


@given(floats(), st.floats(-1e7, 1e7))
def test_a_float_clips_to_the_nearest_value_it_has(domain, value):
    nearest = (
        min(domain.grid(None), key=lambda v: abs(v - value))
        if domain.step
        else float(np.clip(value, domain.low, domain.high))
    )

    assert abs(domain.clip(value) - value) <= abs(nearest - value) * (1 + 1e-6) + 1e-12


@pytest.mark.parametrize("points", [1, 2, 3, 5, 8])
def test_a_grid_over_a_continuous_range_is_spread_as_numpy_spreads_it(points):
    middle = {1: [0.5]}.get(points)

    assert list(uniform(0, 1).grid(points)) == pytest.approx(middle or np.linspace(0, 1, points))
    assert list(loguniform(1e-4, 1).grid(points)) == pytest.approx([1e-2] if middle else np.geomspace(1e-4, 1, points))


def test_a_grid_begins_and_ends_at_the_bounds():
    values = list(loguniform(3e-5, 7e-2).grid(4))

    assert (values[0], values[-1]) == (3e-5, 7e-2)


@given(floats().filter(lambda domain: domain.step), st.integers(2, 60))
def test_a_grid_of_few_points_over_steps_is_the_nearest_step_to_each(domain, points):
    steps = list(domain.grid(None))
    ends = (steps[0], steps[-1])
    spread = np.geomspace(*ends, points) if domain.log else np.linspace(*ends, points)
    places = [round((value - domain.low) / domain.step, 9) for value in spread]

    values = list(domain.grid(points))

    if points >= len(steps):
        assert values == steps
    elif all(abs(place % 1 - 0.5) > 1e-6 for place in places):  # no ties
        assert values == [steps[k] for k in sorted({round(place) for place in places})]


@pytest.mark.parametrize("value", [0.5, 0, 1, np.float32(0.5), np.int64(1), Fraction(1, 3)])
def test_a_float_holds_any_real_number_inside(value):
    assert uniform(0, 1).holds(value)


@pytest.mark.parametrize(
    "value",
    [1.5, -1e-9, math.nan, math.inf, True, np.True_, None, "0.5", [0.5], np.zeros(1), 1j, 10**400, Decimal("0.5")],
)
def test_a_float_holds_nothing_else(value):
    assert not uniform(0, 1).holds(value)
    assert not integer(0, 1).holds(value)


def test_bounds_of_numpy_print_as_plain_numbers():
    assert str(uniform(np.float64(0.5), np.int64(2))) == "uniform(0.5, 2)"
    assert str(loguniform(1e-5, np.float32(0.5))) == "loguniform(1e-05, 0.5)"
    assert str(integer(np.int64(1), 4.0)) == "integer(1, 4)"
    assert uniform(np.float64(0), 1) == uniform(0, 1)


# -- integers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("domain", "values"),
    [
        (integer(1, 4), [1, 2, 3, 4]),
        (integer(-2, 2), [-2, -1, 0, 1, 2]),
        (integer(16, 70, step=16), [16, 32, 48, 64]),
        (logint(1, 5), [1, 2, 3, 4, 5]),
        (logint(1, 10, step=3), [1, 4, 7, 10]),
    ],
    ids=str,
)
def test_both_ends_are_included_and_nothing_lies_between_steps(domain, values):
    assert list(domain.grid(None)) == values
    assert {domain.at(u / 10_000) for u in range(10_000)} == set(values)
    assert [v for v in range(-100, 100) if domain.holds(v)] == values


def test_whole_numbers_are_equally_likely():
    assert Counter(integer(3, 6).at(k / 1000) for k in range(1000)) == {3: 250, 4: 250, 5: 250, 6: 250}


def test_log_integers_are_as_likely_as_the_logarithm_says():
    drawn = Counter(logint(1, 7).at(k / 30_000) for k in range(30_000))

    for value in range(1, 8):  # floor of loguniform(1, 8): log((k + 1) / k) / log(8)
        assert drawn[value] == pytest.approx(30_000 * math.log((value + 1) / value) / math.log(8), abs=2)


@given(ints(), st.integers(2, 200))
def test_a_grid_of_integers_is_the_nearest_step_to_each_point(domain, points):
    top = domain.low + (domain.high - domain.low) // domain.step * domain.step
    steps = range(domain.low, top + 1, domain.step)
    spread = np.geomspace(domain.low, top, points) if domain.log else np.linspace(domain.low, top, points)
    places = [round((value - domain.low) / domain.step, 9) for value in spread]

    values = domain.grid(points)

    if points >= len(steps):
        assert (len(values), values[0], values[-1]) == (len(steps), steps[0], steps[-1])
    elif all(abs(place % 1 - 0.5) > 1e-6 for place in places):  # no ties
        assert list(values) == [steps[k] for k in sorted({round(place) for place in places})]


def test_grids_of_any_size_are_read_by_place_and_never_written_out(benchmark_s):
    huge = [
        integer(0, 10**30).grid(None),
        integer(0, 10**12).grid(10**9),
        logint(1, 10**15).grid(10**12),
        uniform(0, 1).grid(10**12),
        uniform(0, 1, step=1e-12).grid(None),
    ]

    assert [values.size for values in huge[:2]] == [10**30 + 1, 10**9]
    assert huge[3].size == 10**12
    assert huge[4].size == 10**12 + 1
    assert huge[0][10**29] == 10**29
    assert [values[values.size - 1] for values in huge] == [10**30, 10**12, 10**15, 1.0, 1.0]
    assert benchmark_s(lambda: [values[values.size // 3] for values in huge], repeats=5) < 0.01


def test_a_grid_is_a_sequence():
    values = integer(1, 4).grid(None)

    assert (len(values), values[-1], list(reversed(values)), 3 in values) == (4, 4, [4, 3, 2, 1], True)
    with pytest.raises(IndexError, match="Count from 0"):
        values[4]


def test_integers_beyond_the_precision_of_floats_stay_exact():
    domain = integer(0, 2**60)

    assert domain.clip(2**60 - 1) == 2**60 - 1
    assert domain.holds(2**60 - 1)
    assert not integer(0, 2**60, step=2).holds(2**60 - 1)


@pytest.mark.parametrize("value", [1, 4.0, np.int64(2), np.float64(3)])
def test_an_integer_holds_any_whole_number_inside(value):
    assert integer(1, 4).holds(value)


@pytest.mark.parametrize("value", [0, 5, 2.5, True, None, "2", [2]])
def test_an_integer_holds_nothing_else(value):
    assert not integer(1, 4).holds(value)


# -- choices ---------------------------------------------------------------------------------------


def test_true_one_and_one_point_zero_are_three_options():
    odd = choice(True, 1, 1.0, None, "1")

    assert [odd.index(value) for value in (True, 1, 1.0, None, "1")] == [0, 1, 2, 3, 4]
    assert not odd.holds(False)
    assert choice([True], [1], [1.0]).index([1]) == 1


def test_options_of_any_type_are_told_apart_by_place():
    arrays = np.zeros(2), np.zeros(2)
    odd = choice([1, 2], {"a": [1]}, relu, len, *arrays, {"a": arrays[0]}, Color.RED, float)

    for place, option in enumerate(odd.options):
        assert odd.index(option) == place
        assert odd.holds(option)
    assert odd.index([1, 2]) == 0
    assert not odd.holds(np.zeros(2))
    assert not odd.holds([1, 3])


def test_numpys_scalars_become_pythons_own():
    rates = Choice(np.logspace(-3, -1, 3))

    assert rates.options == (0.001, 0.01, 0.1)
    assert {type(option) for option in rates.options} == {float}
    assert rates.index(np.float64(0.01)) == 1
    assert choice(np.int64(3), np.str_("a"), np.bool_(True)) == choice(3, "a", True)


def test_options_are_equally_likely():
    assert Counter(choice("a", "b", "c").at(k / 999) for k in range(999)) == {"a": 333, "b": 333, "c": 333}


def test_a_single_list_holds_the_options_themselves():
    assert choice(["relu", "gelu"]) == choice("relu", "gelu") == Choice(("relu", "gelu"))


def test_a_single_option_is_only_warned_about():
    with pytest.warns(UserWarning, match=r"a choice of 'relu' alone leaves nothing .*meant: fixed\('relu'\)\.") as told:
        alone = choice("relu")

    assert alone.at(0.9) == "relu"
    assert len(told) == 1


def test_a_single_option_that_is_a_list_is_read_as_it_is_written():
    with pytest.warns(UserWarning, match="leaves nothing"):
        alone = choice([[1, 2]])

    again = parse(str(alone), DOMAINS)

    assert str(alone) == "fixed([1, 2])"
    assert again == alone == fixed([1, 2])


def test_choices_with_other_options_or_branches_differ():
    plain, same = choice("a", "b"), choice("a", "b")

    assert plain == same
    assert hash(plain) == hash(same)
    assert plain != choice("b", "a")
    assert plain != choice("a", "b", "c")
    assert choice(1, 2) != choice(1.0, 2)
    assert choice("x", a={"p": uniform(0, 1)}) != choice("x", a={"p": uniform(0, 2)})
    assert choice("x", a={}) != choice("x", "a")
    assert plain != "choice('a', 'b')"


def test_ten_thousand_options_are_no_burden(benchmark_s):
    def many() -> Any:
        domain = choice(list(range(10_000)))
        return [domain.index(k) for k in range(10_000)]

    assert benchmark_s(many) < 1


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "seen", "mend"),
    [
        (lambda: uniform(1, 0), "uniform(1, 0)", "Swap them: uniform(0, 1)."),
        (lambda: uniform(1, 1), "uniform(1, 1)", "Use choice(1) for one value."),
        (lambda: uniform(math.nan, 1), "bound nan", "Use two finite numbers."),
        (lambda: uniform(0, math.inf), "bound inf", "Use two finite numbers."),
        (lambda: uniform(0, 10**400), "bound 1000", "Use two finite numbers."),
        (lambda: uniform("0", 1), "bound '0'", "Use two finite numbers."),
        (lambda: uniform(None, 1), "bound None", "Use two finite numbers."),
        (lambda: uniform(False, 1), "bound False", "Use two finite numbers."),
        (lambda: uniform([0], 1), "bound [0]", "Use two finite numbers."),
        (lambda: uniform(-1e308, 1e308), "uniform(-1e+308, 1e+308)", "Draw the bounds closer together."),
        (lambda: uniform(0, 1, step=2), "steps of 2", "between 0 and 1"),
        (lambda: uniform(0, 1, step=0), "steps of 0", "between 0 and 1"),
        (lambda: uniform(0, 1, step=math.nan), "steps of nan", "between 0 and 1"),
        (lambda: uniform(0, 1, step="small"), "steps of 'small'", "between 0 and 1"),
        (lambda: loguniform(0, 1), "no logarithm at 0", "loguniform(0.001, 1)"),
        (lambda: loguniform(-1, 1), "no logarithm at -1", "loguniform(0.001, 1)"),
        (lambda: loguniform(-2, -1), "no logarithm at -2", "loguniform(0.001, 1)"),
        (lambda: loguniform(5e-324, 1e300), "spans more than a float can hold", "Draw the bounds closer together."),
        (lambda: integer(0.5, 3), "fractional bound 0.5", "integer(0, 3), or uniform(0.5, 3)"),
        (lambda: integer(0, 3.5), "fractional bound 3.5", "integer(0, 4), or uniform(0, 3.5)"),
        (lambda: integer(4, 1), "integer(4, 1)", "Swap them: integer(1, 4)."),
        (lambda: integer(0, math.nan), "bound nan", "Use two finite numbers."),
        (lambda: integer(0, 4, step=1.5), "step=1.5", "Use whole bounds"),
        (lambda: integer(0, 4, step=None), "step=None", "Use whole bounds"),
        (lambda: integer(0, 4, step=0), "steps of 0", "between 1 and 4"),
        (lambda: integer(0, 4, step=9), "steps of 9", "between 1 and 4"),
        (lambda: logint(0, 8), "no logarithm at 0", "logint(1, 8)"),
        (lambda: logint(-8, -1), "no logarithm at -8", "logint(1, 2)"),
        (lambda: choice(), "no options", "choice('relu', 'gelu')"),
        (lambda: choice([]), "no options", "choice('relu', 'gelu')"),
        (lambda: Choice("relu"), "the text 'relu'", "a list ['relu', ...]"),
        (lambda: Choice(5), "5 (int)", "Write a list"),
        (lambda: Choice({"a", "b"}), "(set)", "Write a list"),
        (lambda: Choice({"a": 1}), "(dict)", "Write a list"),
        (lambda: choice("a", "b", "a"), "option 'a' twice", "Keep one"),
        (lambda: choice([1], [2], [1]), "option [1] twice", "Keep one"),
        (lambda: choice("sgd", sgd={}), "option 'sgd' twice", "Keep one"),
        (lambda: choice(sgd=0.9), "choice(sgd=0.9)", "choice('sgd', ...)"),
        (lambda: choice(**{"my-opt": {}}), "'my-opt' has parameters", "Name it by a word"),
        (lambda: Choice((1, 2), ({}, None)), "1 has parameters", "Name it by a word"),
        (lambda: uniform(0, 1).grid(None), "the continuous uniform(0, 1)", "Grid(points=5, shuffle=True)"),
    ],
)
def test_what_is_no_domain_is_refused_with_what_was_seen_and_a_mend(make, seen, mend):
    with pytest.raises(ValueError, match=r"(?s)^.+\. [A-Z].+\.$") as refused:
        make()

    assert seen in str(refused.value)
    assert mend in str(refused.value)


def test_frozen_values_cannot_be_changed():
    for domain, name in ((Float(0, 1), "low"), (Int(0, 1), "high"), (choice("a", "b"), "options")):
        with pytest.raises(AttributeError):
            setattr(domain, name, 5)


# -- bells, constants and order --------------------------------------------------------------------


@pytest.mark.parametrize(("domain", "log"), [(normal(3, 2), False), (lognormal(-2, 0.5), True)])
def test_a_bell_is_drawn_as_scipys_normal_distribution_has_it(domain, log):
    for u in (0.001, 0.1, 0.5, 0.9, 0.999):
        expected = stats.truncnorm.ppf(u, -5, 5, loc=domain.bell.mean, scale=domain.bell.sd)

        assert domain.at(u) == pytest.approx(math.exp(expected) if log else expected, rel=1e-6)
        assert domain.unit(domain.at(u)) == pytest.approx(u, abs=1e-9)


def test_a_quantised_bell_rounds_to_multiples_of_its_step():
    counts = Counter(normal(0, 1, step=1).at((k + 0.5) / 10_000) for k in range(10_000))

    for value, count in counts.items():
        assert count / 10_000 == pytest.approx(stats.norm.cdf(value + 0.5) - stats.norm.cdf(value - 0.5), abs=2e-4)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: normal(0, 0), r"normal\(0, 0\) is no bell\. Give a mean and a deviation above zero"),
        (lambda: normal("a", 1), r"normal\('a', 1\) is no bell"),
        (lambda: lognormal(900, 1), r"spans more than a float can hold\. Give the mean of the logarithm"),
        (lambda: normal(0, 1, step=99), r"has no such step\. Set one up to 10"),
    ],
)
def test_what_is_no_bell_is_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_a_constant_is_one_value_and_no_warning():
    assert fixed(0.9).at(0.3) == 0.9
    assert str(fixed("a")) == "fixed('a')"
    assert fixed([1, 2]) == Choice(([1, 2],))


def test_an_ordinal_is_a_choice_whose_places_count():
    sizes = ordinal(16, 32, 64)

    assert sizes.ordered
    assert str(sizes) == "ordinal(16, 32, 64)"
    assert [sizes.index(value) for value in (16, 32, 64)] == [0, 1, 2]
    assert sizes != choice(16, 32, 64)
    assert ordinal([16, 32, 64]) == sizes
