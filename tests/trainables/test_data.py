"""A study's data: every source, dealt into parts that share no row and no group."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.datasets import load_iris

from trainables.data import Data, deal
from trainables.rows import Rows
from trainables.targets import looks_like_classes


def frame(n=40):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {"age": rng.integers(20, 80, n), "pulse": rng.normal(70, 9, n), "ward": ["a", "b"] * (n // 2),
         "patient": np.arange(n) // 4, "days": rng.normal(5, 1, n)}
    )  # fmt: skip


def test_every_source_gives_the_same_rows(tmp_path):
    inputs, targets = load_iris(return_X_y=True)
    table = pd.DataFrame(inputs, columns=list("abcd")).assign(kind=targets)
    tensors = torch.utils.data.TensorDataset(torch.tensor(inputs), torch.tensor(targets))
    table.to_parquet(tmp_path / "iris.parquet")
    table.to_csv(tmp_path / "iris.csv", index=False)
    sources = [
        Data("iris"),
        Data((inputs, targets)),
        Data((inputs.tolist(), targets.tolist())),
        Data((torch.tensor(inputs), torch.tensor(targets))),
        Data((sparse.csr_matrix(inputs), targets)),
        Data(tensors),
        Data(torch.utils.data.Subset(tensors, range(150))),
        Data(table, target="kind"),
        Data(tmp_path / "iris.parquet", target="kind"),
        Data(str(tmp_path / "iris.csv"), target="kind"),
    ]  # fmt: skip

    for data in sources:
        rows = data.read()
        found = rows.inputs.toarray() if hasattr(rows.inputs, "toarray") else np.asarray(rows.inputs)
        assert np.array_equal(found, inputs), data
        assert np.array_equal(rows.targets, targets), data


@given(st.integers(20, 200), st.sampled_from(["random", "stratified", "time", "grouped"]), st.integers(0, 5))
def test_parts_share_no_row_and_together_are_all(n, by, seed):
    rows = np.arange(n)
    data = Data((rows, rows % 3), groups=rows // 4, test=0.2, validation=0.25, by=by, seed=seed)

    dealt = deal(data)

    parts = [dealt.given.train, dealt.given.validation, dealt.test]
    assert sorted(np.concatenate([part.inputs for part in parts])) == rows.tolist()
    if by == "grouped":
        groups = [set(part.groups) for part in parts]
        assert not groups[0] & groups[1] | groups[0] & groups[2] | groups[1] & groups[2]
    if by == "time":
        assert parts[0].inputs.max() < parts[1].inputs.min() <= parts[1].inputs.max() < parts[2].inputs.min()
    if by == "stratified":
        assert all(abs(np.mean(part.targets == 0) - 1 / 3) < 0.17 for part in parts)


def test_the_same_seed_deals_the_same_parts_and_another_one_others():
    first, again, other = (deal(Data("iris", test=0.2, seed=seed)) for seed in (0, 0, 1))

    assert np.array_equal(first.test.inputs, again.test.inputs)
    assert not np.array_equal(first.test.inputs, other.test.inputs)
    assert first.digest == other.digest != deal(Data("wine")).digest


def test_cuts_are_views_of_the_same_memory():
    given_rows = deal(Data((np.zeros((1000, 8)), np.arange(1000) % 2))).given

    assert np.shares_memory(given_rows.train.inputs, given_rows.rows.inputs)
    assert np.shares_memory(given_rows.validation.inputs, given_rows.rows.inputs)
    assert (given_rows.cut, len(given_rows.validation), given_rows.has_validation) == (800, 200, True)


def test_for_folds_the_rows_stay_in_the_order_of_the_source():
    inputs, targets = load_iris(return_X_y=True)

    everything = deal(Data("iris"), folds=True).given
    kept = deal(Data((np.arange(150), targets), test=0.2), folds=True)

    assert np.array_equal(everything.rows.inputs, inputs)
    assert not everything.has_validation
    assert kept.given.rows.inputs.tolist() == sorted(set(range(150)) - set(kept.test.inputs.tolist()))


def test_for_networks_classes_are_counted_and_doubles_halved():
    data = Data(frame(), target="ward", groups="patient")

    plain, for_networks = deal(data).given, deal(data, tensors=True).given

    assert set(plain.rows.targets) == {"a", "b"}
    assert for_networks.classes == ("a", "b")
    assert for_networks.rows.targets.dtype == np.int64
    assert set(for_networks.rows.targets) == {0, 1}
    assert for_networks.rows.inputs.dtype == np.float32


def test_a_table_gives_its_other_columns_as_inputs():
    rows = Data(frame(), target="days", groups="patient").read()

    assert list(rows.inputs.columns) == ["age", "pulse", "ward"]
    assert rows.groups.tolist() == frame().patient.tolist()
    assert not looks_like_classes(rows.targets)


def test_what_changes_a_row_changes_the_digest():
    table = frame()
    before = deal(Data(table, target="days")).digest

    table.loc[3, "ward"] = "c"

    assert deal(Data(table, target="days")).digest != before


def test_data_are_written_in_one_line_and_read_from_it(tmp_path):
    from search.notation import parse

    frame().to_parquet(tmp_path / "rows.parquet")
    data = Data(tmp_path / "rows.parquet", target="days", groups="patient", test=0.2, by="grouped")

    again = parse(str(data), {"Data": Data})

    assert str(again) == str(data)
    assert len(again.read()) == 40
    assert str(Data("digits")) == "Data('digits')"
    with pytest.raises(ValueError, match=r"were given in Python, as DataFrame.*Go on from Python"):
        parse(str(Data(frame(), target="days")), {"Data": Data})


def test_taken_rows_keep_their_kind():
    table = frame()
    whole = Rows(table, table.days.to_numpy(), table.patient.to_numpy())

    taken = whole.take(np.arange(39, 9, -1))

    assert taken.inputs.equals(table.iloc[:9:-1])
    assert np.array_equal(taken.groups, whole.groups[:9:-1])
    assert Rows(sparse.eye(3).tocsr()).take(np.array([2, 0])).inputs.toarray().tolist() == [[0, 0, 1], [1, 0, 0]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Data("digit"), r"no data are called 'digit'\. Did you mean 'digits'\?"),
        (lambda: Data("nowhere.parquet", target="y"), r"there is no file 'nowhere\.parquet' in .*\. Give its path"),
        (lambda: Data(__file__), r"is read as no table\. Give a \.parquet or a \.csv file"),
        (lambda: Data("digits", test=1.0), r"test=1\.0 is no share of the rows\. Write test=0\.2"),
        (lambda: Data("digits", validation=0), r"validation=0 is no share"),
        (lambda: Data("digits", by="groups"), r"rows are not dealt by 'groups'\. Did you mean 'grouped'\?"),
        (lambda: Data(frame()).read(), r"of a DataFrame it is not said what to predict\. Name the column"),
        (lambda: Data(frame(), target="day").read(), r"target 'day' is no column\. Did you mean 'days'\?"),
        (lambda: Data(frame(), target="days", groups="patients").read(), r"groups 'patients' is no column"),
        (lambda: Data((np.zeros(3), np.zeros(4))).read(), r"3 inputs, 4 targets and 3 groups make no rows"),
        (lambda: deal(Data("iris", by="grouped")), r"rows are dealt by group, and have none\. Name their column"),
        (lambda: deal(Data((np.zeros(6), [0, 0, 0, 0, 0, 1]), by="stratified")), r"some class is too small"),
    ],
)  # fmt: skip
def test_what_cannot_be_learned_from_is_refused_with_the_mend(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_source_of_another_kind_is_refused():
    with pytest.raises(TypeError, match=r"data are given as dict\. Give Data\('digits'\)"):
        Data({"x": 1}).read()
