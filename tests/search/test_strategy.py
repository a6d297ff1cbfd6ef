"""Pairs of a sampler and a scheduler: which agree, and what the others are told."""

import pickle
import subprocess
import sys

import pytest

import search
from search import ASHA, PBT, TPE, FullLength, Grid, Random, Strategy, strategy_of
from search.notation import STRATEGIES, parse

PAIRS = [
    Random() + ASHA(max_epochs=9),
    TPE() + ASHA(max_epochs=9, promote=True),
    Grid() + PBT(max_epochs=9),
    Strategy(TPE()),
]


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_a_strategy_is_a_value_and_is_read_as_it_is_written(pair):
    assert pickle.loads(pickle.dumps(pair)) == pair
    assert hash(pickle.loads(pickle.dumps(pair))) == hash(pair)
    assert parse(str(pair), STRATEGIES) == pair


def test_a_sampler_alone_runs_every_trial_to_its_end():
    assert strategy_of(TPE()) == TPE() + FullLength() == Strategy(TPE())
    assert strategy_of(PAIRS[0]) is PAIRS[0]


def test_a_sampler_that_learns_does_not_agree_with_params_that_change():
    with pytest.raises(ValueError, match=r"TPE\(\) learns .* do not agree\. Use Random\(\) \+ PBT\(max_epochs=9\)\."):
        TPE() + PBT(max_epochs=9)


@pytest.mark.parametrize(
    ("value", "match"),
    [
        (ASHA(max_epochs=9), r"is ASHA\(max_epochs=9\) without a sampler\. Add one: TPE\(\) \+ ASHA\(max_epochs=9\)\."),
        ("TPE()", r"the strategy is 'TPE\(\)'\. Write a sampler and a scheduler"),
        (None, r"the strategy is None\. Write"),
        (TPE, r"the strategy is <class .*TPE.*\. Write"),
    ],
)
def test_what_is_no_strategy_is_refused(value, match):
    with pytest.raises(ValueError, match=match):
        strategy_of(value)


@pytest.mark.parametrize(
    ("add", "match"),
    [
        (lambda: ASHA(max_epochs=9) + TPE(), r"wrong order\. Put the sampler first: TPE\(\) \+ ASHA\(max_epochs=9\)\."),
        (lambda: TPE() + Random(), r"is no strategy\. Add a scheduler: TPE\(\) \+ ASHA"),
        (lambda: TPE() + 27, r"TPE\(\) \+ 27 is no strategy\. Add a scheduler"),
        (lambda: Strategy(ASHA(max_epochs=9), TPE()), r"needs a sampler and a scheduler\. Write TPE\(\) \+ ASHA"),
    ],
)
def test_parts_that_do_not_add_up_are_refused(add, match):
    with pytest.raises(TypeError, match=match):
        add()


def test_everything_that_the_room_names_is_there():
    assert len(search.__all__) == len(set(search.__all__))
    assert all(hasattr(search, name) for name in search.__all__)


def test_the_room_opens_without_its_heavy_backends():
    program = (
        "import sys; from search import *; import search.notation, search.engines.lattice, search.engines.promotion; "
        "heavy = {'ray', 'torch', 'hyperopt', 'numpy', 'pandas', 'scipy', 'pyarrow', 'optuna', 'pydantic'}; "
        "print(*sorted(heavy & set(sys.modules)))"
    )

    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert loaded.stdout.strip() == ""


def test_the_door_to_ray_loads_a_backend_only_when_it_is_used():
    program = (
        "import sys, search.to_ray; "
        "heavy = {'torch', 'hyperopt', 'scipy', 'sklearn', 'optuna', 'cmaes'}; print(*sorted(heavy & set(sys.modules)))"
    )

    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert loaded.stdout.strip() == ""
