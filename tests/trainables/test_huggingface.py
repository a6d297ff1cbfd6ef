"""transformers under our epochs: what it reports, that it goes on exactly, that it ends, and that it writes nothing."""

import gc
import os
import resource
import signal
import sys
import threading
import weakref

import pytest
import torch

os.environ["HF_HUB_OFFLINE"] = "1"  # before it is imported

import transformers
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    EarlyStoppingCallback,
    MixtralConfig,
    MixtralForCausalLM,
    Trainer,
    TrainingArguments,
)

from trainables import litter
from trainables.checks import check_data
from trainables.contract import Brief
from trainables.function import FunctionTraining
from trainables.huggingface import HuggingFaceTrainable, HuggingFaceTraining, ReportCallback
from trainables.rows import Given, Rows
from trainables.seeds import sow

TOKENS = torch.randint(0, 30, (40, 6), generator=torch.Generator().manual_seed(0))
EXAMPLES = [{"input_ids": row, "labels": label} for row, label in zip(TOKENS, (TOKENS[:, 0] > 15).long(), strict=True)]
TEXTS = [{"input_ids": row, "labels": row} for row in TOKENS]
PARAMS = {"lr": 0.01, "width": 16}
PLATEAU = {  # never satisfied: it halves the rate after every epoch but the first
    "lr_scheduler_type": "reduce_lr_on_plateau",
    "lr_scheduler_kwargs": {"factor": 0.5, "patience": 0, "threshold": 10.0},
    "metric_for_best_model": "loss",
    "eval_strategy": "epoch",
    "warmup_steps": 0,
}


def bert(params):
    return BertForSequenceClassification(
        BertConfig(
            vocab_size=30,
            hidden_size=params["width"],
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=8,
        )
    )


def mixtral(params):
    return MixtralForCausalLM(
        MixtralConfig(
            vocab_size=30,
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=1,
            num_local_experts=2,
            max_position_embeddings=8,
        )
    )


def arguments(params, **more):
    settings = {"num_train_epochs": 4, "per_device_train_batch_size": 8, "use_cpu": True, "warmup_steps": 3, **more}
    return TrainingArguments(learning_rate=params["lr"], **settings)


def accuracy(prediction):
    return {"accuracy": float((prediction.predictions.argmax(1) == prediction.label_ids).mean())}


class Task(HuggingFaceTrainable):
    more = {}
    parts = {}
    examples = EXAMPLES
    model = staticmethod(bert)

    def trainer(self, params):
        return Trainer(
            model=self.model(params),
            args=arguments(params, **self.more),
            train_dataset=self.examples[:29],
            eval_dataset=self.examples[29:],
            **self.parts,
        )


class Initialised(Task):
    def trainer(self, params):
        return Trainer(
            model_init=lambda: bert(params),
            args=arguments(params),
            train_dataset=EXAMPLES[:29],
            eval_dataset=EXAMPLES[29:],
        )


def variant(base=Task, **parts):
    return type("Variant", (base,), parts)()


def training(task=None, seed=0, brief=None, **changes):
    sow(seed, 0)
    return HuggingFaceTraining(task or Task(), PARAMS | changes, brief or Brief())


def curve(run, epochs, seed=0, start=0):
    rows = []
    for epoch in range(start + 1, epochs + 1):
        sow(seed, epoch)
        rows.append(run.step())
    return rows


def left_threads():
    return [thread for thread in threading.enumerate() if thread.name == "train"]


def patient():
    return {"callbacks": [EarlyStoppingCallback(2, 99.0)]}


@pytest.fixture(autouse=True, scope="module")
def _frozen():
    gc.freeze()  # accelerate collects before every training, and the libraries are large
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


@pytest.fixture
def closing():
    runs = []
    yield lambda run: runs.append(run) or run
    for run in runs:
        run.close()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "e00002").mkdir()
    return tmp_path / "e00002"


def test_an_epoch_reports_what_it_evaluates_without_prefixes_and_clocks(closing):
    run = closing(training(variant(parts={"compute_metrics": accuracy})))

    rows = curve(run, 2)

    assert [set(row) for row in rows] == [{"loss", "train_loss", "accuracy"}] * 2
    assert rows[0] != rows[1]
    assert run.rows == 2 * 29


def test_the_reported_loss_is_that_of_the_evaluation_examples(closing):
    run = closing(training())

    [row] = curve(run, 1)

    model = run._trainer.model.eval()
    with torch.no_grad():
        loss = model(input_ids=TOKENS[29:], labels=(TOKENS[29:, 0] > 15).long()).loss
    assert row["loss"] == pytest.approx(float(loss), rel=1e-5)


def test_several_evaluation_sets_are_one_report(closing):
    class Two(Task):
        def trainer(self, params):
            sets = {"a": EXAMPLES[29:34], "b": EXAMPLES[34:]}
            return Trainer(bert(params), arguments(params), train_dataset=EXAMPLES[:29], eval_dataset=sets)

    [row] = curve(closing(training(Two())), 1)

    assert set(row) == {"a_loss", "b_loss", "train_loss"}


@pytest.mark.parametrize(
    ("base", "parts"),
    [
        (Task, {}),
        (Initialised, {}),
        (
            Task,
            {"more": {"gradient_accumulation_steps": 2, "bf16": True, "train_sampling_strategy": "group_by_length"}},
        ),
        (Task, {"more": {**PLATEAU, "eval_on_start": True}}),
        (Task, {"model": staticmethod(mixtral), "examples": TEXTS}),
    ],
)
def test_going_on_from_a_checkpoint_is_bit_identical_and_ends_alike(folder, closing, base, parts):
    undisturbed = curve(closing(training(variant(base, **parts))), 5)
    first = closing(training(variant(base, **parts)))
    curve(first, 2)
    first.save(folder)
    first.close()

    second = closing(training(variant(base, **parts)))
    second.load(folder)

    assert curve(second, 5, start=2) == undisturbed[2:]
    assert second.rows == 4 * 29
    assert undisturbed[4] is None
    assert len({row["loss"] for row in undisturbed[:4]}) == 4


def test_a_trial_that_is_through_is_through_also_where_it_is_taken_up_again(folder, closing):
    run = closing(training(variant(more={"num_train_epochs": 1})))
    curve(run, 1)
    run.save(folder)

    again = closing(training(variant(more={"num_train_epochs": 1})))
    again.load(folder)

    assert run.step() is None
    assert again.step() is None


def test_early_stopping_counts_on_where_it_is_taken_up_again(folder, closing):
    more = {"metric_for_best_model": "loss", "greater_is_better": False}
    run = closing(training(variant(more=more, parts=patient())))
    undisturbed = curve(run, 4)
    first = closing(training(variant(more=more, parts=patient())))
    curve(first, 2)
    first.save(folder)

    second = closing(training(variant(more=more, parts=patient())))
    second.load(folder)

    assert undisturbed[3] is None
    assert curve(second, 4, start=2) == undisturbed[2:]


def test_a_trial_that_stopped_early_trains_no_more_where_it_is_taken_up_again(folder, closing):
    more = {"metric_for_best_model": "loss", "greater_is_better": False}
    first = closing(training(variant(more=more, parts=patient())))
    curve(first, 3)
    first.save(folder)

    second = closing(training(variant(more=more, parts=patient())))
    second.load(folder)

    assert second.step() is None


@pytest.mark.parametrize("base", [Task, Initialised])
@pytest.mark.parametrize("lr", [0.01, 0.0])
def test_one_seed_gives_one_curve_and_another_another(closing, base, lr):
    rows = [curve(closing(training(base(), seed=seed, lr=lr)), 1, seed)[0] for seed in (1, 1, 2)]

    assert rows[0] == rows[1]
    assert rows[0]["loss"] != rows[2]["loss"]


def test_the_order_of_the_examples_follows_the_seed_and_the_epoch(closing):
    orders = []

    class Watched(Trainer):
        def training_step(self, model, inputs, *more):
            orders[-1].extend(inputs["input_ids"].tolist())
            return super().training_step(model, inputs, *more)

    class Watches(Task):
        def trainer(self, params):
            return Watched(bert(params), arguments(params), train_dataset=EXAMPLES[:29], eval_dataset=EXAMPLES[29:])

    for seed in (1, 1, 2):
        run = closing(training(Watches(), seed=seed))
        for epoch in (1, 2):
            orders.append([])
            sow(seed, epoch)
            run.step()

    assert orders[0:2] == orders[2:4]
    assert orders[0] != orders[1]
    assert orders[0] != orders[4]
    assert all(sorted(order) == sorted(TOKENS[:29].tolist()) for order in orders)


def test_arguments_that_trials_share_keep_no_seed_of_one(closing):
    shared = arguments(PARAMS)
    said = (shared.seed, shared.eval_strategy)

    class Shares(Task):
        def trainer(self, params):
            return Trainer(bert(params), shared, train_dataset=EXAMPLES[:29], eval_dataset=EXAMPLES[29:])

    closing(training(Shares(), seed=7))

    assert (shared.seed, shared.eval_strategy) == said


def test_the_precision_of_one_trial_is_not_that_of_the_next(closing):
    before = curve(closing(training()), 1)

    other = curve(closing(training(variant(more={"bf16": True}))), 1)

    assert curve(closing(training()), 1) == before != other


def test_under_mutated_params_the_moments_are_the_checkpoints_and_the_rate_the_params(folder, closing):
    first = closing(training())
    curve(first, 2)
    first.save(folder)
    moments = first._trainer.optimizer.state_dict()["state"][0]["exp_avg"].clone()

    seen = []

    class Looks(transformers.TrainerCallback):
        def on_epoch_begin(self, args, state, control, optimizer=None, lr_scheduler=None, **_):
            state = optimizer.state_dict()["state"][0]["exp_avg"].clone()
            seen.append((optimizer.param_groups[0]["lr"], lr_scheduler.base_lrs, state))

    second = closing(training(variant(parts={"callbacks": [Looks()]}), lr=0.005))
    second.load(folder)
    curve(second, 3, start=2)

    assert seen[0][0] == pytest.approx(first._trainer.optimizer.param_groups[0]["lr"] / 2)
    assert seen[0][1] == [0.005, 0.005]
    assert torch.equal(seen[0][2], moments)


@pytest.mark.parametrize(
    ("more", "changes", "said"),
    [
        ({}, {"width": 32}, r"does not fit .* is \[.*16\], not \[.*32\].*PBT\(mutate="),
        ({"optim": "sgd"}, {}, r"an optimizer AdamW, not SGD"),
        ({"per_device_train_batch_size": 4}, {}, r"steps of 8 rows, not 4"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused_with_the_mend(folder, closing, more, changes, said):
    first = closing(training())
    curve(first, 1)
    first.save(folder)

    second = closing(training(variant(more=more), **changes))

    with pytest.raises(ValueError, match=said):
        second.load(folder) or second.step()


def test_a_checkpoint_is_in_transformers_layout_and_holds_no_arguments(folder, closing):
    run = closing(training())
    curve(run, 2)

    run.save(folder)

    assert set(os.listdir(folder)) == {
        *("a440.json", "config.json", "model.safetensors", "optimizer.pt", "scheduler.pt", "trainer_state.json")
    }
    loaded = BertForSequenceClassification.from_pretrained(folder).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in run._trainer.model.state_dict().items())
    Task().trainer(PARAMS).train(resume_from_checkpoint=str(folder))


@pytest.mark.parametrize("largest", [1_000, 20_000])
def test_a_full_disk_is_an_os_error_and_the_next_checkpoint_is_whole(tmp_path, folder, closing, largest):
    run = closing(training())
    curve(run, 1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, limits[1]))
    try:
        with pytest.raises(OSError, match="could not be written"):
            run.save(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)

    (tmp_path / "e00003").mkdir()
    run.save(tmp_path / "e00003")

    closing(training()).load(tmp_path / "e00003")


def test_closing_ends_the_thread_and_frees_the_model(monkeypatch):
    monkeypatch.setattr(litter, "LITTER_MIB", 0)
    run = training()
    curve(run, 1)
    model = weakref.ref(run._trainer.model)

    run.close()
    run.close()

    assert left_threads() == []
    assert model() is None


def test_an_error_in_the_training_is_raised_by_step(closing):
    def broken(prediction):
        raise ZeroDivisionError("in compute_metrics")

    run = closing(training(variant(parts={"compute_metrics": broken})))

    with pytest.raises(ZeroDivisionError, match="in compute_metrics") as caught:
        run.step()

    assert any(entry.name == "broken" for entry in caught.traceback)
    assert left_threads() == []


def test_nothing_is_said_and_nothing_is_written(folder, capfd, closing):
    first = closing(training())
    curve(first, 1)
    first.save(folder)
    second = closing(training())
    second.load(folder)
    curve(second, 5, start=1)

    assert capfd.readouterr() == ("", "")
    assert os.listdir() == []


def test_what_is_no_trainer_or_evaluates_nothing_is_told_with_the_mend():
    with pytest.raises(TypeError, match=r"Variant\.trainer\(\) gives a NoneType\. Return Trainer\("):
        training(variant(trainer=lambda self, params: None))
    with pytest.raises(ValueError, match=r"nothing to evaluate after an epoch\. Write Trainer\(\.\.\., eval_dataset="):
        training(variant(trainer=lambda self, params: Trainer(bert(params), arguments(params), None, EXAMPLES)))


def test_the_studys_data_are_given_to_a_trainer_that_takes_them(closing):
    given = Given(Rows(TOKENS, (TOKENS[:, 0] > 15).long()), cut=29)

    class Takes(Task):
        def trainer(self, params, given):
            examples = [
                {"input_ids": row, "labels": label}
                for row, label in zip(given.rows.inputs, given.rows.targets, strict=True)
            ]
            cut = given.cut
            return Trainer(bert(params), arguments(params), train_dataset=examples[:cut], eval_dataset=examples[cut:])

    run = closing(training(Takes(), brief=Brief(given=given)))

    assert curve(run, 1) == curve(closing(training()), 1)
    with pytest.raises(ValueError, match=r"Task\.trainer takes no data.*Write def trainer\(self, params, given\)"):
        check_data(Task, given=True)


def test_a_function_reports_every_evaluation_by_the_callback():
    def train(params, report):
        settings = arguments(params, eval_strategy="steps", eval_steps=2, logging_steps=2, disable_tqdm=True)
        trainer = Trainer(bert(params), settings, train_dataset=EXAMPLES[:29], eval_dataset=EXAMPLES[29:])
        trainer.add_callback(ReportCallback(report))
        trainer.train()

    sow(0, 0)
    run = FunctionTraining(train, PARAMS, "loss")
    rows = [run.step() for _ in range(9)]
    run.close()

    assert [set(row) for row in rows[:8]] == [{"loss", "train_loss"}] * 8  # of 16 steps
    assert rows[8] is None


def test_without_transformers_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.delitem(sys.modules, "trainables.huggingface")
    import importlib

    with pytest.raises(ModuleNotFoundError, match=r"not installed\. Run: pip install 'a440\[huggingface\]'"):
        importlib.import_module("trainables.huggingface")
