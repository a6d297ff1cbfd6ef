"""Studies of models with data, on a real Ray: shared rows, folds under ASHA, the winner retrained."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RandomizedSearchCV, StratifiedKFold
from sklearn.svm import SVC

from orchestrator import ASHA, PBT, Data, FullLength, Random, Results, Study, TorchTrainable, fixed, loguniform
from orchestrator.cli import main
from orchestrator.folder import Lease
from orchestrator.spec import parse_text
from tests.kit.trainables import Blobs, Columns, Mean, Overgrown, OwnBatches, reads_rows

SPACE = {"C": loguniform(0.1, 100), "gamma": loguniform(1e-4, 1e-2)}
SHEET = """
train: sklearn.svm:SVC
data: Data('digits', test=0.2)
space: {C: 'loguniform(0.1, 100)', gamma: 'loguniform(1e-4, 1e-2)'}
goal: max accuracy
strategy: Random() + ASHA(max_epochs=5)
budget: {trials: 6}
name: svc
"""


@pytest.fixture(scope="module", autouse=True)
def ray():
    from cluster.to_ray import connect

    with connect("local", cpus=2):
        yield


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    study = dataclasses.replace(parse_text(SHEET), storage=tmp_path_factory.mktemp("runs"))
    return study, study.run(progress=False)


def test_a_study_of_an_estimator_needs_no_line_of_python(searched):
    _, results = searched

    frame = results.frame()

    assert set(frame.status) <= {"ended", "stopped"}
    assert results.best.epoch == 5
    assert results.best.value == frame[frame.epoch == 5].accuracy.max()
    assert {"accuracy_spread", "joules", "co2_g", "peak_memory_mib", "rows_per_s"} <= set(frame)


def test_folds_find_what_scikit_learns_search_finds(tmp_path):
    """The same points, the same folds: the same best score."""
    inputs, targets = load_digits(return_X_y=True)
    points = [{"C": 2.0, "gamma": 1e-3}, {"C": 0.5, "gamma": 3e-3}, {"C": 20.0, "gamma": 5e-4}]
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    theirs = [
        RandomizedSearchCV(SVC(), {k: [v] for k, v in point.items()}, n_iter=1, cv=folds).fit(inputs, targets)
        for point in points
    ]

    study = Study(SVC(), SPACE, "max accuracy", Random(), data="digits", start=points, storage=tmp_path)
    frame = study.run(trials=3, progress=False).frame()

    assert frame.accuracy.tolist() == pytest.approx([search.best_score_ for search in theirs], abs=1e-12)


def test_the_winner_is_retrained_on_all_rows_and_scored_on_the_test_rows_once(searched):
    study, results = searched

    again = study.retrain(results.best, progress=False)
    twice = study.retrain(results, top=2, progress=False)

    inputs, _ = load_digits(return_X_y=True)
    dealt = study.deal()
    model = SVC(**results.best.params).fit(dealt.given.rows.inputs, dealt.given.rows.targets)
    assert again.tested == {"test_accuracy": pytest.approx(model.score(dealt.test.inputs, dealt.test.targets))}
    assert again.frame().lineage.tolist() == [f"{results.folder.name}/{results.best.trial}"]
    assert np.array_equal(study.predict(again, inputs), model.predict(inputs))
    assert twice.tested is None
    assert "the test rows were not scored again" in twice.record.notes[-1]
    assert Results(results.folder).tested == again.tested


def test_an_ensemble_is_the_mean_of_its_members(tmp_path):
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(120, 3))
    names = np.array(["ham", "spam"])[(inputs.sum(1) + rng.normal(size=120) > 0).astype(int)]
    data = Data((inputs, names), test=0.25)
    study = Study(
        LogisticRegression(), {"C": loguniform(1e-3, 10)}, "max roc_auc", Random(), data=data, storage=tmp_path
    )

    results = study.run(trials=4, progress=False)
    both = study.retrain(results, top=2, progress=False)

    dealt = study.deal()
    members = [
        LogisticRegression(C=C).fit(dealt.given.rows.inputs, dealt.given.rows.targets) for C in both.frame()["params.C"]
    ]
    mean = np.mean([member.predict_proba(inputs) for member in members], axis=0)
    assert study.predict(both, inputs).tolist() == np.array(["ham", "spam"])[mean.argmax(1)].tolist()
    assert set(both.tested) == {"test_roc_auc"}


def test_a_network_is_retrained_for_as_long_as_it_took_to_be_best(tmp_path):
    data = Data("wine", test=0.2)
    study = Study(Blobs, {"lr": fixed(0.1)}, "max accuracy", Random() + FullLength(4), data=data, storage=tmp_path)
    results = study.run(trials=1, progress=False)

    again = study.retrain(results, progress=False)
    longer = study.retrain(results, epochs=6, progress=False)

    assert again.frame().epoch.tolist() == [results.best.epoch]
    assert longer.frame().epoch.tolist() == [6]
    assert again.best.checkpoint.name == f"e{results.best.epoch:05d}"
    assert set(study.predict(again, study.deal().test.inputs)) <= {0, 1, 2}


def test_from_the_shell_a_winner_is_retrained_by_one_word(searched, monkeypatch, tmp_path):
    _, results = searched
    monkeypatch.chdir(tmp_path)

    done = CliRunner().invoke(main, ["retrain", str(results.folder), "--trial", "t00001"])
    wrong = CliRunner().invoke(main, ["retrain", str(results.folder), "--trial", "t99999"])
    both = CliRunner().invoke(main, ["retrain", str(results.folder), "--trial", "t00001", "--top", "2"])
    monkeypatch.setattr("os.getuid", lambda: -1)
    foreign = CliRunner().invoke(main, ["retrain", str(results.folder)])

    assert done.exit_code == 0, done.output
    assert "retrains" in done.output
    assert not (tmp_path / "runs").exists(), "it lies beside the study"
    assert wrong.exit_code == 2
    assert "has no trial 't99999' with a usable value. See them: a440 table" in wrong.output
    assert "one trial, t00001, and the 2 best are two wishes. Leave one of them out." in both.output
    assert f"If you trust them: a440 retrain {results.folder} --trust" in foreign.output
    assert (both.exit_code, foreign.exit_code) == (2, 2)


def test_all_trials_read_the_same_rows_where_they_lie(tmp_path):
    """Every process finds them read-only in shared memory, which private memory is not."""
    rows = np.random.default_rng(0).normal(size=(50_000, 20)).astype(np.float32)
    data = (rows, np.arange(50_000))
    study = Study(reads_rows, SPACE, "min loss", Random(), data=data, storage=tmp_path)

    frame = study.run(trials=4, progress=False).frame()

    assert set(frame.status) == {"ended"}
    assert frame.writeable.tolist() == [0.0] * 4
    assert frame.shared.tolist() == [1.0] * 4


def test_a_study_whose_data_have_changed_is_not_resumed(tmp_path):
    table = pd.DataFrame({"x": np.arange(40.0), "y": np.arange(40) % 2})
    table.to_parquet(tmp_path / "rows.parquet")
    data = Data(tmp_path / "rows.parquet", target="y")
    study = Study(
        LogisticRegression(), {"C": loguniform(0.1, 1)}, "max accuracy", Random(), data=data, storage=tmp_path
    )
    results = study.run(trials=2, progress=False)

    more = study.resume(results.folder, trials="+1", progress=False)
    table.assign(x=table.x + 1).to_parquet(tmp_path / "rows.parquet")

    assert len(more.frame()) == 3
    with pytest.raises(ValueError, match=r"the data have changed since the study began.*Put the old ones back"):
        study.resume(results.folder, trials="+1", progress=False)


def test_goals_that_look_the_wrong_way_are_refused():
    with pytest.raises(ValueError, match=r"the goal is 'min accuracy', and more accuracy is better\. Write 'max acc"):
        Study(SVC(), SPACE, "min accuracy", Random(), data="digits")
    with pytest.warns(UserWarning, match=r"the goal is 'max loss', and less loss is better"):
        Study(lambda params: params["C"], SPACE, "max loss", Random())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Study(SVC(), SPACE, "max accuracy", Random()), r"SVC has nothing to learn from\. Give the study data"),
        (
            lambda: Study(lambda params: 1, SPACE, "min loss", Random(), data="digits"),
            r"takes no data.*def .*params, data",
        ),
        (lambda: Study(reads_rows, SPACE, "min loss", Random()), r"reads_rows takes data, and the study gives none"),
        (lambda: Study(Blobs, SPACE, "max accuracy", Random() + FullLength(2)), r"Blobs has no data\. Write def data"),
        (lambda: parse_text(SHEET.replace("'digits'", "'digit'")), r"data: no data are called 'digit'\. Did you mean"),
        (
            lambda: Study(SVC(), {"c": loguniform(0.1, 1)}, "max accuracy", Random(), data="digits"),
            r"the space has 'c', and SVC has no such parameter\. It has: C,",
        ),
        (
            lambda: Study(SVC(), SPACE, "max accuracy", Random() + PBT(max_epochs=5), data="digits"),
            r"changes params in mid-trial.*Use Random\(\) \+ ASHA\(max_epochs=5\)",
        ),
    ],
)
def test_data_that_nobody_takes_or_gives_are_told_at_once(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_another_estimator_of_the_same_class_is_another_trainable(tmp_path):
    space = {"C": loguniform(0.1, 10)}
    study = Study(SVC(kernel="linear"), space, "max accuracy", Random(), data="iris", storage=tmp_path)
    results = study.run(trials=1, progress=False)
    other = Study(SVC(kernel="poly"), space, "max accuracy", Random(), data="iris", storage=tmp_path)

    with pytest.raises(ValueError, match=r"SVC"):
        other.resume(results.folder, trials="+1", progress=False)
    shell = CliRunner().invoke(main, ["resume", str(results.folder), "--trials", "+1"])

    assert shell.exit_code == 2
    assert "Resume it from Python" in shell.output
    assert len(study.resume(results.folder, trials="+1", progress=False).frame()) == 2


def test_an_estimator_of_a_module_goes_on_from_the_shell(tmp_path, monkeypatch):
    (tmp_path / "my_pipeline.py").write_text(
        "from sklearn.pipeline import make_pipeline\nfrom sklearn.svm import SVC\npipe = make_pipeline(SVC())\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "piped.yaml").write_text(
        "train: my_pipeline:pipe\ndata: iris\nspace: {svc__C: 'loguniform(0.1, 10)'}\ngoal: max accuracy\n"
        "strategy: Random()\n"
    )

    first = CliRunner().invoke(main, ["run", "piped.yaml", "--trials", "1"])
    [folder] = (tmp_path / "runs").iterdir()
    more = CliRunner().invoke(main, ["resume", str(folder), "--trials", "+1"])
    kept = CliRunner().invoke(main, ["retrain", str(folder)])

    assert (first.exit_code, more.exit_code, kept.exit_code) == (0, 0, 0), more.output + kept.output
    assert len(Results(folder).frame()) == 2


def test_a_function_keeps_no_model_and_is_not_retrained(tmp_path):
    study = Study(lambda params: params["C"], SPACE, "max profit", Random(), storage=tmp_path)
    results = study.run(trials=1, progress=False)

    with pytest.raises(ValueError, match=r"study is a function, and keeps no model.*Derive a class from Trainable"):
        study.retrain(results, progress=False)


def test_a_plan_says_where_a_scheduler_looks_beyond_the_folds():
    far = Study(SVC(), SPACE, "max accuracy", Random() + ASHA(max_epochs=27), data="digits")
    right = Study(SVC(), SPACE, "max accuracy", Random() + ASHA(max_epochs=5), data="digits")

    assert far.plan(trials=40).note == "a trial has 5 epochs, a fold each; ASHA(max_epochs=5) has its rungs there"
    assert right.plan(trials=40).note == ""


def test_a_class_of_ones_own_is_scored_by_what_it_predicts(tmp_path):
    study = Study(Mean, {"shift": fixed(0.5)}, "min rmse", Random(), data=Data("diabetes", test=0.2), storage=tmp_path)

    again = study.retrain(study.run(trials=1, progress=False), progress=False)

    dealt = study.deal()
    error = dealt.test.targets - dealt.given.rows.targets.mean() - 0.5
    assert again.tested == {"test_rmse": pytest.approx((error**2).mean() ** 0.5)}
    best = CliRunner().invoke(main, ["best", str(again.folder)])
    assert "on rows that no trial saw" in best.output


def test_a_driver_at_work_in_the_searched_study_undoes_no_retraining(tmp_path):
    study = Study(Mean, {"shift": fixed(0.5)}, "min rmse", Random(), data=Data("diabetes", test=0.2), storage=tmp_path)
    results = study.run(trials=1, progress=False)
    lease = Lease(results.folder)

    again = study.retrain(results, progress=False)
    lease.release()

    assert set(again.tested) == {"test_rmse"}
    assert again.record.notes[-1].startswith(f"{results.folder.name} was not told that its test rows have been scored")


def test_models_that_cannot_be_asked_are_kept_and_it_is_said(tmp_path):
    silent = type("Silent", (Mean,), {"predict": None})
    study = Study(
        silent, {"shift": fixed(0.5)}, "min rmse", Random(), data=Data("diabetes", test=0.2), storage=tmp_path
    )

    again = study.retrain(study.run(trials=1, progress=False), progress=False)

    assert again.tested is None
    assert again.record.notes[-1].startswith("the test rows were not scored: Silent says nothing of new rows")


def test_a_model_knows_its_columns_and_classes_whatever_the_file_becomes(tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.normal(size=200), "b": rng.normal(size=200)})
    table["y"] = np.where(table.a > 0, "mid", "lo")
    table.to_csv(tmp_path / "grows.csv", index=False)
    data = Data(tmp_path / "grows.csv", target="y")
    study = Study(Columns, {"lr": fixed(0.1)}, "max accuracy", Random() + FullLength(9), data=data, storage=tmp_path)
    winner = study.retrain(study.run(trials=1, progress=False), progress=False)
    said = study.predict(winner, table[["a", "b"]])

    more = pd.DataFrame({"a": [0.0] * 3, "b": [0.0] * 3, "y": ["hi"] * 3})
    pd.concat([table, more]).to_csv(tmp_path / "grows.csv", index=False)
    again = study.predict(winner, table[["b", "y", "a"]])

    assert np.mean(said == table.y) > 0.95
    assert again.tolist() == said.tolist()
    with pytest.raises(ValueError, match=r"the inputs have no column 'b', on which models .*It has: A, a\."):
        study.predict(winner, table[["a"]].assign(A=1.0))


def test_an_ensemble_is_grown_again_for_as_long_as_it_was_at_its_best(tmp_path):
    study = Study(
        Overgrown, {"lr": fixed(0.5)}, "min log_loss", Random(), data=Data("breast_cancer", test=0.2), storage=tmp_path
    )
    results = study.run(trials=1, progress=False)

    winner = study.retrain(results, progress=False)

    assert results.best.epoch < results.frame().epoch.max() < 60, "patience ended it"
    assert winner.frame()["rounds"].tolist() == [5 * results.best.epoch]
    assert set(winner.tested) == {"test_log_loss"}


def test_a_network_that_makes_its_own_batches_is_retrained_and_a_metric_of_its_own_is_tested(tmp_path):
    data = Data("iris", test=0.2)
    study = Study(OwnBatches, {"lr": fixed(0.05)}, "max hits", Random() + FullLength(3), data=data, storage=tmp_path)

    winner = study.retrain(study.run(trials=1, progress=False), progress=False)

    dealt = study.deal()
    said = study.predict(winner, dealt.test.inputs)
    assert winner.frame().status.tolist() == ["ended"]
    assert winner.tested == {"test_hits": np.sum(said == dealt.test.targets)}


def test_what_cannot_be_kept_is_told_before_it_is_trained_again(tmp_path):
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    pipe = make_pipeline(FunctionTransformer(lambda x: x + 1), LogisticRegression())
    space = {"logisticregression__C": loguniform(0.1, 1)}
    study = Study(pipe, space, "max accuracy", Random(), data="iris", storage=tmp_path)
    results = study.run(trials=1, progress=False)

    with pytest.raises(ValueError, match=r"Pipeline cannot be kept for use .*Give it functions by name"):
        study.retrain(results, progress=False)


def test_a_network_validates_by_folds_where_it_says_so(tmp_path):
    from orchestrator import Folds

    folded = type("Folded", (Blobs,), {"folds": Folds(3), "fold_epochs": 2})
    study = Study(
        folded, {"lr": fixed(0.1)}, "max accuracy", Random() + ASHA(max_epochs=3), data="wine", storage=tmp_path
    )

    results = study.run(trials=2, progress=False)
    again = study.retrain(results, progress=False)

    assert issubclass(folded, TorchTrainable)
    assert results.best.epoch == 3
    assert "accuracy_spread" in results.frame()
    assert again.frame().epoch.tolist() == [2]


@pytest.mark.soak
@pytest.mark.parametrize(("shuffle", "known"), [(True, 0.989), (False, 0.973)])
def test_a_hundred_draws_have_the_best_score_of_randomized_search_cv(shuffle, known, tmp_path):
    from scipy import stats
    from sklearn.model_selection import ParameterSampler

    from orchestrator import Folds, SklearnTrainable, routed

    inputs, targets = load_digits(return_X_y=True)
    drawn = {"C": stats.loguniform(0.1, 1000), "gamma": stats.loguniform(1e-5, 0.1)}
    folds = StratifiedKFold(5, shuffle=shuffle, random_state=0 if shuffle else None)
    theirs = RandomizedSearchCV(SVC(), drawn, n_iter=100, random_state=0, cv=folds).fit(inputs, targets)

    class Machine(SklearnTrainable):
        folds = Folds(5, shuffle=shuffle)

        def estimator(self, params):
            return routed(SVC(), params)

    points = list(ParameterSampler(drawn, 100, random_state=0))
    space = {"C": loguniform(0.1, 1000), "gamma": loguniform(1e-5, 0.1)}
    study = Study(Machine, space, "max accuracy", Random(), data="digits", start=points, storage=tmp_path)
    best = study.run(trials=100, progress=False).best

    assert best.value == pytest.approx(theirs.best_score_, abs=1e-12)
    assert {name: best.params[name] for name in space} == theirs.best_params_
    assert best.value == pytest.approx(known, abs=0.002)
