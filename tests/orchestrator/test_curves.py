"""Tables of curves: the nearest neighbour, every form that a table has, and what is said of a bad one."""

import math
import random
import sys

import numpy as np
import pandas as pd
import pytest

from orchestrator import Study
from orchestrator.curves import Surrogate, Table
from orchestrator.recordings import read_curves
from orchestrator.results import write_table
from orchestrator.untrained import Untrained
from search import (
    ASHA,
    FullLength,
    Goal,
    Random,
    Space,
    choice,
    fixed,
    integer,
    logint,
    loguniform,
    ordinal,
    repeat,
    uniform,
)

GOAL = Goal.parse("min loss")
LINE = Space({"x": uniform(0, 1)})
TREE = Space(
    {
        "lr": loguniform(1e-4, 1.0),
        "width": logint(8, 128),
        "batch": ordinal(16, 32, 64),
        "act": choice("relu", "gelu", "NA", None, True),
        "optimizer": choice(sgd={"momentum": uniform(0, 0.99)}, adam={"beta": uniform(0.9, 0.99), "amsgrad": [0, 1]}),
        "layers": repeat(integer(1, 3), {"units": integer(1, 9)}),
        "loss_kind": fixed("mse"),
    }
)


def apart(space, a, b):
    """The distance of two flat points, leaf by leaf."""
    here, there = ({(leaf.name, leaf.condition): leaf for leaf in space.active_leaves(point)} for point in (a, b))
    total = 0.0
    for key in here.keys() | there.keys():
        if key not in here or key not in there:
            total += 1
            continue
        domain, name = here[key].domain, key[0]
        if hasattr(domain, "options") and not domain.ordered:
            total += domain.index(a[name]) != domain.index(b[name])
        else:
            total += (domain.unit(a[name]) - domain.unit(b[name])) ** 2
    return math.sqrt(total)


def points(space, n, seed):
    rng = random.Random(seed)
    return [space.sample(rng) for _ in range(n)]


def frame(space, flat, epochs=3, prefix="", **columns):
    rows = [
        {**{f"{prefix}{name}": value for name, value in point.items()}, "epoch": epoch, "loss": k + 1 / epoch}
        for k, point in enumerate(flat)
        for epoch in range(1, epochs + 1)
    ]
    return pd.DataFrame(rows).assign(**columns)


def test_the_nearest_curve_is_that_of_a_search_through_all_of_them():
    recorded = points(TREE, 200, seed=0)
    table = Table("tree", TREE, recorded, None, {"loss": np.arange(200.0)[:, None]})

    for wanted in points(TREE, 100, seed=1):
        distances = [apart(TREE, wanted, point) for point in recorded]
        row = table.curve(wanted)
        assert row.place == int(np.argmin(np.round(distances, 12)))
        assert row.distance == pytest.approx(min(distances))


def test_a_recorded_point_is_found_exactly_and_the_first_one_wins_ties():
    table = Table(
        "line", LINE, [{"x": 0.75}, {"x": 0.25}, {"x": 0.75}], None, {"loss": np.array([[0.0], [1.0], [2.0]])}
    )

    assert (table.curve({"x": 0.75}).place, table.curve({"x": 0.75}).distance) == (0, 0.0)
    assert table.curve({"x": 0.5}).place == 0
    assert table.curve({"x": 0.1}).metrics_at(1) == {"loss": 1.0}


def test_thousands_of_curves_are_looked_up_in_an_instant():
    table = Table("tree", TREE, points(TREE, 2000, seed=0), None, {"loss": np.zeros((2000, 1))})

    found = [table.curve(point).place for point in points(TREE, 50, seed=0)]

    assert found == list(range(50))


@pytest.mark.parametrize("prefix", ["", "params."])
@pytest.mark.parametrize("form", ["frame", "csv", "parquet"])
def test_a_table_in_long_form_gives_back_its_points_and_curves(form, prefix, tmp_path):
    recorded = points(TREE, 40, seed=3)
    told = frame(TREE, recorded, prefix=prefix)
    path = tmp_path / f"curves.{form}"
    if form == "csv":
        told.sample(frac=1, random_state=0, ignore_index=True).to_csv(path, index=False)
    elif form == "parquet":
        act = f"{prefix}act"
        told.assign(**{act: [None if v is None else str(v) for v in told[act]]}).to_parquet(path, index=False)

    table = read_curves(told if form == "frame" else path, TREE, GOAL)

    def text(point):
        return sorted((name, repr(value)) for name, value in point.items())

    assert sorted(map(text, table.points)) == sorted(map(text, recorded))
    assert all(table.curve(point).distance == 0 for point in recorded)
    assert table.curve(recorded[7]).metrics_at(3) == {"loss": pytest.approx(7 + 1 / 3)}
    assert table.longest == 3
    assert "40 curves of 3 epochs" in table.source
    assert table.notes == ["there are no seconds: every epoch counts as one second"]


def test_seconds_and_all_numeric_metrics_are_taken_and_texts_are_not():
    told = frame(LINE, [{"x": 0.5}], seconds=[0.5, 1.5, 4.0], accuracy=[1, 2, 3], comment="fine", status="ended")

    row = read_curves(told, LINE, GOAL).curve({"x": 0.5})

    assert [row.seconds_at(epoch) for epoch in (1, 2, 3, 4)] == [0.5, 1.5, 4.0, None]
    assert row.metrics_at(2) == {"loss": 0.5, "accuracy": 2.0}


def test_a_trial_column_tells_curves_of_one_point_apart():
    twice = pd.concat([frame(LINE, [{"x": 0.5}], trial="a"), frame(LINE, [{"x": 0.5}], trial="b")])

    assert len(read_curves(twice, LINE, GOAL).points) == 2
    with pytest.raises(ValueError, match=r"epoch 1 of one curve 2 times .*a column trial"):
        read_curves(twice.drop(columns="trial"), LINE, GOAL)


def test_short_curves_points_outside_and_changed_params_are_left_out_and_counted():
    told = pd.concat(
        [
            frame(LINE, [{"x": 0.1}], trial="whole"),
            frame(LINE, [{"x": 0.2}], epochs=2, trial="stopped"),
            frame(LINE, [{"x": 0.3}], trial="gap").query("epoch != 2"),
            frame(LINE, [{"x": 1.5}], epochs=9, trial="outside"),
            frame(LINE, [{"x": 0.4}], trial="changed").assign(x=[0.4, 0.4, 0.6]),
        ]
    )

    table = read_curves(told, LINE, GOAL)

    assert table.points == [{"x": 0.1}]
    assert table.longest == 3
    assert table.notes[:3] == [
        "left out, without all of the 3 epochs: 2 of 5 curves",
        "left out, for they changed their params in mid-trial: 1 of 5 curves",
        "left out, outside of the space: 1 of 5 curves (x=1.5 lies outside uniform(0, 1))",
    ]


def test_points_beyond_a_limit_are_outside():
    space = Space({"x": uniform(0, 1), "y": uniform(0, 1)}, limits=["x + y <= 1"])

    table = read_curves(frame(space, [{"x": 0.4, "y": 0.4}, {"x": 0.9, "y": 0.9}]), space, GOAL)

    assert len(table.points) == 1
    assert "breaks the limit x + y <= 1" in table.notes[0]


def test_a_study_that_ran_is_a_table_and_its_own_trials_are_repeated(tmp_path):
    def curve(params):
        return [{"loss": params["lr"] * epoch, "seconds": 2.0 * epoch} for epoch in range(1, 4)]

    recorded = Study(Untrained, TREE, GOAL, Random() + FullLength(epochs=3)).simulate(curve, 4, 30, out=tmp_path / "a")
    again = Study(Untrained, TREE, GOAL, Random() + FullLength(epochs=3))

    by_folder, by_results = (again.simulate(table, 4, 30) for table in (tmp_path / "a", recorded))

    assert by_folder.curves().equals(recorded.curves())
    assert by_results.curves().equals(recorded.curves())
    assert "recorded exactly: all of 30 points" in by_folder.record.notes


def test_curves_with_their_params_are_such_a_table(tmp_path):
    def curve(params):
        return [{"loss": params["lr"] * epoch, "seconds": 2.0 * epoch} for epoch in range(1, 4)]

    recorded = Study(Untrained, TREE, GOAL, Random() + FullLength(epochs=3)).simulate(curve, 4, 30)
    write_table(recorded.curves(params=True), tmp_path / "curves.csv")

    table = read_curves(tmp_path / "curves.csv", TREE, GOAL)

    assert list(recorded.curves(params=True))[:5] == ["trial", "epoch", "seconds", "params.lr", "params.width"]
    assert len(table.points) == 30
    assert all(table.curve(point).distance == 0 for point in table.points)


def test_of_a_study_with_early_stopping_only_the_whole_curves_are_taken(tmp_path):
    def curve(params):
        return [{"loss": params["x"]}] * 9

    results = Study(Untrained, LINE, GOAL, Random() + ASHA(max_epochs=9)).simulate(curve, 2, 30)

    table = read_curves(results, LINE, GOAL)

    whole = int((results.frame().epoch == 9).sum())
    assert 0 < whole < 30
    assert len(table.points) == whole
    assert table.notes == [f"left out, without all of the 9 epochs: {30 - whole} of 30 curves"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda f: f.rename(columns={"learning_rat": "y"}), r"no column for the parameter 'learning_rate'"),
        (lambda f: f, r"no column for the parameter 'learning_rate'. Did you mean 'learning_rat'\?"),
        (lambda f: f.rename(columns={"learning_rat": "learning_rate", "epoch": "epochs"}), r"Did you mean 'epochs'\?"),
        (lambda f: f.rename(columns={"learning_rat": "learning_rate", "loss": "los"}), r"goal 'min loss'.*mean 'los'"),
        (lambda f: f.assign(learning_rate=0.5, loss="low"), r"has 'low' in the column 'loss'\. Write numbers"),
        (lambda f: f.assign(learning_rate=0.5, epoch=f.epoch - 1), r"from 0, .*frame\['epoch'\] \+= 1"),
        (lambda f: f.assign(learning_rate=0.5, epoch=f.epoch / 2), r"no whole numbers\. Count them"),
        (lambda f: f.assign(learning_rate=0.5, seconds=[1.0, 3.0, 2.0]), r"2 seconds at epoch 3 of row 1, after 3;"),
        (lambda f: f.assign(learning_rate=0.5, seconds=-1.0), r"-1 seconds at epoch 1 .*cumsum"),
        (
            lambda f: f.assign(learning_rate=0.5, seconds=5.0),
            r"5 seconds at every epoch of row 1, .*\.groupby\(\['learning_rate'\], dropna=False\)\.seconds\.cumsum",
        ),
        (lambda f: f.assign(learning_rate=0.5, seconds=5.0, trial="a"), r"of trial a, .*\('trial'\)\.seconds\.cumsum"),
        (lambda f: f.assign(learning_rate=0.5, seconds=0.0), r"0 seconds at every epoch .*drop\(columns='seconds'\)"),
        (lambda f: f.assign(learning_rate=0.5).tail(1), r"epochs from 1 to 3\. Give .* --curves --params --out"),
        (
            lambda f: f.assign(learning_rate=7.0),
            r"none of the 1 curves .*=7.0 lies outside .*--set space\.learning_rate='uniform\(0, 7.0\)'",
        ),
        (lambda f: f.assign(learning_rate=0.5, trial=None), r"rows without a trial\. Leave them out"),
        (lambda f: f.head(0), r"has no rows\. Give a \.csv"),
    ],
)
def test_a_bad_table_is_told_with_the_mend(change, told):
    space = Space({"learning_rate": uniform(0, 1)})
    good = frame(space, [{"learning_rat": 0.5}])

    with pytest.raises(ValueError, match=told):
        read_curves(change(good), space, GOAL)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("nowhere.csv", r"nowhere.csv cannot be read: No such file .*Give a \.csv"),
        ("{}/torn.parquet", r"is no table that can be read: .*Give a \.csv"),
        ("table.xlsx", r"'table.xlsx' is no table of curves\. Give a \.csv or \.parquet"),
        ("{}", r"is no study: it has no ledger"),
        ("nowhere.py:curve", r"there is no file nowhere.py\. Give"),
        ("{}/misspelt.py:curv", r"misspelt has no 'curv'\. Did you mean 'curve'\?"),
        ("{}/numbers_only.py:NUMBER", r"is 3, no function\. Write def NUMBER\(params\)"),
        ("{}/search.py:curve", r"hidden by another module 'search'.*Rename it: my_search.py"),
        ("no.such.module:curve", r"names the module 'no'"),
    ],
)
def test_what_is_no_table_is_told_with_what_would_be(table, told, tmp_path):
    for name in ("misspelt", "numbers_only", "search"):
        (tmp_path / f"{name}.py").write_text("NUMBER = 3\ndef curve(params): return {'loss': 1.0}\n")
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 torn")

    with pytest.raises((ValueError, FileNotFoundError), match=told):
        read_curves(table.format(tmp_path), LINE, GOAL)


def test_a_function_of_a_file_is_called_with_nested_params(tmp_path):
    (tmp_path / "by_name.py").write_text(
        "def curve(params):\n"
        "    for k in (1, 2):\n"
        "        yield {'loss': len(params['layers']) / k, 'seconds': 3.0 * k}\n"
    )

    found = read_curves(f"{tmp_path}/by_name.py:curve", TREE, GOAL)
    point = points(TREE, 1, seed=0)[0]
    curve = found.curve(point)

    assert [curve.seconds_at(epoch) for epoch in (1, 2, 3)] == [3.0, 6.0, None]
    assert curve.metrics_at(1) == {"loss": point["layers"]}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (lambda params: {"los": 1.0}, r"not loss\. Did you mean the goal 'los'"),
        (lambda params: None, r"Report a number"),
        (
            lambda params: [{"loss": 1.0, "seconds": 2.0}, {"loss": 1.0, "seconds": 1.0}],
            r"at epoch 2 .* after 2\. Give",
        ),
        (lambda params: {"loss": 1.0, "seconds": 0.0}, r"seconds=0.0 at epoch 1"),
        (
            lambda params: [{"loss": 1.0, "seconds": 5.0}] * 2,
            r"seconds=5.0 at epoch 2 .* own: \{\.\.\., 'seconds': 10\}",
        ),
        (lambda params: [{"loss": 1.0, "seconds": 1e9}] * 2, r"at epoch 2 .*, after 1e\+09\."),
        (lambda params: 1 / 0, r"raised ZeroDivisionError: .*Mend it there, or give \{'loss': float\('nan'\)\}"),
    ],
)
def test_a_function_that_says_nothing_usable_is_told(said, told):
    with pytest.raises(ValueError, match=told):
        Surrogate(said, LINE, GOAL, "curve").curve({"x": 0.5}).seconds_at(2)


@pytest.mark.parametrize("said", [0.5, {"loss": 0.5}, [{"loss": 0.5}], [0.5], np.float64(0.5)])
def test_a_function_may_say_one_epoch_in_any_form(said):
    curve = Surrogate(lambda params: said, LINE, GOAL, "curve").curve({"x": 0.5})

    assert (curve.seconds_at(1), curve.seconds_at(2)) == (1.0, None)
    assert curve.metrics_at(1) == {"loss": 0.5}


@pytest.mark.parametrize("by", [["x"], ["x", "trial"]])
def test_the_mend_of_an_epochs_own_seconds_makes_a_table_of_them(by):
    told = frame(LINE, [{"x": 0.2}, {"x": 0.7}], seconds=5.0)
    given = told.assign(trial=told.x) if "trial" in by else told

    with pytest.raises(ValueError, match="cumsum") as seen:
        read_curves(given, LINE, GOAL)
    mended = {"frame": given}
    exec(str(seen.value).rpartition("own: ")[2], mended)

    row = read_curves(mended["frame"], LINE, GOAL).curve({"x": 0.7})
    assert [row.seconds_at(epoch) for epoch in (1, 2, 3)] == [5.0, 10.0, 15.0]


def test_epochs_that_take_no_time_are_counted():
    told = frame(LINE, [{"x": 0.2}, {"x": 0.7}], seconds=[0.0, 1.0, 2.0, 4.0, 4.0, 5.0])

    table = read_curves(told, LINE, GOAL)

    assert table.notes == ["epochs that take no time: 2 of 6"]
    assert table.takes_time


def test_of_several_curves_of_a_point_a_seed_draws_one_and_this_is_told():
    told = frame(LINE, [{"x": x} for x in (0.5, 0.5, 0.9, 0.5)], trial=np.repeat(list("abcd"), 3))
    table = read_curves(told, LINE, GOAL)

    drawn = [table.draw({"x": 0.52}, seed).place for seed in range(300)]

    assert drawn == [table.draw({"x": 0.52}, seed).place for seed in range(300)]
    assert {place: 70 < drawn.count(place) < 130 for place in set(drawn)} == {0: True, 1: True, 3: True}
    assert {table.draw({"x": 0.9}, seed).place for seed in range(20)} == {2}
    assert table.curve({"x": 0.5}).place == 0
    assert "with several curves: 1 of 2 points; each trial draws one of them by its seed" in table.notes


def test_options_are_found_among_numbers_of_32_bits_and_the_nearest_one_is_meant():
    space = Space({"rate": choice(0.1, 0.2, None), "near": choice(0.3, 0.3 + 1e-9), "size": ordinal(1000000, 1000001)})
    flat = [{"rate": 0.1, "near": 0.3, "size": 1000000}, {"rate": 0.2, "near": 0.3 + 1e-9, "size": 1000001}]
    told = frame(space, flat)

    assert read_curves(told.astype({"rate": "float32"}), space, GOAL).points == flat
    with pytest.raises(
        ValueError, match=r"size=1000002 lies outside .*space\.size='ordinal\(1000000, 1000001, 1000002\)'"
    ):
        read_curves(told.assign(size=1000002), space, GOAL)


@pytest.mark.parametrize(
    ("name", "cell", "told"),
    [
        ("lr", 3.0, r"lr=3.0 .*: --set space\.lr='loguniform\(0\.0001, 3\.0\)'$"),
        ("lr", -1.0, r"Give curves whose lr is in loguniform\(0\.0001, 1\.0\)$"),
        ("lr", "high", r"lr=high .*\. Give curves whose lr is in loguniform\(0\.0001, 1\.0\)$"),
        ("width", 200.0, r"--set space\.width='logint\(8, 200\)'$"),
        ("width", 9.5, r"Give curves whose width is in logint\(8, 128\)$"),
        ("batch", 48.0, r"--set space\.batch='ordinal\(16, 32, 48, 64\)'$"),
        ("act", "tanh", r"--set space\.act=\"choice\('relu', 'gelu', 'NA', None, True, 'tanh'\)\"$"),
        ("optimizer.momentum", 2.0, r"Give curves whose optimizer\.momentum is in uniform\(0, 0\.99\)$"),
    ],
)
def test_the_mend_of_a_value_outside_names_its_own_parameter(name, cell, told):
    columns = [*(leaf.name for leaf in TREE.leaves), "epoch", "loss"]
    point = next(point for point in points(TREE, 50, seed=0) if point["optimizer"] == "sgd")

    with pytest.raises(ValueError, match=told):
        read_curves(frame(TREE, [point | {name: cell}]).reindex(columns=columns), TREE, GOAL)


def test_an_address_that_needs_a_package_is_told_with_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)

    with pytest.raises(ValueError, match=r"without s3fs\. Install it, pip install s3fs, or give .*--table x\.csv$"):
        read_curves("s3://bucket/x.csv", LINE, GOAL)
