"""Optuna's samplers through our history, against Optuna asked by hand."""

import numpy as np
import optuna
import pytest

from search import TPE, Bayes, Space, choice, integer, loguniform, ordinal, uniform
from search.engines.at_work import sampler_engine
from search.engines.history import History
from search.engines.optunas import Coordinates, filled, seed_of
from search.protocol import FINISHED, Seen

SPACE = Space({"x": uniform(0, 1), "y": uniform(0, 1)})


def told(sampler, space, trials, seed=0, pending=0):
    engine = sampler_engine(sampler, space, seed=seed)
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(1, trials + 1):
        point = space.at(rng.random(len(space.leaves)).tolist())
        loss = sum((value - 0.3) ** 2 for value in point.values() if isinstance(value, float))
        engine.adopt(number, point)
        engine.observe(number, Seen(FINISHED, (loss,)))
        rows.append((point, loss))
    waiting = [space.at(rng.random(len(space.leaves)).tolist()) for _ in range(pending)]
    for number, point in enumerate(waiting, start=trials + 1):
        engine.adopt(number, point)
    return engine, rows, waiting


@pytest.mark.parametrize("pending", [0, 2])
def test_bayes_proposes_what_optunas_gp_proposes(pending):
    engine, rows, waiting = told(Bayes(startup=5, engine="optuna"), SPACE, 8, pending=pending)
    number = 9 + pending
    study = optuna.create_study(sampler=optuna.samplers.GPSampler(seed=seed_of(0, number, 0), n_startup_trials=0))
    line = optuna.distributions.FloatDistribution(0, 1)
    kinds = {"p00000": line, "p00001": line}
    for point, loss in rows:
        params = {"p00000": point["x"], "p00001": point["y"]}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=kinds, value=loss))
    for point in waiting:
        params = {"p00000": point["x"], "p00001": point["y"]}
        state = optuna.trial.TrialState.RUNNING
        study.add_trial(optuna.trial.create_trial(state=state, params=params, distributions=kinds))

    proposed = engine.propose(number)

    trial = study.ask()
    expected = [trial.suggest_float(name, 0, 1) for name in ("p00000", "p00001")]
    assert list(proposed.values()) == pytest.approx(expected, abs=1e-9)


def test_optunas_tpe_proposes_what_it_proposes_by_hand():
    engine, rows, _ = told(TPE(engine="optuna", startup=5), SPACE, 20)
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        sampler = optuna.samplers.TPESampler(
            seed=seed_of(0, 21, 0), n_startup_trials=0, n_ei_candidates=24, multivariate=True, group=True
        )
    study = optuna.create_study(sampler=sampler)
    line = optuna.distributions.FloatDistribution(0, 1)
    for point, loss in rows:
        params = {"p00000": point["x"], "p00001": point["y"]}
        kinds = dict.fromkeys(params, line)
        study.add_trial(optuna.trial.create_trial(params=params, distributions=kinds, value=loss))

    proposed = engine.propose(21)

    trial = study.ask()
    expected = [trial.suggest_float(name, 0, 1) for name in ("p00000", "p00001")]
    assert list(proposed.values()) == pytest.approx(expected, abs=1e-9)


def test_each_kind_of_leaf_travels_as_the_distribution_that_fits():
    space = Space({"x": loguniform(1e-4, 1), "n": integer(1, 8), "o": ordinal(1, 2, 4), "c": choice("a", "b", [1])})

    kinds = [type(kind).__name__ for kind in Coordinates(space).distributions]

    assert kinds == ["FloatDistribution", "IntDistribution", "IntDistribution", "CategoricalDistribution"]


def test_failures_are_told_as_the_worst_and_limits_as_constraints():
    history = History(SPACE)
    for number, (loss, margin) in enumerate([(1.0, -0.5), (3.0, 0.25), (2.0, 0.0)], start=1):
        history.adopt(number, {"x": number / 10, "y": 0.5}, given=False)
        history.observe(number, Seen(FINISHED, (loss,), (margin,)))
    history.adopt(4, {"x": 0.9, "y": 0.5}, given=False)
    history.fail(4)

    study = filled(history.evidence(), history.failed(), history, None, Coordinates(SPACE).of)

    assert [trial.value for trial in study.trials] == [1.0, 3.0, 2.0, 3.0]
    assert [trial.constraints["limit 0"] for trial in study.trials] == [-0.5, 0.25, 0.0, 0.25]


def test_of_many_trials_the_best_and_the_newest_are_kept():
    history = History(SPACE)
    for number in range(1, 101):
        history.adopt(number, {"x": number / 101, "y": 0.5}, given=False)
        history.observe(number, Seen(FINISHED, (abs(number - 30.0),)))

    study = filled(history.evidence(), [], history, None, Coordinates(SPACE).of, most=20)

    numbers = [round(trial.params["p00000"] * 101) for trial in study.trials]
    assert len(numbers) == 20
    assert set(range(26, 35)) <= set(numbers)
    assert set(range(91, 101)) <= set(numbers)


def test_optunas_words_are_kept_out_of_ours_and_its_settings_are_put_back(capfd):
    before = optuna.logging.get_verbosity()
    engine, _, _ = told(Bayes(startup=5, engine="optuna"), SPACE, 6)

    engine.propose(7)

    assert optuna.logging.get_verbosity() == before
    assert capfd.readouterr() == ("", "")


def test_noise_is_learned_unless_there_is_none():
    noisy, exact = (
        told(Bayes(startup=5, noisy=flag, engine="optuna"), SPACE, 8)[0].propose(9) for flag in (True, False)
    )

    assert noisy != exact


def test_a_front_is_modelled_by_hypervolume():
    from search.pareto import hypervolume

    def covered(sampler):
        engine, losses = sampler_engine(sampler, SPACE, seed=0, objectives=2), []
        for number in range(1, 21):
            point = engine.propose(number)
            engine.adopt(number, point)
            losses.append((point["x"] ** 2 + point["y"], (point["x"] - 1) ** 2 + point["y"]))
            engine.observe(number, Seen(FINISHED, losses[-1]))
        return hypervolume(np.array(losses), np.array([2.0, 2.0]))

    from search import Random

    assert covered(Bayes(startup=6)) > covered(Random()) + 0.1
