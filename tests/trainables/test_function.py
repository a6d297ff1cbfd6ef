"""Plain functions: what each kind reports, how it is ended, and that nothing of it stays behind."""

import functools
import threading
import time
import traceback

import numpy as np
import pytest

from trainables import function
from trainables.contract import Brief
from trainables.function import FunctionTraining, takes
from trainables.start import can_save, kind_of, starter

DIES_OF_SYSTEM_EXIT = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


def curve(train, params=None, epochs=100):
    training = FunctionTraining(train, params or {}, "loss")
    rows = []
    while len(rows) < epochs and (row := training.step()) is not None:
        rows.append(row)
    training.close()
    return rows


def left_threads():
    return [thread for thread in threading.enumerate() if thread.name == "train"]


def returns_number(params):
    return 0.3


def returns_dict(params):
    return {"loss": 0.3, "accuracy": 0.9}


def returns_scalar(params):
    return np.float32(0.5)


def returns_nothing(params):
    pass


def yields(params):
    for epoch in range(3):
        yield {"loss": 1 / (epoch + 1)}


def yields_numbers_and_returns(params):
    yield 2.0
    return 1.0


def yields_nothing_at_all(params):
    yield from ()


def returns_an_iterator(params):
    return iter([{"loss": 2}, {"loss": 1}])


def reports_a_dict(params, report):
    for epoch in range(3):
        report({"loss": 3 - epoch})


def reports_keywords(params, report):
    report({"loss": 1}, accuracy=0.5)
    report(loss=0, accuracy=1)


def reports_numbers_and_returns(params, report):
    report(2.0)
    return {"loss": 1.0}


def takes_report_by_keyword_only(params, *, report):
    report(loss=1)


def raises_at_once(params):
    raise ZeroDivisionError("at once")


def raises_while_it_yields(params):
    yield {"loss": 1}
    raise ZeroDivisionError("while it yields")


def raises_after_a_report(params, report):
    report(loss=1)
    raise ZeroDivisionError("after a report")


@pytest.mark.parametrize(
    ("train", "rows"),
    [
        (returns_number, [{"loss": 0.3}]),
        (returns_dict, [{"loss": 0.3, "accuracy": 0.9}]),
        (returns_scalar, [{"loss": np.float32(0.5)}]),
        (returns_nothing, []),
        (yields, [{"loss": 1}, {"loss": 1 / 2}, {"loss": 1 / 3}]),
        (yields_numbers_and_returns, [{"loss": 2.0}, {"loss": 1.0}]),
        (yields_nothing_at_all, []),
        (returns_an_iterator, [{"loss": 2}, {"loss": 1}]),
        (reports_a_dict, [{"loss": 3}, {"loss": 2}, {"loss": 1}]),
        (reports_keywords, [{"loss": 1, "accuracy": 0.5}, {"loss": 0, "accuracy": 1}]),
        (reports_numbers_and_returns, [{"loss": 2.0}, {"loss": 1.0}]),
        (takes_report_by_keyword_only, [{"loss": 1}]),
        (lambda params: 7, [{"loss": 7}]),
        (functools.partial(lambda params, scale: scale * 2, scale=3), [{"loss": 6}]),
    ],
)
def test_every_kind_of_function_reports_what_it_says(train, rows):
    assert kind_of(train) == "function"
    assert not can_save(train)

    assert curve(train) == rows


def test_callable_objects_and_bound_methods_are_functions_too():
    class Model:
        def __call__(self, params):
            return params["x"]

        def train(self, params, report):
            report(loss=params["x"])

    assert curve(Model(), {"x": 1}) == [{"loss": 1}]
    assert curve(Model().train, {"x": 2}) == [{"loss": 2}]
    assert kind_of(Model()) == kind_of(Model().train) == "function"


def test_a_yielded_none_is_a_bad_report_and_not_the_end():
    def train(params):
        yield None
        yield {"loss": 1}

    assert curve(train) == [{"loss": None}, {"loss": 1}]


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (raises_at_once, "at once"),
        (raises_while_it_yields, "while it yields"),
        (raises_after_a_report, "after a report"),
    ],
)
def test_the_traceback_of_each_kind_shows_the_users_line(train, message):
    with pytest.raises(ZeroDivisionError, match=message) as caught:
        curve(train)

    assert f'raise ZeroDivisionError("{message}")' in "".join(traceback.format_exception(caught.value))
    assert left_threads() == []


def test_a_stray_stop_iteration_is_an_error_and_not_the_end():
    def train(params):
        next(iter([]))

    def train_in_thread(params, report):
        next(iter([]))

    for each in (train, train_in_thread):
        with pytest.raises(RuntimeError, match="StopIteration"):
            curve(each)


def test_report_waits_until_the_next_epoch_is_wanted():
    seen = []

    def train(params, report):
        for epoch in range(5):
            seen.append(epoch)
            report(loss=epoch)

    training = FunctionTraining(train, {}, "loss")

    training.step()
    time.sleep(0.05)

    assert seen == [0]
    training.step()
    assert seen == [0, 1]
    training.close()


def test_except_exception_around_report_does_not_swallow_the_end():
    def train(params, report):
        while True:
            try:
                report(loss=1)
            except Exception:
                continue

    training = FunctionTraining(train, {}, "loss")
    training.step()

    began = time.monotonic()
    training.close()

    assert time.monotonic() - began < 2
    assert left_threads() == []


def test_a_closed_generator_runs_its_finally_blocks():
    ended = []

    def train(params):
        try:
            while True:
                yield {"loss": 1}
        finally:
            ended.append("generator")

    def train_in_thread(params, report):
        try:
            while True:
                report(loss=1)
        finally:
            ended.append("thread")

    for each in (train, train_in_thread):
        training = FunctionTraining(each, {}, "loss")
        training.step()
        training.close()
        training.close()

    assert ended == ["generator", "thread"]
    assert left_threads() == []


def test_a_function_that_was_never_stepped_leaves_nothing():
    training = FunctionTraining(reports_a_dict, {}, "loss")

    training.close()

    assert left_threads() == []


@DIES_OF_SYSTEM_EXIT
def test_reports_from_many_threads_all_arrive_and_all_threads_end():
    def train(params, report):
        def work(start):
            for n in range(start, start + 5):
                report(loss=n)

        threads = [threading.Thread(target=work, args=(5 * k,), name="train") for k in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        report(loss=99)

    assert sorted(row["loss"] for row in curve(train)) == [*range(15), 99]

    training = FunctionTraining(train, {}, "loss")
    training.step()
    training.step()
    training.close()
    time.sleep(0.05)
    assert left_threads() == []


@DIES_OF_SYSTEM_EXIT
def test_a_thread_that_outlives_its_function_ends_at_its_next_report():
    go = threading.Event()

    def train(params, report):
        def late():
            go.wait(5)
            report(loss=2)

        threading.Thread(target=late, name="train", daemon=True).start()
        report(loss=1)

    assert curve(train) == [{"loss": 1}]

    go.set()
    for thread in left_threads():
        thread.join(2)
    assert left_threads() == []


def test_a_function_that_swallows_everything_is_told_of_and_takes_no_core(monkeypatch):
    monkeypatch.setattr(function, "PATIENCE_S", 0.5)
    over, tries = threading.Event(), []

    def train(params, report):
        while not over.is_set():
            tries.append(1)
            try:
                report(loss=1)
            except:  # noqa: E722
                continue

    training = FunctionTraining(train, {}, "loss")
    training.step()

    with pytest.raises(RuntimeError, match=r"still runs 0\.5 s after it was told to end\. Let what"):
        training.close()

    assert len(tries) < 20
    over.set()
    for thread in left_threads():
        thread.join(2)


def test_params_that_a_function_changes_are_its_own():
    option = [64, 32]
    params = {"layers": option, "sgd": {"lr": 0.1}}

    def train(params):
        params["layers"].append(16)
        params["sgd"]["lr"] = 9
        params["more"] = 1
        return len(params["layers"])

    start = starter(train, Brief("loss"))

    assert [start(params, seed=0).step() for _ in range(2)] == [{"loss": 3}, {"loss": 3}]
    assert params == {"layers": [64, 32], "sgd": {"lr": 0.1}}
    assert option == [64, 32]


def test_what_a_callable_object_remembers_is_not_there_for_the_next_trial():
    class Counts:
        def __init__(self):
            self.calls = 0

        def __call__(self, params):
            self.calls += 1
            return self.calls

        def train(self, params):
            return self(params)

    for source in (Counts(), Counts().train, functools.partial(Counts().train)):
        start = starter(source, Brief("loss"))
        assert [start({}, seed=0).step() for _ in range(2)] == [{"loss": 1}, {"loss": 1}]


def test_the_second_argument_is_report_only_where_it_is_called_so():
    assert takes(reports_a_dict, "report")
    assert takes(takes_report_by_keyword_only, "report")
    assert not takes(returns_number, "report")
    assert not takes(lambda params, data=None: None, "report")
