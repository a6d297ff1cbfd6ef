"""Sessions: batches, checkpoints, going on, and what becomes of everything that can go wrong in a trial."""

import errno
import json
import math
import os
import random
import resource
import signal
import sys
import threading
import time

import numpy as np
import pytest
import torch
from torch import nn

from search import Goal
from trainables import Batches, TorchTrainable, Trainable, checkpoint, function, saver, session
from trainables.contract import Brief
from trainables.endings import LostError
from trainables.session import Session
from trainables.start import starter


def leg(trial="t00001", **changes):
    terms = {"trial": trial, "params": {}, "seed": 7, "upto": 0, "after": 0, "source": None}
    return terms | {"seconds": 0.0, "best": None, "best_epoch": 0} | changes


def sessions(train, folder, metric="loss", mode="min", must_save=False, judged=(), **terms):
    aim = Goal(mode, metric)
    return Session(starter(train, Brief(metric)), folder, aim, judged, judged if must_save else (), **terms)


def run(train, folder, terms=None, advances=99, **more):
    """All that a leg says, until its end or the last epoch."""
    worker = sessions(train, folder, **more)
    worker.begin(terms or leg())
    return gathered(worker, advances)


def gathered(worker, advances=99):
    told = {"reports": [], "saved": [], "notes": [], "end": None, "batches": []}
    for _ in range(advances):
        said = worker.advance()
        json.dumps(said)
        for part in ("reports", "saved", "notes"):
            told[part] += said[part]
        told["batches"].append([row["epoch"] for row in said["reports"]])
        told["end"] = said["end"]
        if said["end"] is not None or (told["reports"] and told["reports"][-1]["epoch"] == worker._last_epoch):
            break
    return told


def log_of(folder, trial="t00001"):
    return (folder / "trials" / trial / "log.txt").read_text()


def saved(folder, trial="t00001"):
    return checkpoint.epochs(folder / "trials" / trial / "checkpoints")


def spoil(folder, trial, epoch):
    inside = (folder / "trials" / trial / "checkpoints" / f"e{epoch:05d}").iterdir()
    [file] = [path for path in inside if path.name != "manifest.json"]
    file.write_bytes(b"garbage")


class Counter(Trainable):
    """Reports its epoch and what it drew; `params` can make it slow or let it fail."""

    def setup(self, params):
        self.params, self.epoch, self.path = params, 0, [random.random()]

    def step(self):
        self.epoch += 1
        time.sleep(self.params.get("epoch_s", 0))
        if self.epoch == self.params.get("ends_after", 10**9) + 1:
            return None
        if self.epoch == self.params.get("fails_at"):
            raise self.params["error"]
        self.path.append(random.random() + float(np.random.random()))
        return {"loss": self.params.get("losses", {}).get(self.epoch, 1 / self.epoch), "path": sum(self.path)}

    def save(self, folder):
        if self.epoch in self.params.get("disk_full_at", ()):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        (folder / "state.json").write_text(json.dumps([self.epoch, self.path]))

    def load(self, folder):
        self.epoch, self.path = json.loads((folder / "state.json").read_text())


X = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
Y = (X.sum(1) > 0).long()


class Net(TorchTrainable):
    def model(self, params):
        return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2))

    def optimizer(self, params, parameters):
        if params.get("adam"):
            return torch.optim.Adam(parameters, lr=params["lr"])
        return torch.optim.SGD(parameters, lr=params["lr"], momentum=0.9)

    def data(self, params):
        return Batches(X[:45], Y[:45], 8, shuffle=True), Batches(X[45:], Y[45:])

    def loss(self, output, target):
        return nn.functional.cross_entropy(output, target)

    def metrics(self, output, target):
        return {"accuracy": (output.argmax(1) == target).float().mean()}


# -- batches ---------------------------------------------------------------------------------------


def test_fast_epochs_travel_together_and_batches_end_where_the_scheduler_may_act(tmp_path):
    told = run(Counter, tmp_path, judged=(3, 9), last_epoch=27)

    ends = [batch[-1] for batch in told["batches"]]
    assert ends[-1] == 27
    assert {3, 9} <= set(ends)
    assert len(told["batches"]) <= 9
    assert [row["epoch"] for row in told["reports"]] == list(range(1, 28))
    assert told["end"] is None


def test_slow_epochs_travel_alone(tmp_path):
    told = run(Counter, tmp_path, leg(params={"epoch_s": 0.06}), advances=3)

    assert told["batches"] == [[1], [2], [3]]


def test_a_batch_ends_at_a_value_that_is_not_finite_and_its_weights_are_not_saved(tmp_path):
    for value in (math.nan, math.inf):
        told = run(Counter, tmp_path, leg(params={"losses": {3: value}}), advances=1)

        assert told["batches"] == [[1, 2, 3]]
        assert 3 not in told["saved"]
        assert told["end"] is None


def test_seconds_go_on_from_the_legs_before_and_count_training_only(tmp_path):
    told = run(Counter, tmp_path, leg(seconds=100.0, params={"epoch_s": 0.03}), last_epoch=3)

    seconds = [row["seconds"] for row in told["reports"]]
    assert seconds == sorted(seconds)
    assert 100.03 <= seconds[0] < 101


def test_a_trainable_that_ends_by_itself_is_saved_and_ends(tmp_path):
    told = run(Counter, tmp_path, leg(params={"ends_after": 4}))

    assert told["end"] == {"status": "ended", "reason": "the trainable finished", "traceback": None}
    assert len(told["reports"]) == 4
    assert saved(tmp_path)[0] == 4


@pytest.mark.parametrize("train", [lambda params: None, lambda params: iter(()), lambda params, report: None])
def test_a_trial_that_never_reports_has_failed(tmp_path, train):
    told = run(train, tmp_path)

    assert told["end"]["status"] == "failed"
    assert told["end"]["reason"].startswith("trial t00001 finished without reporting loss. Return it, yield it")
    assert "finished without reporting" in log_of(tmp_path)


def test_a_bad_report_fails_its_trial_and_those_before_it_are_kept(tmp_path):
    def train(params):
        yield {"loss": 2}
        yield {"loss": "0.3"}

    told = run(train, tmp_path)

    assert [row["metrics"] for row in told["reports"]] == [{"loss": 2.0}]
    assert told["end"]["reason"] == "trial t00001 reported loss='0.3' (str). Report a number."


# -- going on --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("train", "params"), [(Net, {"lr": 0.1}), (Net, {"lr": 0.01, "adam": True}), (Counter, {})], ids=str
)
def test_a_trial_that_is_taken_up_again_computes_what_it_would_have_undisturbed(tmp_path, train, params):
    undisturbed = run(train, tmp_path / "a", leg(params=params), last_epoch=8, judged=range(1, 8))["reports"]

    first = run(train, tmp_path / "b", leg(params=params), advances=3, judged=range(1, 8), must_save=True)
    torch.manual_seed(99), random.seed(99), np.random.seed(99)
    second = run(train, tmp_path / "b", leg(params=params, upto=3), last_epoch=8)

    both = first["reports"] + second["reports"]
    assert [(row["epoch"], row["metrics"]) for row in both] == [(row["epoch"], row["metrics"]) for row in undisturbed]
    assert second["notes"] == []


def test_a_neighbour_on_the_same_worker_changes_nothing(tmp_path):
    alone = run(Net, tmp_path / "a", leg("t00002", params={"lr": 0.1}), last_epoch=3)["reports"]

    worker = sessions(Net, tmp_path / "b", last_epoch=3)
    worker.begin(leg("t00001", params={"lr": 9.0}, seed=1))
    gathered(worker)
    worker.begin(leg("t00002", params={"lr": 0.1}))
    after = gathered(worker)["reports"]

    assert [row["metrics"] for row in alone] == [row["metrics"] for row in after]


def test_epochs_that_the_ledger_does_not_know_are_trained_again(tmp_path):
    run(Counter, tmp_path, last_epoch=6)

    told = run(Counter, tmp_path, leg(upto=4), last_epoch=6)

    assert [row["epoch"] for row in told["reports"]][-2:] == [5, 6]
    assert told["reports"][0]["epoch"] <= 5


def test_a_driver_killed_while_its_worker_ran_ahead_finds_the_last_epoch_that_it_knew(tmp_path, monkeypatch):
    monkeypatch.setattr(saver, "SAVE_SHARE", 99.0)
    worker = sessions(Counter, tmp_path)
    worker.begin(leg(params={"epoch_s": 0.02}))
    known = [worker.advance()["reports"][-1]["epoch"] for _ in range(3)][-1]
    ahead = worker.advance()["reports"][-1]["epoch"]
    assert ahead >= known + 2

    told = run(Counter, tmp_path, leg(upto=known), last_epoch=known + 1)

    assert [row["epoch"] for row in told["reports"]] == [known + 1]
    assert told["notes"] == []


def test_a_damaged_checkpoint_falls_back_to_the_one_before_it_and_is_told(tmp_path):
    undisturbed = run(Counter, tmp_path, last_epoch=6, judged=(4, 5), must_save=True)
    assert {4, 5, 6} <= set(saved(tmp_path))
    spoil(tmp_path, "t00001", 6)

    told = run(Counter, tmp_path, leg(upto=6), last_epoch=6)

    assert told["notes"] == [
        "t00001 goes on from trials/t00001/checkpoints/e00005: e00006: state.json does not have its checksum"
    ]
    assert [row["metrics"] for row in told["reports"]] == [undisturbed["reports"][-1]["metrics"]]


def test_without_any_whole_checkpoint_the_trial_begins_again_and_it_is_told(tmp_path):
    run(Counter, tmp_path, last_epoch=1)
    spoil(tmp_path, "t00001", 1)

    told = run(Counter, tmp_path, leg(upto=1), last_epoch=3)
    other = run(Counter, tmp_path, leg("t00002", upto=5), last_epoch=3)

    assert [row["epoch"] for row in told["reports"]] == [1, 2, 3]
    assert told["notes"] == ["t00001 goes on from its beginning: e00001: state.json does not have its checksum"]
    assert other["notes"] == ["t00002 goes on from its beginning: no checkpoint is left"]


def exploited(folder, trial="t00002", source="t00001", **changes):
    terms = {"upto": 4, "after": 4, "source": {"trial": source, "epoch": 4}, "params": {"lr": 0.01}}
    return leg(trial, seed=8, **(terms | changes))


def test_a_trial_takes_over_anothers_weights_at_its_own_next_epoch(tmp_path):
    run(Net, tmp_path, leg(params={"lr": 0.1}), last_epoch=4, judged=(2,), must_save=True)
    source = sessions(Net, tmp_path)
    source.begin(leg(params={"lr": 0.1}, upto=4))
    source._open()

    worker = sessions(Net, tmp_path)
    worker.begin(exploited(tmp_path))
    worker._open()

    theirs, ours = source._training, worker._training
    assert worker._epoch == 4
    assert [g["lr"] for g in ours.learner.optimizer.param_groups] == [0.01]
    assert all(
        torch.equal(a, b)
        for a, b in zip(theirs.learner.model.parameters(), ours.learner.model.parameters(), strict=True)
    )
    buffers = [[s["momentum_buffer"] for s in each.learner.optimizer.state.values()] for each in (theirs, ours)]
    assert all(torch.equal(a, b) for a, b in zip(*buffers, strict=True))
    told = gathered(worker, advances=1)
    assert told["reports"][0]["epoch"] == 5
    assert told["notes"] == []


def test_after_an_exploit_its_own_newer_checkpoints_are_taken(tmp_path):
    run(Counter, tmp_path, last_epoch=4)
    run(Counter, tmp_path, exploited(tmp_path), last_epoch=6)

    told = run(Counter, tmp_path, exploited(tmp_path, upto=6), last_epoch=8)

    assert [row["epoch"] for row in told["reports"]] == [7, 8]


def test_a_source_that_has_run_on_gives_its_next_checkpoint_and_it_is_told(tmp_path):
    run(Counter, tmp_path, last_epoch=4)
    root = tmp_path / "trials" / "t00001" / "checkpoints"
    checkpoint.prune(root, [4])
    (root / "e00004").rename(root / "e00006")

    told = run(Counter, tmp_path, exploited(tmp_path), last_epoch=5)

    assert told["notes"] == [
        "t00002 goes on from trials/t00001/checkpoints/e00006: t00001 has no checkpoint of epoch 4"
    ]
    assert [row["epoch"] for row in told["reports"]] == [5]


def test_a_source_without_any_checkpoint_is_told(tmp_path):
    told = run(Counter, tmp_path, exploited(tmp_path), last_epoch=5)

    assert told["notes"] == ["t00002 goes on from its beginning: t00001 has no checkpoint of epoch 4"]


def test_the_best_epoch_of_earlier_legs_keeps_its_checkpoint(tmp_path):
    losses = {1: 5.0, 2: 1.0, 3: 3.0, 4: 4.0}
    run(Counter, tmp_path, leg(params={"losses": losses}), last_epoch=4, judged=(2, 3), must_save=True)

    params = {"losses": dict.fromkeys(range(5, 10), 9.0)}
    terms = leg(upto=4, best=[0.0, 1.0], best_epoch=2, params=params)
    run(Counter, tmp_path, terms, last_epoch=9, judged=(5, 6, 7, 8), must_save=True)

    assert {9, 8, 7, 2} <= set(saved(tmp_path)) <= {9, 8, 7, 2, 4}  # the fourth is the last that the ledger knew


def test_the_largest_value_is_best_where_the_goal_says_max(tmp_path):
    losses = {1: 5.0, 2: 9.0, 3: 3.0, 4: 4.0, 5: 1.0}

    run(Counter, tmp_path, leg(params={"losses": losses}), mode="max", last_epoch=5, judged=(2, 3), must_save=True)

    assert 2 in saved(tmp_path)


# -- what goes wrong -------------------------------------------------------------------------------


def test_a_failure_is_an_answer_with_the_users_line_and_its_traceback_is_in_the_log(tmp_path):
    def train(params):
        yield {"loss": 1}
        raise ZeroDivisionError("too\nsmall")

    told = run(train, tmp_path)

    line = train.__code__.co_firstlineno + 2
    assert told["end"]["status"] == "failed"
    assert told["end"]["reason"] == f"ZeroDivisionError: too small (test_session.py:{line})"
    assert 'raise ZeroDivisionError("too\\nsmall")' in told["end"]["traceback"]
    assert "ZeroDivisionError: too\nsmall" in log_of(tmp_path)
    assert len(told["reports"]) == 1


def test_an_error_inside_a_library_names_the_users_line_that_led_there(tmp_path):
    class Wrong(Net):
        def loss(self, output, target):
            return nn.functional.cross_entropy(output, target[:1])

    def opens(params):
        json.loads("{")

    for train, line in ((Wrong, Wrong.loss), (opens, opens)):
        told = run(train, tmp_path, leg(params={"lr": 0.1}))
        assert told["end"]["reason"].endswith(f"(test_session.py:{line.__code__.co_firstlineno + 1})")


def test_a_failure_while_the_model_is_built_is_an_answer_too(tmp_path):
    class Broken(Counter):
        def setup(self, params):
            raise KeyError("width")

    told = run(Broken, tmp_path)

    assert told["end"]["status"] == "failed"
    assert told["end"]["reason"].startswith("KeyError: 'width' (test_session.py:")


def test_sys_exit_loses_the_trial(tmp_path):
    def train(params):
        yield {"loss": 1}
        sys.exit(3)

    def in_thread(params, report):
        report(loss=1)
        sys.exit(3)

    for each in (train, in_thread):
        told = run(each, tmp_path)
        assert told["end"]["status"] == "lost"
        assert told["end"]["reason"] == "the training code called sys.exit(3)"
        assert len(told["reports"]) == 1


def wrapped(error):
    outer = RuntimeError("training failed")
    outer.__cause__ = error
    return outer


class OutOfMemoryError(RuntimeError):
    """Named like torch's."""


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError("unable to allocate"), "out of memory: unable to allocate"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "out of memory: Default"),
        (OutOfMemoryError("Tried to allocate 20 GiB"), "out of GPU memory: Tried"),
        (RuntimeError("CUDA out of memory. Tried\nto allocate"), "out of GPU memory: CUDA out of memory. Tried to"),
        (RuntimeError("CUDA error: device-side assert triggered"), "the GPU reported an error: CUDA error"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), "the GPU reported an error: cuDNN"),
        (wrapped(RuntimeError("CUDA error: unspecified launch failure")), "the GPU reported an error: CUDA error"),
    ],
)
def test_errors_that_poison_the_process_lose_it(tmp_path, error, reason):
    worker = Session(lambda params, seed: fails_with(error), tmp_path, Goal("min", "loss"))
    worker.begin(leg())

    with pytest.raises(LostError) as caught:
        worker.advance()

    assert str(caught.value).startswith(reason)
    assert "\n" not in str(caught.value)
    assert "Traceback" in log_of(tmp_path)


def fails_with(error):
    def train(params):
        raise error

    return starter(train, Brief("loss"))({}, 0)


def test_what_was_reported_before_the_process_was_lost_is_answered_first(tmp_path):
    def train(params):
        yield {"loss": 1}
        raise MemoryError

    worker = sessions(train, tmp_path)
    worker.begin(leg())

    said = worker.advance()

    assert [row["epoch"] for row in said["reports"]] == [1]
    assert said["end"] is None
    with pytest.raises(LostError, match="out of memory"):
        worker.advance()
    worker.begin(leg("t00002"))
    with pytest.raises(LostError, match="out of memory"):
        worker.advance()


def test_an_error_that_was_dealt_with_does_not_poison(tmp_path):
    def train(params):
        try:
            raise RuntimeError("CUDA out of memory")
        except RuntimeError:
            raise ValueError("batch size 1 is too large")  # noqa: B904

    assert run(train, tmp_path)["end"]["reason"].startswith("ValueError: batch size 1")


def test_ctrl_c_is_not_swallowed(tmp_path):
    def train(params):
        raise KeyboardInterrupt
        yield

    def in_thread(params, report):
        raise KeyboardInterrupt

    for each in (train, in_thread):
        worker = sessions(each, tmp_path)
        worker.begin(leg())
        with pytest.raises(KeyboardInterrupt):
            worker.advance()


def test_a_full_disk_costs_the_checkpoint_and_neither_report_nor_trial_and_is_noted_once(tmp_path):
    params = {"disk_full_at": [3, 4, 5]}

    told = run(Counter, tmp_path, leg(params=params), last_epoch=7, judged=range(1, 7), must_save=True)

    assert [row["epoch"] for row in told["reports"]] == list(range(1, 8))
    assert told["end"] is None
    assert told["saved"] == [1, 2, 6, 7]
    [note] = told["notes"]
    assert note.startswith("t00001 could not save epoch 3 ([Errno 28] No space left on device) and trains on. Free")
    again = run(Counter, tmp_path, leg(upto=5), last_epoch=7)
    assert again["reports"][-1]["metrics"] == told["reports"][-1]["metrics"]


def test_a_real_full_disk_under_torchs_own_writer_is_survived(tmp_path):
    worker = sessions(Net, tmp_path, last_epoch=4, judged=(1, 2, 3), must_save=True)
    worker.begin(leg(params={"lr": 0.1}))
    first = gathered(worker, advances=1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limits[1]))
    try:
        full = gathered(worker, advances=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    free = gathered(worker, advances=1)

    assert (first["saved"], full["saved"], free["saved"]) == ([1], [], [4])
    assert [row["epoch"] for row in full["reports"]] == [2, 3]
    assert len(full["notes"]) == 1
    assert [p.name for p in (tmp_path / "trials/t00001/checkpoints").iterdir() if p.name.startswith(".")] == []


def test_an_error_in_the_users_save_fails_the_trial_and_keeps_its_report(tmp_path):
    class Broken(Counter):
        def save(self, folder):
            raise TypeError("not serialisable")

    told = run(Broken, tmp_path)

    assert len(told["reports"]) == 1
    assert told["end"]["reason"].startswith("TypeError: not serialisable (test_session.py:")


def test_errors_while_a_training_is_closed_are_told_and_harm_nobody(tmp_path):
    def stubborn(params):
        while not params.get("clean"):
            try:
                yield {"loss": 1}
            except GeneratorExit:
                yield {"loss": 2}
        yield {"loss": 3}

    def careless(params):
        try:
            yield {"loss": 1}
            yield {"loss": 1}
        finally:
            if not params.get("clean"):
                raise ValueError("in finally")

    for train, said in ((stubborn, "generator ignored GeneratorExit"), (careless, "ValueError: in finally")):
        worker = sessions(train, tmp_path, judged=(1,))
        worker.begin(leg("t00001"))
        worker.advance()
        worker.begin(leg("t00002", params={"clean": True}))
        [note] = worker.advance()["notes"]
        assert note.startswith("t00001 did not end cleanly")
        assert said in note
        worker.end()


def test_a_new_leg_begins_although_the_old_ones_thread_still_runs_and_it_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(function, "PATIENCE_S", 0.2)
    over = threading.Event()

    def train(params, report):
        if params.get("clean"):
            return 0.5
        try:
            report(loss=1)
        finally:
            over.wait(10)

    worker = sessions(train, tmp_path, judged=(1,))
    worker.begin(leg("t00001"))
    worker.advance()

    worker.begin(leg("t00002", params={"clean": True}))
    said = worker.advance()

    assert said["reports"][0]["metrics"] == {"loss": 0.5}
    assert said["notes"][0].startswith("t00001 did not end cleanly: RuntimeError: the function still runs 0.2 s")
    over.set()


def test_what_is_printed_goes_to_the_trials_own_log_from_whichever_thread(tmp_path, capsys):
    def train(params, report):
        print("built", params["name"])
        for epoch in range(2):
            print("epoch", epoch, file=sys.stderr)
            report(loss=epoch)

    def ends(params):
        try:
            while True:
                yield {"loss": 1}
        finally:
            print("closed")

    worker = sessions(train, tmp_path)
    for name in ("a", "b"):
        worker.begin(leg(name, params={"name": name}))
        gathered(worker)
    worker = sessions(ends, tmp_path, judged=(1,))
    worker.begin(leg("c"))
    worker.advance()
    worker.end()

    assert log_of(tmp_path, "a") == "built a\nepoch 0\nepoch 1\n"
    assert log_of(tmp_path, "b") == "built b\nepoch 0\nepoch 1\n"
    assert log_of(tmp_path, "c") == "closed\n"
    assert capsys.readouterr() == ("", "")


def test_an_infinite_function_is_ended_within_seconds_and_leaves_no_thread(tmp_path):
    def train(params, report):
        while True:
            report(loss=1)

    worker = sessions(train, tmp_path, last_epoch=3)
    worker.begin(leg())
    worker.advance()

    began = time.monotonic()
    worker.end()

    assert time.monotonic() - began < 2
    assert not [thread for thread in threading.enumerate() if thread.name == "train"]


# -- keep ------------------------------------------------------------------------------------------


def test_keep_saves_the_newest_epoch_once_and_answers_with_it(tmp_path, monkeypatch):
    monkeypatch.setattr(session, "BATCH_S", 0.0005)
    worker = sessions(Counter, tmp_path)
    worker.begin(leg())
    assert worker.keep() == 0
    while worker._epoch == worker._saver.saved_epoch if worker._saver else True:
        worker.advance()

    epoch = worker.keep()

    assert epoch == worker._epoch == saved(tmp_path)[0]
    assert worker.keep() == epoch


def test_keep_of_a_full_disk_answers_with_what_is_there(tmp_path):
    worker = sessions(Counter, tmp_path, judged=(1, 2), must_save=False)
    worker.begin(leg(params={"disk_full_at": [2]}))
    worker.advance()
    worker._saver._cost_s = 99.0
    worker.advance()

    assert worker.keep() == 1
    assert "No space left" in log_of(tmp_path)


def test_keep_of_a_function_has_nothing_to_write(tmp_path):
    worker = sessions(lambda params: iter([{"loss": 1}] * 9), tmp_path, judged=(1,))
    worker.begin(leg())
    worker.advance()

    assert worker.keep() == 0
    assert not (tmp_path / "trials" / "t00001" / "checkpoints").exists()
