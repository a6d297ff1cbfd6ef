from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import ASHA, TPE, Bundle, Choice, Float, Space, saved, spec
from orchestrator.ledger import Ledger
from orchestrator.spec import parse_text

GOOD = """\
train: examples.digits:DigitsMLP
space:
  lr: loguniform(1e-4, 1e-1)
  act: [relu, gelu]
  optimizer: "choice(sgd={'momentum': uniform(0, 0.9)}, adam={})"
  layers: {width: "integer(8, 64)", depth: [1, 2, 3]}
goal: min loss
strategy: TPE() + ASHA(max_epochs=27)
bundle: Bundle(cpus=1, memory_gib=1)
budget: {trials: 64, hours: 2}
seed: 7
"""


def test_a_study_file_says_what_the_python_api_says():
    study = parse_text(GOOD)

    assert study.strategy == TPE() + ASHA(max_epochs=27)
    assert study.space["lr"] == Float(1e-4, 1e-1, log=True)
    assert study.space["act"] == Choice(("relu", "gelu"))
    assert isinstance(study.space["layers"], Space)
    assert study.bundle == Bundle(cpus=1, memory_gib=1)
    assert (study.budget.trials, study.budget.hours, study.seed) == (64, 2.0, 7)


@pytest.mark.parametrize(
    ("line", "instead", "told"),
    [
        ("goal: min loss", "goal: mim loss", r"study\.yaml:7 goal: .*Did you mean 'min"),
        ("strategy: TPE() + ASHA(max_epochs=27)", "strategy: TPE() + ASA(max_epochs=27)", "Did you mean 'ASHA'"),
        ("strategy: TPE() + ASHA(max_epochs=27)", "strategy: TPE() + ASHA(max_epoch=27)", "Did you mean 'max_epochs'"),
        ("strategy: TPE() + ASHA(max_epochs=27)", "strategy: 5", "Write a sampler and a scheduler"),
        (
            "strategy: TPE() + ASHA(max_epochs=27)",
            "strategy: TPE() + ASHA(max_epochs=3, grace_epochs=9)",
            "grace_epochs",
        ),
        ("seed: 7", "sed: 7", r"study\.yaml:11 sed: this key is unknown\. Did you mean 'seed'"),
        ("seed: 7", "seed: lots", "Write a whole number"),
        ("  act: [relu, gelu]", "  act: relu", r"study\.yaml:4 space\.act: "),
        ("  act: [relu, gelu]", "  act: []", "at least two"),
        ("  act: [relu, gelu]", "  act: 3", "no domain"),
        ("  act: [relu, gelu]", "  act: 'choice(uniform(0, 1), 2)'", r"choice\(first=\{'value': uniform\(0, 1\)\}"),
        ("  lr: loguniform(1e-4, 1e-1)", "  lr: loguniform(0, 1e-1)", r"study\.yaml:3 space\.lr: .*logarithm"),
        ("  lr: loguniform(1e-4, 1e-1)", "  lr: __import__('os').system('id')", r"study\.yaml:3 space\.lr"),
        ("budget: {trials: 64, hours: 2}", "budget: {trials: ten}", "trials: 64"),
        ("budget: {trials: 64, hours: 2}", "budget: {trial: 10}", "Did you mean 'trials'"),
        ("bundle: Bundle(cpus=1, memory_gib=1)", "bundle: Bundle(cpu=1)", "Did you mean 'cpus'"),
        ("bundle: Bundle(cpus=1, memory_gib=1)", "bundle: Bundle(gpus=-1)", "bundle"),
        ("train: examples.digits:DigitsMLP", "train: examples.digits:DigitMLP", "Did you mean 'DigitsMLP'"),
        ("train: examples.digits:DigitsMLP", "train: exampels.digits:DigitsMLP", "exampels"),
        ("train: examples.digits:DigitsMLP", "train: examples.digits", "module:name"),
        ("train: examples.digits:DigitsMLP\n", "", r"train: it is missing\. Add it: train: examples"),
    ],
)
def test_each_mistake_is_told_with_its_place_and_mend(line, instead, told):
    assert line in GOOD

    with pytest.raises(ValueError, match=told):
        parse_text(GOOD.replace(line, instead))


def test_all_mistakes_are_told_at_once():
    text = GOOD.replace("min loss", "mim loss").replace("seed: 7", "sed: 7").replace("hours: 2", "hours: soon")

    with pytest.raises(ValueError, match="mim") as told:
        parse_text(text, "my.yaml")

    lines = str(told.value).splitlines()
    assert len(lines) == 3
    assert sorted(line.split(" ")[0] for line in lines) == ["my.yaml:10", "my.yaml:11", "my.yaml:7"]


def test_set_changes_keys_in_the_same_notation():
    settings = ["space.lr=uniform(0, 1)", "strategy=Random() + FullLength(epochs=3)", "budget.trials=5", "name=mine"]

    study = parse_text(GOOD, settings=settings)

    assert study.space["lr"] == Float(0, 1)
    assert str(study.strategy) == "Random() + FullLength(epochs=3)"
    assert (study.budget.trials, study.name) == (5, "mine")


@pytest.mark.parametrize("setting", ["space.lr", "=3", "goal.metric=loss", "space.lr=uniform(1, 0)", "bugdet.trials=3"])
def test_a_setting_that_cannot_work_is_told_as_such(setting):
    with pytest.raises(ValueError, match="--set"):
        parse_text(GOOD, settings=[setting])


@pytest.mark.parametrize("text", ["", "- a\n- b", "train: [", "a: 1\na: 2", "x: !!python/object/apply:os.system [id]"])
def test_what_is_no_study_file_gets_a_line_and_no_traceback(text):
    with pytest.raises(ValueError, match=r"bad\.yaml:\d"):
        parse_text(text, "bad.yaml")


def test_a_file_that_is_not_there_is_told():
    with pytest.raises(ValueError, match="No such file"):
        spec.load("nowhere.yaml")


def test_a_saved_study_reads_back_equal(tmp_path):
    study = parse_text(GOOD)

    saved.save(study, tmp_path)
    again = saved.reopen(tmp_path)

    assert again.space == study.space
    assert (again.goal, again.strategy, again.bundle, again.budget) == (
        study.goal, study.strategy, study.bundle, study.budget)  # fmt: skip
    saved.check_same(again, tmp_path)


@pytest.mark.parametrize(
    ("change", "shown"),
    [("space.lr=uniform(0, 1)", "lr"), ("goal=max accuracy", "max accuracy"), ("space.new=[1, 2]", "new")],
)
def test_a_changed_study_is_refused_on_resume_with_the_difference(tmp_path, change, shown):
    saved.save(parse_text(GOOD), tmp_path)

    with pytest.raises(ValueError, match=f"(?s)another study.*[+-].*{shown}"):
        saved.check_same(parse_text(GOOD, settings=[change]), tmp_path)


@pytest.mark.parametrize("change", ["strategy=Random() + FullLength(epochs=3)", "seed=8"])
def test_changed_settings_are_refused_on_resume_unless_they_are_accepted(tmp_path, change):
    saved.save(parse_text(GOOD), tmp_path)
    changed = parse_text(GOOD, settings=[change])

    with pytest.raises(ValueError, match=r"(?s)other settings.*[+-].*--accept-changes"):
        saved.check_same(changed, tmp_path)

    saved.check_same(changed, tmp_path, accept_changes=True)


def test_a_damaged_study_file_is_replaced_by_the_ledger(tmp_path):
    study = parse_text(GOOD)
    book = Ledger(tmp_path / "ledger", lambda: 0.0)
    book.append("study_started", goal="min loss", study=saved.document(study))
    book.close()
    (tmp_path / saved.FILE).write_text("{garbage")

    again = saved.reopen(tmp_path)

    assert (again.space, again.strategy, again.seed) == (study.space, study.strategy, study.seed)


def test_code_is_found_beside_the_study_file(tmp_path, monkeypatch):
    place = tmp_path / "elsewhere"
    place.mkdir()
    (place / "beside_it.py").write_text("def train(params):\n    return params['x']\n")
    (place / "mine.yaml").write_text(
        "train: beside_it:train\nspace: {x: 'uniform(0, 1)'}\ngoal: min loss\nstrategy: Random()\n"
    )

    study = spec.load(place / "mine.yaml")

    assert study.name == "mine"
    assert study.train({"x": 1}) == 1


def test_the_partner_that_is_proposed_agrees():
    with pytest.raises(ValueError, match=r"Random\(\) \+ PBT"):
        parse_text(GOOD, settings=["strategy=PBT(max_epochs=9, every=3)"])


def test_changed_code_is_refused_unless_it_is_accepted(tmp_path):
    study = parse_text(GOOD)
    saved.save(study, tmp_path)
    path = tmp_path / saved.FILE
    digest = saved.digest(study.train)["examples.digits"]
    path.write_text(path.read_text().replace(digest, "feedfacefeed"))

    with pytest.raises(ValueError, match=r"the code of examples\.digits is not what it was.*--accept-changes"):
        saved.check_same(study, tmp_path)

    saved.check_same(study, tmp_path, accept_changes=True)


@pytest.mark.parametrize("trials", ["many", "++3", "²", "12", "-3", "1.5", ""])
def test_trials_that_are_no_number_or_too_few_are_refused(tmp_path, trials):
    saved.save(parse_text(GOOD), tmp_path)

    with pytest.raises(ValueError, match=r"--trials \+"):
        saved.total_trials(tmp_path, trials, None)


@pytest.mark.parametrize(("trials", "total"), [(None, 64), ("+32", 96), (80, 80), ("80", 80)])
def test_more_trials_are_a_total_or_an_addition(tmp_path, trials, total):
    saved.save(parse_text(GOOD), tmp_path)

    assert saved.total_trials(tmp_path, trials, None) == total


def told(text, settings=()):
    """What is said of a study file; empty where it is a study. Any other exception comes through."""
    try:
        parse_text(text, settings=settings)
    except (ValueError, TypeError) as error:
        return str(error) or "nothing"
    return ""


@given(st.text(max_size=200))
def test_whatever_stands_in_a_file_is_a_study_or_a_told_mistake(text):
    assert told(text) != "nothing"


@given(st.text(max_size=60))
def test_whatever_is_set_is_a_study_or_a_told_mistake(value):
    assert told(GOOD, [f"space.lr={value}", f"strategy={value}"]) != "nothing"


def test_the_examples_files_are_valid():
    for path in Path("examples").glob("*.yaml"):
        assert spec.load(path).name


# -- what a search may know and keep ---------------------------------------------------------------

WHOLE = """\
train: examples.digits:DigitsMLP
space:
  lr: loguniform(1e-4, 1e-1)
  layers: "repeat(integer(1, 3), {'width': logint(8, 64), 'act': ['relu', 'gelu']})"
  batch: ordinal(16, 32, 64)
  kind: fixed('mlp')
goal: [max accuracy, min weights <= 20000]
strategy: Sobol(n=8) >> NSGA2() + ASHA(max_epochs=9)
limits: ["sum(layers.width) <= 100"]
prior: ["believed(lr=0.003, within='3x')", "believed(batch=32)"]
learn_from: [runs/older]
repeats: 3
start: [{lr: 0.01, layers: 1, layers.0.width: 8, layers.0.act: relu, batch: 16, kind: mlp}]
"""


def test_a_file_says_all_that_python_can():
    study = parse_text(WHOLE)

    assert str(study.goal) == "max accuracy, min weights <= 20000"
    assert str(study.strategy) == "Sobol(n=8) >> NSGA2() + ASHA(max_epochs=9)"
    assert [str(limit) for limit in study.space.limits] == ["sum(layers.width) <= 100"]
    assert [str(belief) for belief in study.space.prior.beliefs] == [
        "believed(lr=0.003, within='3x')",
        "believed(batch=32)",
    ]
    assert (study.learn_from, study.repeats) == (("runs/older",), 3)
    assert study.start[0]["layers.0.width"] == 8


def test_all_of_it_is_read_back(tmp_path):
    study = parse_text(WHOLE)

    saved.save(study, tmp_path)
    again = saved.reopen(tmp_path)

    saved.check_same(again, tmp_path)
    for part in ("space", "goal", "strategy", "learn_from", "repeats", "start"):
        assert getattr(again, part) == getattr(study, part), part
    assert again.space.limits == study.space.limits
    assert again.space.prior.beliefs == study.space.prior.beliefs


@pytest.mark.parametrize(
    ("change", "shown"),
    [("limits=['lr <= 0.05']", "lr <= 0.05"), ("goal=max accuracy", "weights"), ("repeats=2", "repeats: 2")],
)
def test_another_search_is_another_study(tmp_path, change, shown):
    saved.save(parse_text(WHOLE), tmp_path)

    with pytest.raises(ValueError, match=f"(?s)[+-].*{shown}"):
        saved.check_same(parse_text(WHOLE, settings=[change]), tmp_path)


@pytest.mark.parametrize(
    ("line", "instead", "told"),
    [
        ('limits: ["sum(layers.width) <= 100"]', "limits: ['widht <= 3']", "widht.*Did you mean|Known"),
        ('limits: ["sum(layers.width) <= 100"]', "limits: ['__import__(1) <= 3']", "__import__"),
        ('limits: ["sum(layers.width) <= 100"]', "limits: ['lr <= 1e-9']", "limits"),
        ("believed(batch=32)", "believed(batsh=32)", "batsh.*Did you mean 'batch'"),
        ("believed(batch=32)", "belived(batch=32)", "belived.*Did you mean 'believed'"),
        ("believed(batch=32)", "believed(batch=33)", "33"),
        ("repeats: 3", "repeats: 0", "1 or more"),
        ("repeats: 3", "repeats: two", "1 or more"),
        ("learn_from: [runs/older]", "learn_from: [3]", "learn_from"),
        ("NSGA2()", "CMAES()", r"CMAES\(\) looks for one best point.*Use NSGA2\(\)"),
        ("min weights <= 20000", "min weights <= lots", "weights"),
        ("integer(1, 3)", "integer(3, 1)", "space.layers"),
    ],
)
def test_each_mistake_in_it_is_told_with_its_mend(line, instead, told):
    assert line in WHOLE

    with pytest.raises(ValueError, match=f"(?s)study.yaml.*({told})"):
        parse_text(WHOLE.replace(line, instead))


@pytest.mark.parametrize(
    "space",
    [
        "{x: 'uniform(0, 1)', kind: \"choice(a={'y': uniform(0, 1)}, b={})\"}",
        "{x: \"choice(1, 'one', None)\"}",
        "{pair: 'sequence(uniform(0, 1), integer(1, 3))'}",
        "{layers: 'repeat(3, uniform(0, 1))'}",
        "{deep: {deeper: {x: 'uniform(0, 1)'}}}",
    ],
)
def test_spaces_of_every_form_are_read_back(tmp_path, space):
    text = GOOD[: GOOD.index("space:")] + f"space: {space}\n" + GOOD[GOOD.index("goal:") :]
    study = parse_text(text)

    saved.save(study, tmp_path)

    assert saved.reopen(tmp_path).space == study.space


def test_what_is_at_odds_is_told_at_once_each_with_its_line():
    text = WHOLE.replace('limits: ["sum(layers.width) <= 100"]', "limits:\n  - widht <= 3\n  - lr < 0.05\n  - lrr > 1")
    text = text.replace("believed(batch=32)", "believed(batsh=32)")

    with pytest.raises(ValueError, match="widht") as told:
        parse_text(text, "my.yaml")

    lines = str(told.value).splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        "my.yaml:10 limits.0",
        "my.yaml:12 limits.2",
        "my.yaml:13 prior.1",
    ]


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("limits=['widht <= 3']", r"--set limits\.0: .*widht"),
        ("strategy=CMAES() + FullLength(epochs=3)", r"--set strategy: CMAES\(\) looks for one"),
        ("start=[{lr: 7, layers: 0, batch: 16, kind: mlp}]", r"--set start\.0: "),
        ("prior=['believed(lrr=1)']", r"--set prior\.0: .*lrr"),
    ],
)
def test_what_was_set_is_blamed_and_not_the_file(setting, told):
    with pytest.raises(ValueError, match=f"^{told}"):
        parse_text(WHOLE, settings=[setting])


def test_a_belief_is_pasted_as_the_error_writes_it():
    with pytest.raises(ValueError, match="Write what you believe: ") as told:
        parse_text(WHOLE, settings=["prior=[believed(lr=0.1, within=3x)]"])

    mend = str(told.value).splitlines()[0].partition("Write what you believe: ")[2].rstrip(".")
    assert parse_text(WHOLE, settings=[f"prior=[{mend}]"]).space.prior


def test_a_study_of_main_goes_on_with_the_module_that_it_was(tmp_path):
    study = parse_text(GOOD)
    saved.save(study, tmp_path)
    path = tmp_path / saved.FILE
    path.write_text(path.read_text().replace("train: examples.digits:DigitsMLP", "train: null"))

    saved.check_same(study, tmp_path)


def test_beliefs_about_parameters_of_any_name_are_read_back(tmp_path):
    text = GOOD[: GOOD.index("space:")] + "space: {within: 'uniform(0, 1)', chance: 'uniform(0, 1)'}\n"
    text += "prior: [\"believed({'within': 0.5, 'chance': 0.1}, within=0.2)\"]\n" + GOOD[GOOD.index("goal:") :]
    study = parse_text(text)

    saved.save(study, tmp_path)

    assert saved.reopen(tmp_path).space == study.space
