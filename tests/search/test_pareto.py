"""Fronts by brute force and against Optuna, hypervolume against a Monte Carlo count."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna._hypervolume import compute_hypervolume

from search.pareto import crowding, fronts, hypervolume, ranking


def dominates(a, b):
    return all(x <= y for x, y in zip(a, b, strict=True)) and any(x < y for x, y in zip(a, b, strict=True))


@given(st.integers(1, 4).flatmap(lambda m: st.lists(st.tuples(*[st.integers(0, 4)] * m), min_size=1, max_size=25)))
def test_fronts_are_peeled_off_one_by_one(points):
    left, expected, front = set(range(len(points))), {}, 0
    while left:
        free = {i for i in left if not any(dominates(points[j], points[i]) for j in left)}
        expected |= dict.fromkeys(free, front)
        left, front = left - free, front + 1

    assert fronts(np.array(points, dtype=float)).tolist() == [expected[i] for i in range(len(points))]


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(3))
def test_hypervolume_is_the_share_of_random_points_that_are_dominated(objectives, seed):
    rng = np.random.default_rng(seed)
    points, reference = rng.random((12, objectives)), np.full(objectives, 1.2)

    drawn = rng.random((200_000, objectives)) * 1.2
    dominated = (points[None] <= drawn[:, None]).all(axis=2).any(axis=1).mean() * 1.2**objectives

    assert hypervolume(points, reference) == pytest.approx(dominated, abs=0.01 * 1.2**objectives)


@given(st.integers(1, 4).flatmap(lambda m: st.lists(st.tuples(*[st.floats(0, 1)] * m), min_size=1, max_size=12)))
def test_hypervolume_is_that_of_optuna(points):
    array = np.array(points)

    ours = hypervolume(array, np.full(array.shape[1], 1.5))

    assert ours == pytest.approx(compute_hypervolume(array, np.full(array.shape[1], 1.5)), rel=1e-9)


def test_points_beyond_the_reference_add_nothing():
    assert hypervolume(np.array([[2.0, 0.0], [0.0, 2.0]]), np.array([1.0, 1.0])) == 0
    assert hypervolume(np.empty((0, 2)), np.array([1.0, 1.0])) == 0
    assert hypervolume(np.array([[0.5, 0.5], [2.0, 0.0]]), np.array([1.0, 1.0])) == 0.25


def test_crowding_is_the_way_between_neighbours_and_endless_at_the_ends():
    losses = np.array([[0.0, 4.0], [1.0, 2.0], [3.0, 1.0], [4.0, 0.0]])

    assert crowding(losses).tolist() == [np.inf, 3 / 4 + 3 / 4, 3 / 4 + 2 / 4, np.inf]  # by hand, Deb's figure 1
    assert crowding(np.array([[1.0, 1.0]])).tolist() == [np.inf]


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=20))
def test_with_one_objective_the_ranking_is_its_order(values):
    order = ranking(np.array(values)[:, None], np.zeros(len(values)))

    assert [values[k] for k in order] == sorted(values)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.sampled_from([0.0, 0.5, 1.0])), min_size=2, max_size=15)
)
def test_limits_come_before_fronts(rows):
    losses, excess = np.array([row[:2] for row in rows], dtype=float), np.array([row[2] for row in rows])

    order = ranking(losses, excess)

    ranked = excess[order]
    assert ranked.tolist() == sorted(ranked)
    kept = [k for k in order if excess[k] == 0]
    levels = dict(zip([k for k in range(len(rows)) if excess[k] == 0], fronts(losses[excess == 0]), strict=True))
    assert all(levels[a] <= levels[b] for a, b in itertools.pairwise(kept))
