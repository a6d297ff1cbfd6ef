"""Keras models: what they report, what decides their curves, what a checkpoint brings back, and what is refused."""

import importlib.util
import json
import math
import random
import sys
import types
import weakref
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_iris
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedKFold

from trainables import Folds, Given, Loop, Rows, keras_model, litter
from trainables.contract import Brief
from trainables.keras_model import KerasTrainable, KerasTraining
from trainables.repeated import RepeatedTraining
from trainables.seeds import sow
from trainables.start import starter

keras = keras_model.keras
layers = keras.layers

ROWS = np.random.default_rng(0).normal(size=(50, 4)).astype("float32")
CLASSES = (ROWS.sum(1) > 0).astype("int64")
GIVEN = Given(Rows(ROWS, CLASSES), 37, (0, 1))
PARAMS = {"lr": 0.1, "width": 8, "dropout": 0.5, "optimizer": "sgd"}
OPTIMIZERS = {
    "sgd": lambda rate: keras.optimizers.SGD(rate, momentum=0.9),
    "adam": keras.optimizers.Adam,
    "nadam": keras.optimizers.Nadam,
    "scaled": lambda rate: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(rate, momentum=0.9)),
    "schedule": lambda rate: keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(rate, 5, 0.5)),
}


pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras beside numpy 2


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Rows are so few that threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@keras.saving.register_keras_serializable("test")
class Noise(layers.Layer):
    """Draws from Keras' global generator."""

    def call(self, inputs, training=False):
        return inputs + keras.random.normal(inputs.shape, stddev=0.1) if training else inputs


class Net(KerasTrainable):
    loop = Loop(batch_size=16)
    compiled = {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}

    def model(self, params):
        drawn = [layers.Dropout(params["dropout"]), layers.GaussianNoise(params["dropout"] / 5), Noise()]
        hidden = [layers.Dense(params["width"], activation="relu"), *drawn, layers.BatchNormalization()]
        network = keras.Sequential([*hidden, *self.head()])
        network.compile(OPTIMIZERS[params["optimizer"]](params["lr"]), **self.compiled)
        return network

    def head(self):
        return [layers.Dense(2, activation="softmax")]


def variant(**parts):
    return type("Variant", (Net,), parts)()


def training(task=None, seed=0, brief=Brief(given=GIVEN), **changes):  # noqa: B008 - frozen
    sow(seed, 0)
    return KerasTraining(task or Net(), PARAMS | changes, brief)


def curve(run, epochs, seed=0, start=0):
    rows = []
    for epoch in range(start + 1, epochs + 1):
        sow(seed, epoch)
        rows.append(run.step())
    return rows


def weights_of(run):
    return [keras.ops.convert_to_numpy(variable.value) for variable in run._model.variables]


def inside(pairs, batch):
    class Pairs(keras.utils.PyDataset):
        def __len__(self):
            return -(-len(pairs[0]) // batch)

        def __getitem__(self, place):
            return tuple(part[place * batch : (place + 1) * batch] for part in pairs)

    return Pairs()


# -- what is reported --------------------------------------------------------------------------------


def test_each_epoch_reports_both_losses_and_the_compiled_metrics_as_floats():
    run = training()

    [row] = curve(run, 1)

    assert set(row) == {"loss", "train_loss", "accuracy"}
    assert all(type(value) is float for value in row.values())
    assert run.rows == 37


def test_the_model_learns():
    rows = curve(training(dropout=0.0, width=16), 12)

    assert rows[-1]["train_loss"] < 0.5 * rows[0]["train_loss"]
    assert rows[-1]["accuracy"] > 0.8


def test_metrics_of_the_goal_and_of_the_task_are_computed_over_all_validation_rows():
    def errors(targets, labels):
        return float((targets != labels).sum())

    task = variant(metrics=("balanced_accuracy", errors))
    run = training(task, brief=Brief(metrics=("f1", "log_loss", "loss"), given=GIVEN))

    [row] = curve(run, 1)

    outputs = run._model.predict(ROWS[37:], verbose=0)
    assert set(row) == {"loss", "train_loss", "accuracy", "balanced_accuracy", "errors", "f1", "log_loss"}
    assert row["f1"] == pytest.approx(f1_score(CLASSES[37:], outputs.argmax(1)))
    assert row["log_loss"] == pytest.approx(row["loss"], rel=1e-5)
    assert row["errors"] == pytest.approx(13 * (1 - row["accuracy"]))


def test_a_metric_that_the_model_is_compiled_with_is_not_computed_twice(monkeypatch):
    run = training(brief=Brief(metrics=("accuracy",), given=GIVEN))

    monkeypatch.setattr(run._model, "predict", None)
    [row] = curve(run, 1)

    assert 0 <= row["accuracy"] <= 1


def test_names_of_metrics_are_the_same_in_every_trial_of_a_process():
    task = variant(model=with_auc)

    names = [set(curve(training(task), 1)[0]) for _ in range(2)]

    assert names == [{"loss", "train_loss", "auc"}] * 2


def with_auc(self, params):
    network = keras.Sequential([keras.Input((4,)), layers.Dense(1, activation="sigmoid")])
    network.compile("sgd", "binary_crossentropy", metrics=[keras.metrics.AUC()])
    return network


def test_a_winner_is_trained_on_all_rows_and_validated_with_the_same():
    whole = Given(GIVEN.rows, len(GIVEN.rows), (0, 1))
    run = training(dropout=0.0, brief=Brief(given=whole, whole=True))

    [row] = curve(run, 1)

    assert run.rows == 50
    assert row["loss"] == pytest.approx(run._model.evaluate(ROWS, CLASSES, verbose=0)[0], rel=1e-5)


def test_tables_and_sparse_rows_are_taken_like_arrays():
    from scipy import sparse

    plain = curve(training(), 2)
    table = Given(Rows(pd.DataFrame(ROWS), CLASSES), 37, (0, 1))
    thin = Given(Rows(sparse.csr_matrix(ROWS), CLASSES), 37, (0, 1))

    assert curve(training(brief=Brief(given=table)), 2) == plain
    assert curve(training(brief=Brief(given=thin)), 2) == plain


def test_rows_in_shared_memory_are_read_and_not_written(recwarn):
    inputs, targets = ROWS.copy(), CLASSES.copy()
    inputs.flags.writeable = targets.flags.writeable = False

    rows = curve(training(brief=Brief(given=Given(Rows(inputs, targets), 37, (0, 1)))), 2)

    assert rows == curve(training(), 2)
    assert not [warning for warning in recwarn if "writable" in str(warning.message)]


# -- what decides a curve ----------------------------------------------------------------------------


def test_one_seed_gives_one_curve_and_another_another():
    assert curve(training(seed=1), 3, seed=1) == curve(training(seed=1), 3, seed=1)
    assert curve(training(seed=1), 3, seed=1) != curve(training(seed=2), 3, seed=2)


def test_what_ran_before_in_the_process_does_not_matter():
    before = curve(training(), 3)

    keras.random.normal((3,))
    keras.Sequential([layers.Dense(3), layers.Dropout(0.1)]).build((None, 4))
    curve(training(variant(loop=Loop(batch_size=5, precision="bf16"))), 1)

    assert curve(training(), 3) == before


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_going_on_from_a_checkpoint_is_bit_identical(tmp_path, optimizer):
    undisturbed = curve(training(optimizer=optimizer), 4)
    first = training(optimizer=optimizer)
    curve(first, 2)
    first.save(tmp_path)

    layers.Dense(3)
    second = training(optimizer=optimizer, seed=99)
    second.load(tmp_path)

    assert curve(second, 4, start=2) == undisturbed[2:]
    assert second.rows == 4 * 37


@pytest.mark.parametrize("kind", ["dataset", "loader"])
def test_data_in_batches_of_their_own_go_on_bit_identically_too(tmp_path, kind):
    def data(self, params):
        if kind == "dataset":
            return inside((ROWS[:37], CLASSES[:37]), 16), inside((ROWS[37:], CLASSES[37:]), 5)
        pairs = torch.utils.data.TensorDataset(torch.as_tensor(ROWS[:37]), torch.as_tensor(CLASSES[:37]))
        held = torch.utils.data.TensorDataset(torch.as_tensor(ROWS[37:]), torch.as_tensor(CLASSES[37:]))
        return torch.utils.data.DataLoader(pairs, 16, shuffle=True), torch.utils.data.DataLoader(held, 5)

    brief = Brief(metrics=("f1_macro",))
    undisturbed = curve(training(variant(data=data), brief=brief), 4)
    first = training(variant(data=data), brief=brief)
    curve(first, 2)
    first.save(tmp_path)

    second = training(variant(data=data), brief=brief)
    second.load(tmp_path)

    assert curve(second, 4, start=2) == undisturbed[2:]
    assert second.rows == 4 * 37
    assert len({row["train_loss"] for row in undisturbed}) == 4


def test_statistics_of_wrapped_torch_modules_are_brought_back(tmp_path):
    def head(self):
        wrapped = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.3))
        return [layers.TorchModuleWrapper(wrapped), layers.Dense(2, activation="softmax")]

    undisturbed = curve(training(variant(head=head)), 3)
    first = training(variant(head=head))
    curve(first, 2)
    first.save(tmp_path)

    second = training(variant(head=head), seed=9)
    second.load(tmp_path)

    assert curve(second, 3, start=2) == undisturbed[2:]


def test_runs_that_take_turns_in_one_process_compute_what_they_would_alone():
    def start(params, seed):
        return training(seed=seed)

    sow(0, 0)
    alone = start({}, 3)
    together = RepeatedTraining(start, {}, 3, 2)

    for epoch in (1, 2):
        sow(3, epoch)
        both = together.step()
        sow(3, epoch)
        base = random.getrandbits(31)
        sow(base, 0)
        assert alone.step() == both[0] != both[1]


def test_patience_ends_a_trial_and_is_remembered(tmp_path):
    task = variant(loop=Loop(batch_size=8, patience=1, watch="accuracy", min_delta=2.0))
    run = training(task)
    curve(run, 2)
    run.save(tmp_path)

    later = training(task)
    later.load(tmp_path)

    assert run.step() is later.step() is None


# -- the loop ----------------------------------------------------------------------------------------


def test_class_weights_weigh_the_training_loss():
    def model(self, params):
        network = keras.Sequential([keras.Input((4,)), layers.Dense(2, "softmax", kernel_initializer="zeros")])
        network.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
        return network

    rows = Given(Rows(ROWS[:40], (np.arange(40) % 4 == 0).astype("int64")), 36, (0, 1))
    balanced = training(variant(model=model, loop=Loop(class_weights="balanced")), brief=Brief(given=rows))
    own = training(variant(model=model, loop=Loop(class_weights=(1.0, 5.0))), brief=Brief(given=rows))

    assert balanced._class_weights == pytest.approx({0: 36 / (2 * 27), 1: 36 / (2 * 9)})
    assert curve(balanced, 1)[0]["train_loss"] == pytest.approx(math.log(2), rel=1e-5)
    assert curve(own, 1)[0]["train_loss"] == pytest.approx(math.log(2) * (27 + 5 * 9) / 36, rel=1e-5)


def test_balanced_weights_count_the_classes_of_a_dataset_too():
    def data(self, params):
        return inside((ROWS[:37], np.eye(2)[CLASSES[:37]]), 8), inside((ROWS[37:], np.eye(2)[CLASSES[37:]]), 8)

    task = variant(
        data=data, loop=Loop(class_weights="balanced"), compiled={"loss": "categorical_crossentropy"}, metrics=["f1"]
    )
    run = training(task, brief=Brief())

    share = CLASSES[:37].mean()
    assert run._class_weights == pytest.approx({0: 0.5 / (1 - share), 1: 0.5 / share})
    assert 0 <= curve(run, 1)[0]["f1"] <= 1


def one_step(**loop):
    """How far one pass over 36 rows moves the weights at a learning rate of 1."""

    def model(self, params):
        network = keras.Sequential([keras.Input((4,)), layers.Dense(2, activation="softmax")])
        network.compile(keras.optimizers.SGD(1.0), "sparse_categorical_crossentropy")
        return network

    run = training(variant(model=model, loop=Loop(**loop)), brief=Brief(given=Given(GIVEN.rows, 36, (0, 1))))
    before = weights_of(run)
    curve(run, 1)
    return np.concatenate([(new - old).ravel() for new, old in zip(weights_of(run), before, strict=True)])


def test_clipping_bounds_the_norm_of_the_whole_gradient():
    free, clipped = one_step(batch_size=36), one_step(batch_size=36, clip_norm=0.1)

    assert np.linalg.norm(clipped) == pytest.approx(0.1, rel=1e-4)
    assert clipped == pytest.approx(free * 0.1 / np.linalg.norm(free), rel=1e-4)


def test_accumulated_batches_take_the_steps_of_larger_ones():
    whole, parts = one_step(batch_size=36), one_step(batch_size=9, accumulate=4)

    assert parts == pytest.approx(whole, rel=1e-4, abs=1e-6)


def test_mixed_precision_computes_in_half_and_leaves_no_policy_behind():
    task = variant(loop=Loop(batch_size=8, precision="bf16"))

    run = training(task, brief=Brief(metrics=("log_loss",), given=GIVEN))
    [row] = curve(run, 1)

    assert run._model.layers[0].compute_dtype == "bfloat16"
    assert run._model.layers[0].kernel.dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"
    assert math.isfinite(row["log_loss"])


def test_settings_that_a_model_makes_are_not_found_by_the_next_one():
    def model(self, params):
        keras.config.set_dtype_policy("mixed_bfloat16")
        keras.config.set_floatx("float16")
        raise RuntimeError("and fails")

    with pytest.raises(RuntimeError, match="and fails"):
        training(variant(model=model))

    assert (keras.config.dtype_policy().name, keras.config.floatx()) == ("float32", "float32")


def test_a_policy_of_the_users_own_is_kept():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        assert training()._model.layers[0].compute_dtype == "bfloat16"
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")


# -- checkpoints -------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_checkpoint_under_a_new_learning_rate_keeps_weights_and_moments(tmp_path, optimizer):
    old = training(optimizer=optimizer)
    curve(old, 2)
    old.save(tmp_path)

    new = training(optimizer=optimizer, lr=0.01, seed=7)
    new.load(tmp_path)

    assert float(new._model.optimizer.learning_rate) == pytest.approx(0.01)
    assert int(new._model.optimizer.iterations) == 6
    pairs = zip(old._model.optimizer.variables[2:], new._model.optimizer.variables[2:], strict=True)
    assert all(np.array_equal(a.numpy(), b.numpy()) and a.numpy().any() for a, b in pairs)
    assert all(np.array_equal(a, b) for a, b in zip(weights_of(old), weights_of(new), strict=True))


def test_another_kind_of_optimizer_begins_with_fresh_moments(tmp_path):
    old = training()
    curve(old, 2)
    old.save(tmp_path)

    new = training(optimizer="adam", lr=0.01)
    new.load(tmp_path)

    assert int(new._model.optimizer.iterations) == 0
    assert math.isfinite(curve(new, 3, start=2)[0]["loss"])


@pytest.mark.parametrize("width", [16, 4])
def test_weights_that_do_not_fit_are_refused_with_the_mend(tmp_path, width):
    training().save(tmp_path)

    with pytest.raises(ValueError, match=r"does not fit the model .*kernel has the shape \[4, 8\].*\. Params that"):
        training(width=width).load(tmp_path)


def test_a_model_of_other_layers_is_refused_with_the_mend(tmp_path):
    training().save(tmp_path)

    with pytest.raises(ValueError, match=r"does not fit the model .*10 variables, not 12\)\. Params that shape"):
        training(variant(head=lambda self: [layers.Dense(3), layers.Dense(2)])).load(tmp_path)


def test_weights_in_half_precision_come_back_as_they_were(tmp_path):
    def model(self, params):
        network = keras.Sequential([keras.Input((4,)), layers.Dense(2, dtype="bfloat16")])
        network.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        return network

    old = training(variant(model=model))
    curve(old, 1)
    old.save(tmp_path)

    new = training(variant(model=model), seed=5)
    new.load(tmp_path)

    assert all(np.array_equal(a, b) for a, b in zip(weights_of(old), weights_of(new), strict=True))
    assert str(weights_of(new)[0].dtype) == "bfloat16"


def test_a_checkpoint_is_one_file_without_pickle(tmp_path):
    run = training(optimizer="adam")
    curve(run, 1)
    run.save(tmp_path)

    with np.load(tmp_path / "state.npz", allow_pickle=False) as state:
        about = json.loads(str(state["about"]))

        assert all(state[name].dtype.kind in "fiU" for name in state.files)
    assert [path.name for path in tmp_path.iterdir()] == ["state.npz"]
    assert (about["epoch"], about["rows"], about["kind"]) == (1, 37, "Adam")


def test_a_pickle_in_a_checkpoints_place_is_not_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (tmp_path / "exploded").touch, ()

    np.savez(tmp_path / "state.npz", about=np.array([Bomb()], dtype=object))

    with pytest.raises(ValueError, match="allow_pickle=False"):
        training().load(tmp_path)

    assert not (tmp_path / "exploded").exists()


# -- whole models ------------------------------------------------------------------------------------


def whole(task, folder):
    run = training(task, brief=Brief(given=Given(GIVEN.rows, 50, (0, 1)), whole=True))
    curve(run, 1)
    run.save(folder)
    return run


def test_a_winner_is_a_file_that_keras_loads_in_safe_mode(tmp_path):
    run = whole(Net(), tmp_path)

    model = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)

    assert np.array_equal(model.predict(ROWS, verbose=0), run._model.predict(ROWS, verbose=0))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.keras", "state.npz"]


def test_a_malicious_lambda_in_a_model_file_is_refused_by_safe_mode_which_says_so(tmp_path):
    exploded = str(tmp_path / "exploded")

    def head(self):
        return [layers.Lambda(lambda x: (open(exploded, "w").close(), x)[1]), layers.Dense(2, activation="softmax")]

    whole(variant(head=head), tmp_path)
    (tmp_path / "exploded").unlink()

    with pytest.raises(ValueError, match=r"(?s)lambda.*safe_mode"):
        keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)

    assert not (tmp_path / "exploded").exists()


def test_a_crafted_model_file_that_names_a_function_of_the_system_is_refused(tmp_path):
    network = keras.Sequential([keras.Input((4,)), layers.Lambda(keras.ops.relu)])
    network.save(tmp_path / "good.keras")
    with zipfile.ZipFile(tmp_path / "good.keras") as good, zipfile.ZipFile(tmp_path / "bad.keras", "w") as bad:
        for name in good.namelist():
            text = good.read(name)
            if name == "config.json":
                config = json.loads(text)
                config["config"]["layers"][1]["config"]["function"] = {
                    "class_name": "function", "config": "system", "module": "os", "registered_name": "system"
                }  # fmt: skip
                text = json.dumps(config).encode()
            bad.writestr(name, text)

    with pytest.raises((TypeError, ValueError), match=r"(?i)could not|not allowed|safe|trust|locate"):
        keras.saving.load_model(tmp_path / "bad.keras", safe_mode=True)


# -- predictions -------------------------------------------------------------------------------------


def test_predictions_are_what_the_model_says():
    run = training()
    curve(run, 1)

    said = run.predictions(pd.DataFrame(ROWS))

    assert said.scores == pytest.approx(run._model.predict(ROWS, verbose=0), abs=1e-6)
    assert np.array_equal(said.labels, said.scores.argmax(1))
    assert list(said.classes) == [0, 1]


def test_logits_of_one_column_are_scored_as_the_loss_takes_them():
    def model(self, params):
        network = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
        network.compile(keras.optimizers.SGD(0.5), keras.losses.BinaryCrossentropy(from_logits=True))
        return network

    run = training(variant(model=model), brief=Brief(metrics=("accuracy", "log_loss", "roc_auc"), given=GIVEN))
    row = curve(run, 8)[-1]

    logits = run._model.predict(ROWS[37:], verbose=0)[:, 0]
    assert row["accuracy"] == pytest.approx(((logits > 0) == CLASSES[37:]).mean())
    assert row["log_loss"] == pytest.approx(row["loss"], rel=1e-4)


# -- refusals ----------------------------------------------------------------------------------------


def network(self, params):
    return keras.Sequential([layers.Dense(2)])


def averaged(self, params):
    found = network(self, params)
    found.compile(keras.optimizers.SGD(use_ema=True), "mse")
    return found


def clipped(self, params):
    found = network(self, params)
    found.compile(keras.optimizers.SGD(clipvalue=1.0), "mse")
    return found


def once(self, params, given):
    return iter([ROWS]), (ROWS, CLASSES)


def empty(self, params, given):
    return (ROWS[:0], CLASSES[:0]), (ROWS, CLASSES)


def loader(self, params, given):
    return (torch.utils.data.DataLoader([(0, 0)]),) * 2


BALANCED = Loop(class_weights="balanced")


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"model": network}, r"model\(\) gives <Sequential .*>, no compiled keras\.Model\. Call model\.compile"),
        ({"model": lambda self, params: None}, r"model\(\) gives None, no compiled keras\.Model\. Call"),
        ({"model": averaged}, r"use_ema=True, .* every epoch here\. Write use_ema=False\."),
        ({"model": clipped, "loop": Loop(clip_norm=1.0)}, r"Loop\(clip_norm=1\.0\) is wanted, .*\. Leave clip_norm"),
        ({"loop": BALANCED, "data": loader}, r"does not weigh a DataLoader by class\. Return"),
        ({"loop": Loop(class_weights=(1.0,))}, r"are for 1 classes, and there are 2\. Give one per class"),
        ({"data": once}, r"a list_iterator that is empty, or .*\. Return \(inputs, targets\)"),
        ({"data": empty}, r"a tuple that is empty, or .*\. Return \(inputs, targets\)"),
        ({"metrics": lambda self, output, target: {}}, r"metrics is a function\. Write metrics = \('f1_macro'"),
    ],
)
def test_what_keras_cannot_do_is_refused_with_the_mend(parts, message):
    with pytest.raises((TypeError, ValueError), match=message):
        training(variant(**parts))


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU trains in fp16")
def test_fp16_without_a_gpu_is_refused():
    with pytest.raises(ValueError, match=r"'fp16' wants a GPU, .*\. Write Loop\(precision='bf16'\)"):
        training(variant(loop=Loop(precision="fp16")))


def executed(monkeypatch, stand_in):
    """The module, imported anew beside some other Keras."""
    monkeypatch.setitem(sys.modules, "keras", stand_in)
    spec = importlib.util.spec_from_file_location("keras_model_anew", keras_model.__file__)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


def test_keras_on_another_backend_is_refused_with_the_mend(monkeypatch):
    on_jax = types.SimpleNamespace(config=types.SimpleNamespace(backend=lambda: "jax"))

    with pytest.raises(ValueError, match=r"loaded on jax, .* torch\. Write .*os\.environ\['KERAS_BACKEND'\] = 'torch'"):
        executed(monkeypatch, on_jax)


def test_without_keras_the_extra_is_named(monkeypatch):
    with pytest.raises(ModuleNotFoundError, match=r"Keras is not installed\. Run: pip install 'a440\[keras\]'"):
        executed(monkeypatch, None)


# -- many trials -------------------------------------------------------------------------------------


def test_closed_models_are_collected_before_they_fill_the_memory(monkeypatch):
    monkeypatch.setattr(litter, "LITTER_MIB", 1)
    seen = []

    for _ in range(3):
        run = training(width=20_000)
        seen.append(weakref.ref(run._model))
        run.close()

    assert [model() for model in seen] == [None] * 3


def test_folds_are_those_of_a_loop_by_hand():
    inputs, targets = load_iris(return_X_y=True)
    inputs = inputs.astype("float32")
    task = type(
        "Iris", (Net,), {"loop": Loop(), "folds": Folds(3, by="stratified"), "fold_epochs": 2, "head": iris_head}
    )
    brief = Brief("accuracy", ("accuracy",), Given(Rows(inputs, targets), 150, (0, 1, 2)))
    trial = starter(task, brief)(dict(PARAMS), 11)
    rows = curve(trial, 3, seed=11)

    scores = []
    for fold, (train, held) in enumerate(StratifiedKFold(3, shuffle=True, random_state=0).split(inputs, targets)):
        sow(11, fold + 1)
        keras.utils.set_random_seed(random.getrandbits(31))
        model = task().model(PARAMS)
        model.evaluate(inputs[held], targets[held], verbose=0)  # builds it; else its first fit would draw more
        for _ in range(2):
            keras.utils.set_random_seed(random.getrandbits(31))
            model.fit(inputs[train], targets[train], batch_size=32, verbose=0)
        scores.append((model.predict(inputs[held], verbose=0).argmax(1) == targets[held]).mean())

    assert [row["accuracy"] for row in rows] == pytest.approx([np.mean(scores[: k + 1]) for k in range(3)], abs=1e-6)
    assert rows[-1]["accuracy_spread"] == pytest.approx(np.std(scores, ddof=1), abs=1e-6)


def iris_head(self):
    return [layers.Dense(3, activation="softmax")]
