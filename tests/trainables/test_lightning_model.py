"""Lightning under our epochs: what it reports, that it goes on exactly, that it ends, and that it writes nothing."""

import logging
import os
import signal
import sys
import threading
import weakref

import lightning
import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

from trainables import litter
from trainables.contract import Brief
from trainables.lightning_model import LightningTrainable, LightningTraining
from trainables.rows import Given, Rows
from trainables.seeds import sow
from trainables.start import starter

ROWS = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
CLASSES = (ROWS.sum(1) > 0).long()
PARAMS = {"lr": 0.1, "width": 8, "kind": "sgd", "schedule": None}


class Net(lightning.LightningModule):
    def __init__(self, params):
        super().__init__()
        self.params = params
        width = params["width"]
        self.net = nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Dropout(0.5), nn.Linear(width, 2))

    def forward(self, inputs):
        return self.net(inputs)

    def training_step(self, batch, batch_idx):
        loss = nn.functional.cross_entropy(self(batch[0]), batch[1])
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", nn.functional.cross_entropy(self(batch[0]), batch[1]))

    def configure_optimizers(self):
        if self.params["kind"] == "adam":
            optimizer = torch.optim.Adam(self.parameters(), lr=self.params["lr"])
        else:
            optimizer = torch.optim.SGD(self.parameters(), lr=self.params["lr"], momentum=0.9)
        schedule = torch.optim.lr_scheduler
        match self.params["schedule"]:
            case "steps":
                return [optimizer], [schedule.StepLR(optimizer, 2, 0.5)]
            case "warm":
                warm = schedule.LambdaLR(optimizer, lambda epoch: min(1.0, epoch / 2))
                return [optimizer], [warm]
            case "plateau":  # never satisfied: it halves the rate after every epoch but the first
                plateau = schedule.ReduceLROnPlateau(optimizer, factor=0.5, patience=0, threshold=10.0)
                return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, "monitor": "val_loss"}}
        return optimizer


class Task(LightningTrainable):
    def module(self, params):
        return Net(params)

    def data(self, params):
        train, validation = TensorDataset(ROWS[:37], CLASSES[:37]), TensorDataset(ROWS[37:], CLASSES[37:])
        return DataLoader(train, 8, shuffle=True), DataLoader(validation, 5)


class Splits(lightning.LightningDataModule):
    def setup(self, stage):
        self.train, self.validation = random_split(TensorDataset(ROWS, CLASSES), [37, 13])

    def train_dataloader(self):
        return DataLoader(self.train, 8, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.validation, 5)


def variant(**parts):
    return type("Variant", (Task,), parts)()


def training(task=None, seed=0, brief=None, **changes):
    sow(seed, 0)
    return LightningTraining(task or Task(), PARAMS | changes, brief or Brief())


def curve(run, epochs, seed=0, start=0):
    rows = []
    for epoch in range(start + 1, epochs + 1):
        sow(seed, epoch)
        rows.append(run.step())
    return rows


def rate(run):
    return run._trainer.optimizers[0].param_groups[0]["lr"]


@pytest.fixture
def closing():
    runs = []
    yield lambda run: runs.append(run) or run
    for run in runs:
        run.close()


def left_threads():
    return [thread for thread in threading.enumerate() if thread.name == "train"]


def test_an_epoch_reports_all_that_the_module_logs_and_val_loss_as_loss(closing):
    run = closing(training())

    rows = curve(run, 2)

    assert [set(row) for row in rows] == [{"loss", "val_loss", "train_loss"}] * 2
    assert all(type(value) is float for row in rows for value in row.values())
    assert rows[0]["loss"] == rows[0]["val_loss"] != rows[1]["loss"]
    assert run.rows == 2 * 37


def test_the_loss_that_is_reported_is_that_of_the_validation_rows(closing):
    run = closing(training())

    [row] = curve(run, 1)

    logits = torch.tensor(run.predictions(ROWS[37:].numpy()).scores).log()
    assert row["loss"] == pytest.approx(float(nn.functional.nll_loss(logits, CLASSES[37:])), rel=1e-5)


def test_a_loss_of_the_modules_own_stays(closing):
    class Own(Net):
        def validation_step(self, batch, batch_idx):
            self.log_dict({"val_loss": 2.0, "loss": 1.0})

    run = closing(training(variant(module=lambda self, params: Own(params))))

    assert curve(run, 1)[0]["loss"] == 1.0


@pytest.mark.parametrize(
    ("parts", "changes"),
    [
        ({}, {}),
        ({}, {"kind": "adam", "lr": 0.01, "schedule": "steps"}),
        ({}, {"schedule": "plateau"}),
        ({"data": lambda self, params: Splits()}, {"schedule": "warm"}),
        ({"trainer": {"accumulate_grad_batches": 2, "gradient_clip_val": 0.5, "num_sanity_val_steps": 2}}, {}),
    ],
)
def test_going_on_from_a_checkpoint_is_bit_identical(tmp_path, closing, parts, changes):
    undisturbed = curve(closing(training(variant(**parts), **changes)), 4)
    first = closing(training(variant(**parts), **changes))
    curve(first, 2)
    first.save(tmp_path)
    first.close()

    second = closing(training(variant(**parts), **changes))
    second.load(tmp_path)

    assert curve(second, 4, start=2) == undisturbed[2:]
    assert second.rows == 4 * 37
    assert len({row["loss"] for row in undisturbed}) == 4


def test_a_checkpoint_does_not_disturb_the_run_that_wrote_it(tmp_path, closing):
    undisturbed, saving = closing(training()), closing(training())

    rows = curve(saving, 2)
    saving.save(tmp_path)

    assert rows + curve(saving, 3, start=2) == curve(undisturbed, 3)


def test_one_seed_gives_one_curve_and_another_another(closing):
    task = variant(data=lambda self, params: Splits())

    assert curve(closing(training(task, seed=1)), 2, 1) == curve(closing(training(task, seed=1)), 2, 1)
    assert curve(closing(training(task, seed=1)), 2, 1) != curve(closing(training(task, seed=2)), 2, 2)


@pytest.mark.parametrize("schedule", [None, "steps", "warm", "plateau"])
def test_under_mutated_params_the_moments_are_the_checkpoints_and_the_rate_the_params(tmp_path, closing, schedule):
    first = closing(training(schedule=schedule))
    curve(first, 2)
    first.save(tmp_path)

    second = closing(training(schedule=schedule, lr=0.05))
    second.load(tmp_path)
    began = []
    second._module.on_train_epoch_start = lambda: began.append(
        (rate(second), second._trainer.optimizers[0].state_dict()["state"][0]["momentum_buffer"].clone())
    )
    curve(second, 3, start=2)

    assert began[0][0] == pytest.approx(rate(first) / 2)
    assert torch.equal(began[0][1], first._trainer.optimizers[0].state_dict()["state"][0]["momentum_buffer"])
    for scheduler in [config.scheduler for config in second._trainer.lr_scheduler_configs]:
        assert getattr(scheduler, "base_lrs", [0.05]) == [0.05]


def test_the_moments_of_another_kind_of_optimizer_are_left(tmp_path, closing):
    first = closing(training(schedule="steps"))
    curve(first, 1)
    first.save(tmp_path)

    second = closing(training(schedule="steps", kind="adam", lr=0.01))
    second.load(tmp_path)
    curve(second, 2, start=1)

    assert set(second._trainer.optimizers[0].state_dict()["state"][0]) == {"step", "exp_avg", "exp_avg_sq"}
    assert rate(second) == pytest.approx(0.005)


def test_a_checkpoint_that_does_not_fit_is_refused_with_the_mend(tmp_path, closing):
    first = closing(training())
    curve(first, 1)
    first.save(tmp_path)

    with pytest.raises(ValueError, match=r"does not fit the model that these params build .* PBT\(mutate=\.\.\.\)"):
        closing(training(width=9)).load(tmp_path)


def test_a_checkpoint_with_objects_in_it_is_refused_with_the_mend(tmp_path, closing):
    class Hoards(Net):
        def __init__(self, params):
            super().__init__(params)
            self.save_hyperparameters({"net": Task()})

    task = variant(module=lambda self, params: Hoards(params))
    first = closing(training(task))
    curve(first, 1)
    first.save(tmp_path)

    with pytest.raises(ValueError, match=r"more than tensors and plain values.*save_hyperparameters\(ignore="):
        closing(training(task)).load(tmp_path)


def test_params_of_numpy_do_not_spoil_a_checkpoint(tmp_path, closing):
    class Keeps(Net):
        def __init__(self, params):
            super().__init__(params)
            self.save_hyperparameters()

    task = variant(module=lambda self, params: Keeps(params))
    first = closing(training(task, lr=np.float64(0.1)))
    curve(first, 1)
    first.save(tmp_path)

    second = closing(training(task, lr=np.float64(0.1)))
    second.load(tmp_path)

    assert curve(second, 2, start=1)[0]["loss"] > 0


def test_closing_ends_the_thread_and_frees_the_module(monkeypatch):
    monkeypatch.setattr(litter, "LITTER_MIB", 0)
    run = training()
    curve(run, 1)
    module = weakref.ref(run._module)

    run.close()
    run.close()

    assert left_threads() == []
    assert module() is None


def test_a_run_that_was_never_stepped_leaves_nothing():
    run = training()

    run.close()

    assert left_threads() == []


def test_an_error_in_the_module_is_raised_by_step_with_the_users_line(closing):
    class Broken(Net):
        def training_step(self, batch, batch_idx):
            raise ZeroDivisionError("in training_step")

    run = closing(training(variant(module=lambda self, params: Broken(params))))

    with pytest.raises(ZeroDivisionError, match="in training_step") as caught:
        run.step()

    assert any(entry.name == "training_step" for entry in caught.traceback)
    assert left_threads() == []


def test_a_loss_that_compares_every_output_with_every_target_is_an_error(closing):
    class Broad(Net):
        def training_step(self, batch, batch_idx):
            return nn.functional.mse_loss(self(batch[0])[:, :1], batch[1].float())

    run = closing(training(variant(module=lambda self, params: Broad(params))))

    with pytest.raises(UserWarning, match=r"target size .* different to the input size"):
        run.step()


def test_early_stopping_ends_the_trial_also_where_it_is_taken_up_again(tmp_path, closing):
    stops = {"callbacks": [lightning.pytorch.callbacks.EarlyStopping("val_loss", min_delta=99.0, patience=2)]}
    run = closing(training(variant(trainer=stops)))
    rows = curve(run, 3)
    run.save(tmp_path)

    again = closing(training(variant(trainer=stops)))
    again.load(tmp_path)

    assert None not in rows
    assert run.step() is None
    assert again.step() is None
    assert stops["callbacks"][0].wait_count == 0


def test_what_a440_sets_is_refused_with_the_mend():
    task = variant(trainer={"max_epochs": 3, "precision": "bf16-mixed", "logger": True})

    with pytest.raises(ValueError, match=r"sets max_epochs, logger, .*Write trainer = {'precision': 'bf16-mixed'}"):
        training(task)


def test_what_is_no_module_or_no_data_is_told_with_the_mend():
    with pytest.raises(TypeError, match=r"gives a torch.*Linear, no LightningModule\. Write class Net\(lightning\."):
        training(variant(module=lambda self, params: nn.Linear(4, 2)))
    with pytest.raises(ValueError, match=r"gives a DataLoader, .*return train, validation"):
        training(variant(data=lambda self, params: DataLoader(TensorDataset(ROWS, CLASSES))))


@pytest.mark.parametrize("cut", [37, 50])
def test_the_studys_rows_are_trained_on_and_validated_with(closing, cut):
    given = Given(Rows(ROWS.numpy(), CLASSES.numpy()), cut=cut)
    run = closing(training(variant(data=None), brief=Brief(given=given, whole=cut == 50), batch_size=16))

    [row] = curve(run, 1)

    held = slice(cut, None) if cut < 50 else slice(None)
    logits = torch.tensor(run.predictions(ROWS[held].numpy()).scores).log()
    assert row["loss"] == pytest.approx(float(nn.functional.nll_loss(logits, CLASSES[held])), rel=1e-5)
    assert run._module.training
    assert run.rows == cut


def test_data_made_of_the_studys_rows_are_the_users():
    seen = []

    def data(self, params, given):
        seen.append(given.cut)
        return Task.data(self, params)

    training(variant(data=data), brief=Brief(given=Given(Rows(ROWS.numpy(), CLASSES.numpy()), 37)))

    assert seen == [37]


def test_a_winner_predicts_from_its_checkpoint_alone(tmp_path, closing):
    first = closing(training())
    curve(first, 1)
    first.save(tmp_path)

    second = closing(training())
    second.load(tmp_path)

    inputs = ROWS[37:].numpy()
    assert (second.predictions(inputs).scores == first.predictions(inputs).scores).all()


def test_nothing_is_said_and_nothing_is_written(tmp_path, capfd, caplog, monkeypatch, closing):
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.INFO)
    first = closing(training())
    curve(first, 1)
    (tmp_path / "checkpoint").mkdir()
    first.save(tmp_path / "checkpoint")
    second = closing(training())
    second.load(tmp_path / "checkpoint")
    curve(second, 2, start=1)

    assert capfd.readouterr() == ("", "")
    assert caplog.messages == []
    assert os.listdir(tmp_path) == ["checkpoint"]
    assert os.listdir(tmp_path / "checkpoint") == ["state.ckpt"]


def test_signals_go_where_they_went(closing):
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)

    curve(closing(training()), 1)

    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_two_trials_take_turns_in_one_process_as_if_they_were_alone(closing):
    alone = [curve(closing(training(seed=seed)), 3, seed) for seed in (1, 2)]
    runs = [closing(training(seed=seed)) for seed in (1, 2)]

    together = [[], []]
    for epoch in range(1, 4):
        for place, seed in enumerate((1, 2)):
            sow(seed, epoch)
            together[place].append(runs[place].step())

    assert together == alone


def test_folds_train_a_module_each():
    from trainables.folds import Folds

    task = type("Folded", (Task,), {"data": None, "folds": Folds(2), "fold_epochs": 1})
    given = Given(Rows(ROWS.numpy(), CLASSES.numpy()), cut=50)

    run = starter(task, Brief(given=given))(PARAMS, 0)
    rows = [run.step(), run.step(), run.step()]

    assert set(rows[1]) >= {"loss", "loss_spread"}
    assert rows[2] is None
    assert left_threads() == []


def test_without_lightning_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightning", None)
    monkeypatch.delitem(sys.modules, "trainables.lightning_model")
    import importlib

    with pytest.raises(ModuleNotFoundError, match=r"Lightning is not installed\. Run: pip install 'a440\[lightning\]'"):
        importlib.import_module("trainables.lightning_model")
