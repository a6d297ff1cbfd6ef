"""Grids against nested loops, with conditions, and of any size."""

import itertools
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from search import Choice, Int, Repeat, Space, choice, integer, uniform
from search.engines.lattice import Lattice, grid_size
from tests.kit.spaces import SPACES, spaces


def combinations(params: Any, points: int | None, prefix: str = "") -> list[dict[str, Any]]:
    """All points of a tree, written out by recursion."""
    return [joined(row) for row in rows(params, points, prefix)]


def rows(params: Any, points: int | None, prefix: str = "") -> Iterator[tuple[dict[str, Any], ...]]:
    """All points of a tree in parts, one after another: of millions a few may be picked."""
    columns = []
    for name, domain in params.items():
        path = f"{prefix}{name}"
        if isinstance(domain, Choice):
            column = []
            for option, inner in zip(domain.options, domain.spaces, strict=True):
                column += [{path: option, **rest} for rest in combinations(inner or {}, points, f"{path}.")]
        elif isinstance(domain, Repeat):
            column = copies(domain, points, path)
        elif isinstance(domain, Space):
            column = combinations(domain, points, f"{path}.")
        else:
            column = [{path: value} for value in domain.grid(points)]
        columns.append(column)
    return itertools.product(*columns)


def joined(row: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    """A point of its parts."""
    return {name: value for part in row for name, value in part.items()}


def copies(domain: Repeat, points: int | None, path: str) -> list[dict[str, Any]]:
    """All points of a repeat, number of copies by number of copies."""
    found = []
    for count in domain.n.grid(points) if isinstance(domain.n, Int) else [domain.n]:
        inner = {f"{path}.{k}": domain.each for k in range(count)}
        number = {path: count} if isinstance(domain.n, Int) else {}
        found += [{**number, **rest} for rest in combinations(inner, points)]
    return found


def all_points(lattice: Lattice) -> list[dict[str, Any]]:
    return [lattice.point(index) for index in range(lattice.size)]


def test_a_grid_is_the_product_with_the_last_name_turning_fastest():
    space = Space({"a": integer(1, 3), "b": ["x", "y"], "c": uniform(0, 1)})

    points = all_points(Lattice(space, 3))

    expected = itertools.product([1, 2, 3], ["x", "y"], [0.0, 0.5, 1.0])
    assert [tuple(point.values()) for point in points] == list(expected)


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("points", [1, 2, 3])
def test_a_grid_names_every_combination_once(name, points):
    space = SPACES[name]

    lattice = Lattice(space, points)

    step = 1 if lattice.size < 10_000 else 97  # of millions every 97th: a prime, so that all digits turn
    picked = [lattice.point(index) for index in range(0, lattice.size, step)]
    assert picked == [joined(row) for row in itertools.islice(rows(space, points), 0, None, step)]
    assert lattice.size == grid_size(space, points) == sum(1 for _ in rows(space, points))


@given(spaces, st.integers(1, 3))
def test_any_tree_is_walked_as_recursion_walks_it(space, points):
    assume(grid_size(space, points) <= 3000)

    lattice = Lattice(space, points)

    expected = combinations(space, points)
    assert lattice.size == len(expected)
    assert all_points(lattice) == expected


def test_beyond_its_last_point_a_grid_has_none():
    lattice = Lattice(Space({"a": integer(1, 3)}), None)

    assert lattice.point(2) == {"a": 3}
    with pytest.raises(IndexError, match=r"no point 3 among 3"):
        lattice.point(3)


def test_a_grid_of_a_million_million_points_is_read_at_its_far_end_in_no_time(benchmark_s):
    space = Space({f"x{k:02}": choice(*range(10)) for k in range(10)} | {"y": choice(a={"z": integer(0, 98)}, b={})})

    lattice = Lattice(space, None)

    assert lattice.size == space.size == 10**12
    assert lattice.point(10**12 - 1) == {f"x{k:02}": 9 for k in range(10)} | {"y": "b"}
    assert benchmark_s(lambda: lattice.point(10**12 - 1), repeats=20) < 0.001
    assert benchmark_s(lambda: grid_size(space, None), repeats=5) < 0.01


@given(spaces)
def test_a_space_knows_how_many_points_it_has(space):
    if space.size <= 3000:
        assert space.size == len(combinations(space, None))


def test_a_continuous_range_needs_a_number_of_points():
    with pytest.raises(
        ValueError, match=r"a grid over the continuous uniform\(0, 1\) needs .*\. Set Grid\(points=5, shuffle=True\)"
    ):
        grid_size(Space({"a": integer(1, 3), "g": {"x": uniform(0, 1)}}), None)


def test_grid_points_lie_in_the_space():
    for space in SPACES.values():
        lattice = Lattice(space, 3)
        for index in random.Random(0).sample(range(lattice.size), min(50, lattice.size)):
            point = lattice.point(index)
            assert space.within(point) == point
