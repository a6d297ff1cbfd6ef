"""Spaces of Ray Tune, HyperOpt and Optuna: read, written, read again, and drawn from by the tools themselves."""

import math
import random
import warnings
from collections.abc import Mapping

import numpy as np
import optuna
import pytest
from hyperopt import hp, space_eval
from hyperopt.pyll import scope
from hyperopt.pyll.stochastic import sample
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from ray import tune
from ray.tune.search.variant_generator import generate_variants

from search import (
    Choice,
    Float,
    Int,
    Space,
    alone,
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
    sequence,
    uniform,
    variants,
)
from search.dialects import read_space, suggest, to_hyperopt, to_optuna, to_tune
from search.repeat import Repeat
from tests.kit.spaces import floats, ints, words

optuna.logging.set_verbosity(optuna.logging.ERROR)

# -- spaces that hypothesis makes ------------------------------------------------------------------

names = words.filter(lambda word: word != "grid_search")
scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([-1.5, 0.25]) | words
stepped = st.builds(
    lambda low, more, step: Int(low * step, (low + more) * step, step=step),
    st.integers(-9, 9),
    st.integers(1, 9),
    st.integers(2, 9),
)
quantised = st.builds(
    lambda low, more, step: Float(float(f"{low * step:.12g}"), float(f"{(low + more) * step:.12g}"), step=step),
    st.integers(-9, 9),
    st.integers(1, 9),
    st.sampled_from([0.05, 0.1, 0.25, 2.0]),
)
spoken = st.one_of(  # what Ray Tune and HyperOpt both have words for
    floats().filter(lambda domain: domain.step is None and (domain.bell is None or not domain.bell.log)),
    ints().map(lambda domain: Int(domain.low, domain.high, domain.log)),
    stepped,
    quantised,
)


@st.composite
def plain_options(draw):
    options = draw(st.lists(scalars, min_size=2, max_size=4, unique_by=repr))
    return choice(*options)


@st.composite
def branching(draw, depth, numbers):
    branches = draw(st.dictionaries(names, st.just({}) | tree(numbers, depth - 1), min_size=2, max_size=3))
    branches["zeta"] = draw(tree(numbers, depth - 1))
    plain = [word for word in draw(st.lists(words, max_size=1)) if word not in branches]
    return choice(*plain, **branches)


def tree(numbers, depth=2):
    leaf = numbers | plain_options()
    if depth:
        inner = tree(numbers, depth - 1)
        copies = st.integers(1, 3) | st.integers(0, 1).map(lambda low: integer(low, low + 2))
        leaf = leaf | inner | branching(depth, numbers) | st.builds(repeat, copies, numbers | inner)
        leaf = leaf | st.lists(numbers, min_size=1, max_size=2).map(lambda row: sequence(*row))
    return st.dictionaries(names, leaf, min_size=1, max_size=3)


def alike(one, other) -> bool:
    """Whether two domains mean the same: order of names aside, numbers to twelve digits, copies as a list."""
    match one, other:
        case Space(), Repeat(n=int(n), each=each):
            return alike(one, sequence(*[each] * n))
        case Space(), Space():
            return (
                one.form == other.form
                and set(one) == set(other)
                and all(alike(domain, other[name]) for name, domain in one.items())
            )
        case Repeat(), Repeat():
            return same(one.n, other.n) and alike(one.each, other.each)
        case Choice(), Choice():
            return (
                list(map(repr, one.options)) == list(map(repr, other.options))
                and one.bare == other.bare
                and all(
                    (mine is None and theirs is None) or alike(Space(mine), Space(theirs)) if mine else not theirs
                    for mine, theirs in zip(one.spaces, other.spaces, strict=True)
                )
            )
    return same(one, other)


def same(one, other) -> bool:
    if type(one) is not type(other):
        return False
    if not isinstance(one, Float):
        return one == other
    if (one.bell is None) != (other.bell is None) or one.log != other.log:
        return False
    pairs = [(one.step or 0, other.step or 0)]
    pairs += (
        [(one.bell.mean, other.bell.mean), (one.bell.sd, other.bell.sd)]
        if one.bell
        else [(one.low, other.low), (one.high, other.high)]
    )
    return all(math.isclose(a, b, rel_tol=1e-12) for a, b in pairs)


# -- round trips -----------------------------------------------------------------------------------


@given(tree(spoken).map(Space))
def test_a_space_written_for_ray_tune_is_read_as_it_was(space):
    assert alike(read_space(to_tune(space)), space)


@given(tree(spoken).map(Space))
def test_a_space_written_for_hyperopt_is_read_as_it_was(space):
    assert alike(read_space(to_hyperopt(space)), space)


@given(st.dictionaries(names, spoken.filter(lambda d: getattr(d, "bell", None) is None) | plain_options(), min_size=1))
def test_a_space_written_for_optuna_is_read_as_it_was(params):
    space = Space(params)

    assert alike(read_space(to_optuna(space)), space)


# -- what the tools themselves draw ----------------------------------------------------------------


anything = st.one_of(floats(), ints(), stepped, plain_options())


def lies_in(space: Space, point: Mapping) -> bool:
    """Whether a point that another tool drew is one of ours, to rounding."""
    for _, leaf in space.walk(flat := space.flatten(point)):
        domain, value = leaf.domain, flat[leaf.name]
        if isinstance(domain, Float):
            assert domain.low - 1e-9 * abs(domain.low) <= value <= domain.high + 1e-9 * abs(domain.high)
        else:
            assert domain.holds(value)
    return True


def has_no_words_in_tune(space: Space) -> bool:
    return any(isinstance(leaf.domain, Float) and leaf.domain.bell and leaf.domain.bell.log for leaf in space.leaves)


def has_a_bell(space: Space) -> bool:
    return any(isinstance(leaf.domain, Float) and leaf.domain.bell for leaf in space.leaves)


@given(tree(anything, depth=1).map(Space).filter(lambda space: not has_no_words_in_tune(space)))
def test_what_ray_tune_draws_from_a_written_space_lies_in_it(space):
    for _, drawn in [next(iter(generate_variants(to_tune(space)))) for _ in range(3)]:
        assert has_a_bell(space) or lies_in(space, drawn)


@given(tree(anything, depth=1).map(Space), st.integers(0, 2**31))
def test_what_hyperopt_draws_from_a_written_space_lies_in_it(space, seed):
    drawn = sample(to_hyperopt(space), rng=np.random.default_rng(seed))

    assert has_a_bell(space) or lies_in(space, drawn)


@given(tree(anything, depth=2).map(Space), st.integers(0, 2**31))
def test_what_an_optuna_trial_suggests_lies_in_the_space(space, seed):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))

    point = suggest(space, study.ask())

    assert space.check(point) == space.flatten(point)


def test_a_trial_is_asked_for_what_is_active_and_for_no_more():
    space = Space({"kind": choice(a={"x": uniform(0, 1)}, b={"x": uniform(5, 6), "n": integer(1, 3)})})
    trial = optuna.trial.FixedTrial({"kind": 1, "kind.x [kind=1]": 5.5, "kind.n": 2})

    point = suggest(space, trial)

    assert point == {"kind": {"b": {"x": 5.5, "n": 2}}}
    assert len(trial.distributions) == 3


# -- Ray Tune --------------------------------------------------------------------------------------


def test_every_word_of_ray_tune_is_read():
    space = read_space(
        {
            "lr": tune.loguniform(1e-5, 1e-1),
            "drop": tune.uniform(0, 0.5),
            "rough": tune.quniform(0.1, 1, 0.1),
            "logrough": tune.qloguniform(5, 100, 5),
            "bell": tune.randn(3, 2),
            "qbell": tune.qrandn(10, 1, 0.5),
            "n": tune.randint(1, 9),
            "even": tune.qrandint(2, 8, 2),
            "wide": tune.lograndint(8, 513),
            "logeven": tune.qlograndint(2, 64, 2),
            "act": tune.choice(["relu", "gelu"]),
            "grid": tune.grid_search([1, 2, 3]),
            "constant": 0.9,
            "layers": {"width": tune.choice([64, 128]), "bias": True},
            "betas": [tune.uniform(0.8, 1), 0.999],
            "opt": tune.choice([{"type": "sgd", "momentum": tune.uniform(0, 1)}, {"type": "adam"}]),
            "depth": tune.choice([None, tune.randint(1, 9), [1, 2]]),
        }
    )

    assert space == Space(
        {
            "lr": loguniform(1e-5, 1e-1),
            "drop": uniform(0, 0.5),
            "rough": uniform(0.1, 1.0, step=0.1),
            "logrough": loguniform(5, 100, step=5),
            "bell": normal(3, 2),
            "qbell": normal(10, 1, step=0.5),
            "n": integer(1, 8),
            "even": integer(2, 8, step=2),
            "wide": logint(8, 512),
            "logeven": Int(2, 64, log=True, step=2),
            "act": choice("relu", "gelu"),
            "grid": choice(1, 2, 3),
            "constant": fixed(0.9),
            "layers": {"width": [64, 128], "bias": fixed(True)},
            "betas": sequence(uniform(0.8, 1), fixed(0.999)),
            "opt": variants(sgd={"type": fixed("sgd"), "momentum": uniform(0, 1)}, adam={"type": fixed("adam")}),
            "depth": variants(None, option1=alone(integer(1, 8)), option2=alone(fixed([1, 2]))),
        }
    )


def test_what_is_drawn_from_a_read_space_has_the_form_that_ray_tune_gives():
    words = {
        "opt": tune.choice([{"type": "sgd", "momentum": tune.uniform(0, 1)}, {"type": "adam"}, "none"]),
        "betas": [tune.uniform(0.8, 1), 0.999],
    }
    space = read_space(words)
    seen = set()
    for seed in range(30):
        params = space.nest(space.sample(random.Random(seed)))
        assert params["betas"] == (params["betas"][0], 0.999)
        seen.add("none" if params["opt"] == "none" else params["opt"]["type"])
        assert params["opt"] == "none" or set(params["opt"]) <= {"type", "momentum"}

    assert seen == {"none", "sgd", "adam"}


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({"a": tune.sample_from(lambda _: 1)}, ("a is tune.sample_from", "Give its range")),
        ({"g": {"a": tune.sample_from(lambda spec: spec)}}, ("g.a is tune.sample_from",)),
        (tune.grid_search([{"a": 1}]), ("Give names and domains",)),
    ],
)
def test_what_ray_tune_cannot_search_is_refused_with_the_mend(space, words):
    with pytest.raises(ValueError) as refused:
        read_space(space)

    assert all(word in str(refused.value) for word in words)


# -- HyperOpt --------------------------------------------------------------------------------------


def test_every_word_of_hyperopt_is_read():
    space = read_space(
        {
            "a": hp.uniform("a", 0, 2),
            "b": hp.quniform("b", 0, 1, 0.25),
            "c": hp.loguniform("c", math.log(1e-4), 0),
            "d": hp.qloguniform("d", 0, math.log(100), 10),
            "e": hp.normal("e", 1, 2),
            "f": hp.qnormal("f", 0, 5, 1),
            "g": hp.lognormal("g", 0, 1),
            "h": hp.qlognormal("h", 3, 1, 2),
            "i": hp.randint("i", 5),
            "j": hp.randint("j", 2, 6),
            "k": hp.uniformint("k", 1, 9),
            "l": scope.int(hp.quniform("l", 8, 64, 8)),
            "m": hp.choice("m", ["x", 1, None]),
            "n": 7,
        }
    )

    assert {name: str(domain) for name, domain in space.items()} == {
        "a": "uniform(0, 2)",
        "b": "uniform(0.0, 1.0, step=0.25)",
        "c": "loguniform(0.0001, 1.0)",
        "d": "loguniform(10.0, 100.0, step=10)",
        "e": "normal(1, 2)",
        "f": "normal(0, 5, step=1)",
        "g": "lognormal(0, 1)",
        "h": "lognormal(3, 1, step=2)",
        "i": "integer(0, 4)",
        "j": "integer(2, 5)",
        "k": "integer(1, 9)",
        "l": "integer(8, 64, step=8)",
        "m": "choice('x', 1, None)",
        "n": "fixed(7)",
    }


def classifier():
    """The tree of HyperOpt's own documentation, with its lists and constants."""
    return hp.choice(
        "classifier_type",
        [
            {"type": "naive_bayes"},
            {
                "type": "svm",
                "C": hp.lognormal("svm_C", 0, 1),
                "kernel": hp.choice(
                    "svm_kernel",
                    [{"ktype": "linear"}, {"ktype": "RBF", "width": hp.lognormal("svm_rbf_width", 0, 1)}],
                ),
            },
            {"type": "dtree", "min_samples_split": hp.qlognormal("dtree_min_samples_split", 2, 1, 1)},
        ],
    )


def test_a_tree_is_given_to_its_trainable_as_hyperopt_would():
    space = read_space(classifier())
    forms = set()
    for seed in range(40):
        ours = space.nest(space.sample(random.Random(seed)))["classifier_type"]
        theirs = sample(classifier(), rng=np.random.default_rng(seed))
        forms.add(shape(ours))
        assert space.within({"classifier_type": theirs})["classifier_type"] == theirs["type"]

    assert forms == {shape(sample(classifier(), rng=np.random.default_rng(seed))) for seed in range(40)}


def shape(value):
    """A nested value with its numbers left out."""
    if isinstance(value, Mapping):
        return tuple(sorted((key, shape(inner)) for key, inner in value.items()))
    return value if isinstance(value, str) else type(value).__name__


def test_a_trees_points_are_values_where_fmin_gives_indices():
    tree = {"act": hp.choice("act", ["relu", "gelu"])}

    assert space_eval(tree, {"act": 1}) == {"act": "gelu"}
    assert read_space(tree).check({"act": "gelu"}) == {"act": "gelu"}


def test_layers_of_a_network_are_a_repeat():
    width = [hp.uniformint(f"w{k}", 8, 64) for k in range(3)]

    space = read_space({"widths": hp.choice("depth", [width[:1], width[:2], width[:3]])})

    assert str(space["widths"]) == "repeat(integer(1, 3), integer(8, 64))"


def test_probabilities_of_options_are_a_belief():
    space = read_space({"act": hp.pchoice("act", [(0.8, "relu"), (0.1, "gelu"), (0.1, "tanh")])})

    assert space == Space({"act": ["relu", "gelu", "tanh"]}, prior=believed(act="relu", chance=0.8))
    drawn = [space.sample(random.Random(seed))["act"] for seed in range(500)]
    assert 0.6 < drawn.count("relu") / 500 < 0.8  # a fifth of all draws is even, lest a belief is wrong


def test_unequal_probabilities_are_taken_as_far_as_beliefs_go_and_that_is_said():
    with pytest.warns(UserWarning, match="all but 'a' are taken as equally likely"):
        read_space({"act": hp.pchoice("act", [(0.7, "a"), (0.2, "b"), (0.1, "c")])})


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({"a": 1 + hp.normal("a", 0, 1)}, ("a is HyperOpt's expression 'add'", "compute it in the training code")),
        ({"a": scope.int(hp.uniform("a", 0, 9))}, ("hp.uniformint",)),
    ],
)
def test_what_is_computed_from_nodes_is_refused_with_the_mend(space, words):
    with pytest.raises(ValueError) as refused:
        read_space(space)

    assert all(word in str(refused.value) for word in words)


# -- Optuna ----------------------------------------------------------------------------------------


def test_every_distribution_of_optuna_is_read():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        space = read_space(
            {
                "lr": FloatDistribution(1e-5, 1e-1, log=True),
                "drop": FloatDistribution(0, 1, step=0.1),
                "n": IntDistribution(1, 64, log=True),
                "even": IntDistribution(2, 9, step=2),
                "one": IntDistribution(3, 3),
                "act": CategoricalDistribution(["relu", None, 1]),
            }
        )

    assert {name: str(domain) for name, domain in space.items()} == {
        "lr": "loguniform(1e-05, 0.1)",
        "drop": "uniform(0.0, 1.0, step=0.1)",
        "n": "logint(1, 64)",
        "even": "integer(2, 8, step=2)",
        "one": "fixed(3)",
        "act": "choice('relu', None, 1)",
    }


@pytest.mark.parametrize("write", [to_tune, to_hyperopt, to_optuna])
@pytest.mark.parametrize(
    "space",
    [
        Space({"a": uniform(0, 1), "b": uniform(0, 1)}, limits=["a < b"]),
        Space({"a": uniform(0, 1)}, prior=believed(a=0.5)),
    ],
)
def test_no_limit_or_belief_is_dropped_in_silence(write, space):
    with pytest.raises(ValueError, match="Leave them out"):
        write(space)


def test_what_a_dialect_has_no_word_for_is_a_choice_among_its_values():
    space = Space({"size": ordinal(8, 16, 32), "odd": integer(1, 9, step=4), "log": Float(1, 8, True, 3.5)})

    for write in (to_tune, to_hyperopt, to_optuna):
        back = read_space(write(space))
        values = [list(back[name].grid(None)) for name in ("size", "odd", "log")]
        assert values == [[8, 16, 32], [1, 5, 9], [1.0, 4.5, 8.0]]


def test_a_condition_is_for_an_optuna_trial_and_a_log_bell_not_for_ray():
    with pytest.raises(ValueError, match=r"suggest\(space, trial\)"):
        to_optuna(Space({"a": choice(x={"b": [1, 2]}, y={})}))
    with pytest.raises(ValueError, match=r"Use loguniform\("):
        to_tune(Space({"a": lognormal(0, 1)}))
    with pytest.raises(ValueError, match=r"Use uniform\("):
        to_optuna(Space({"a": normal(0, 1)}))


def test_a_label_of_two_parameters_that_may_be_there_together_is_refused():
    x = hp.uniform("x", 0, 1)
    with pytest.raises(
        ValueError, match=r"y has the label 'x', which another parameter has already\. Give it one of its"
    ):
        read_space({"x": x, "y": hp.uniform("x", 0, 1)})
    with pytest.raises(ValueError, match=r"kind\.y has the label 'x'|has the label 'x'"):
        read_space({"x": x, "kind": hp.choice("kind", [{"y": hp.uniform("x", 0, 1)}, "none"])})


def test_a_label_of_two_branches_is_one_parameter_of_each():
    either = read_space(
        {"kind": hp.choice("kind", [{"x": hp.uniform("x", 0, 1)}, {"x": hp.uniform("x", 0, 2), "k": 1}])}
    )

    assert len(either.leaves) >= 3


def test_repeats_come_back_from_hyperopt():
    space = Space({"layers": repeat(integer(1, 3), {"k": choice("a", "b"), "w": uniform(0, 1)}), "x": uniform(0, 1)})

    assert read_space(to_hyperopt(space)) == space
