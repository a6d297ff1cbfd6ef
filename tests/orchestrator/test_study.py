import functools

import pytest

from orchestrator import ASHA, PBT, TPE, Budget, Bundle, FullLength, Grid, Random, Study, Trainable, choice, uniform


def train(params):
    return {"loss": params["x"]}


class Model(Trainable):
    def setup(self, params):
        self.x = params["x"]

    def step(self):
        return {"loss": self.x}

    def save(self, folder):
        (folder / "x").write_text(str(self.x))

    def load(self, folder):
        self.x = float((folder / "x").read_text())


SPACE = {"x": uniform(0, 1)}


def test_a_study_is_settled_when_it_is_made():
    study = Study(train, SPACE, "min loss", TPE())

    assert str(study.strategy) == "TPE() + FullLength()"
    assert study.goal.metric == "loss"
    assert study.name == "train"
    assert study.bundle == Bundle()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"space": {}}, "space is empty"),
        ({"goal": "minimal loss"}, "Did you mean 'min"),
        ({"goal": "loss"}, "'min loss' or 'max accuracy'"),
        ({"strategy": ASHA(max_epochs=9)}, r"Add one: TPE\(\) \+ ASHA"),
        ({"strategy": "TPE()"}, "Write a sampler and a scheduler"),
        ({"name": "../x"}, "name: "),
        ({"seed": -1}, "seed=0"),
        ({"retries": 1.5}, "retries=0"),
        ({"start": [{"x": 7}]}, "lies outside"),
        ({"start": [{"y": 0.5}]}, "Did you mean|Known: x"),
        ({"strategy": Random() + PBT(max_epochs=9, every=3)}, "Derive a class from Trainable"),
        ({"strategy": Random() + ASHA(max_epochs=9, promote=True)}, "Derive a class from Trainable"),
    ],
)
def test_what_cannot_work_is_refused_with_the_mend(change, message):
    good = {"train": train, "space": SPACE, "goal": "min loss", "strategy": TPE()}

    with pytest.raises((ValueError, TypeError), match=message):
        Study(**{**good, **change})


@pytest.mark.parametrize("source", [3, "train", dict, lambda: 0, None])
def test_what_cannot_be_trained_is_refused(source):
    with pytest.raises((ValueError, TypeError)):
        Study(source, SPACE, "min loss", TPE())


@pytest.mark.parametrize("source", [lambda params: 1.0, functools.partial(train)])
def test_a_trainable_without_a_name_is_called_study(source):
    assert Study(source, SPACE, "min loss", Random()).name == "study"


def test_a_study_that_nothing_ends_is_refused():
    study = Study(train, SPACE, "min loss", Random())

    with pytest.raises(ValueError, match=r"run\(trials=64\)"):
        study.check_budget()


def test_a_grid_needs_no_budget_and_must_fit_the_one_it_has():
    space = {"x": uniform(0, 1), "act": choice("relu", "gelu", "tanh")}
    study = Study(train, space, "min loss", Grid(points=5))

    assert study.with_budget().budget.trials == 15
    with pytest.raises(ValueError, match=r"15 points.*after 10\. Set trials: 15"):
        study.with_budget(trials=10)


def test_a_population_is_the_number_of_trials():
    study = Study(Model, SPACE, "min loss", Random() + PBT(max_epochs=9, every=3, population=6))

    assert study.with_budget().budget.trials == 6
    with pytest.raises(ValueError, match=r"population of 6 and a budget of 8"):
        study.with_budget(trials=8).check_budget()


def test_run_overrides_the_budget():
    study = Study(train, SPACE, "min loss", Random(), budget=Budget(trials=3, hours=1))

    assert study.with_budget(trials=7).budget == Budget(trials=7, hours=1)
    assert study.with_budget(hours="30 min").budget == Budget(trials=3, hours=0.5)


def test_a_plan_says_what_would_happen():
    study = Study(train, SPACE, "min loss", TPE() + ASHA(max_epochs=27), bundle=Bundle(cpus=1))

    plan = study.plan(trials=64)

    assert plan.fits
    assert plan.rungs == (1, 3, 9)
    assert plan.worth == (1728, 64 * 1 + round(64 / 3 * 2 + 64 / 9 * 6 + 64 / 27 * 18))
    assert "at epochs 1, 3, 9" in str(plan)


def test_a_bundle_that_never_fits_is_told_by_the_plan():
    plan = Study(train, SPACE, "min loss", Random(), bundle=Bundle(gpus=64)).plan(trials=1)

    assert not plan.fits
    assert "64 GPUs" in plan.why


def test_a_trainable_without_an_end_needs_a_length():
    from examples.digits import DigitsMLP

    with pytest.raises(ValueError, match=r"FullLength\(epochs=27\)"):
        Study(DigitsMLP, SPACE, "min loss", TPE() + FullLength())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learn_from": 3}, r"learn_from is 3\. Name the folders of studies"),
        ({"prior": "believed(x=0.5)"}, r"the prior holds 'believed\(x=0\.5\)'\. Write what you believe"),
        (
            {"start": [{"x": 0.9}], "limits": ["x < 0.5"]},
            r"breaks the limit x < 0\.5\. One nearby keeps it: \{'x': 0\.",
        ),
    ],
)
def test_what_a_search_cannot_know_is_refused_with_the_mend(change, message):
    with pytest.raises((ValueError, TypeError), match=message):
        Study(train, SPACE, "min loss", TPE(), **change)


def test_one_start_point_needs_no_list():
    assert Study(train, SPACE, "min loss", TPE(), start={"x": 0.5}).start == ({"x": 0.5},)


def test_a_plan_says_where_no_trial_would_be_learned_from():
    few, enough = (Study(train, SPACE, "min loss", TPE()).plan(trials=trials) for trials in (10, 11))

    assert "all 10 trials are startup points of TPE(), which learns from none; TPE(startup=3) would" in str(few)
    assert "note" not in str(enough)
