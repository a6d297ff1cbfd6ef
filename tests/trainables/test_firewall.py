"""What may be reported: every kind of number, and nothing else; each refusal says what was seen and the mend."""

import datetime
import math
import re
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch

from trainables.firewall import RESERVED, BadReportError, clean, missing

TWO_SENTENCES = re.compile(r"trial t00003 .+?[.?] .+[.?}]", re.DOTALL)


def cleaned(value):
    return clean({"loss": value}, "t00003", ["loss"])["loss"]


def refusal(metrics, metric="loss"):
    with pytest.raises(BadReportError) as caught:
        clean(metrics, "t00003", [metric])
    assert TWO_SENTENCES.fullmatch(str(caught.value)), str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (1, 1.0),
        (0.25, 0.25),
        (np.float16(0.5), 0.5),
        (np.float32(0.25), 0.25),
        (np.float64(0.1), 0.1),
        (np.int64(-7), -7.0),
        (np.uint8(255), 255.0),
        (np.longdouble(0.5), 0.5),
        (np.array(0.5), 0.5),
        (np.array([0.5]), 0.5),
        (np.array([[3]]), 3.0),
        (np.array(2.5, dtype=object), 2.5),
        (pd.Series([0.5]), 0.5),
        (torch.tensor(0.5), 0.5),
        (torch.tensor([0.5]), 0.5),
        (torch.tensor(0.5, requires_grad=True), 0.5),
        (torch.tensor(0.5, dtype=torch.bfloat16), 0.5),
        (torch.tensor(3), 3.0),
        (Decimal("0.1"), 0.1),
        (Fraction(1, 4), 0.25),
        (10**30, 1e30),
    ],
)
def test_every_kind_of_one_number_becomes_a_plain_float(value, number):
    assert cleaned(value) == number
    assert type(cleaned(value)) is float


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (math.inf, math.inf),
        (-math.inf, -math.inf),
        (np.float32("inf"), math.inf),
        (torch.tensor(-math.inf), -math.inf),
        (10**400, math.inf),
        (-(10**400), -math.inf),
        (Fraction(-(10**400)), -math.inf),
        (Decimal("1e999"), math.inf),
    ],
)
def test_infinite_values_and_those_too_large_for_a_float_are_kept_for_the_conductor(value, number):
    assert cleaned(value) == number


@pytest.mark.parametrize("value", [math.nan, np.float32("nan"), torch.tensor(math.nan), Decimal("nan")])
def test_nan_is_kept_for_the_conductor(value):
    assert math.isnan(cleaned(value))


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ("0.3", "loss='0.3' (str)"),
        (b"0.3", "loss=b'0.3' (bytes)"),
        (bytearray(b"3"), "(bytearray)"),
        (None, "loss=None (NoneType)"),
        (True, "loss=True (bool)"),
        (np.bool_(True), "(bool)"),
        (np.array(True), "(ndarray)"),
        (torch.tensor(True), "loss=tensor(True) (Tensor)"),
        (np.str_("0.3"), "(str_)"),
        (np.array("0.3"), "(ndarray)"),
        (np.array("0.3", dtype=object), "(ndarray)"),
        (1 + 2j, "(complex)"),
        (np.complex64(1), "(complex64)"),
        (torch.tensor(1j), "(Tensor)"),
        ([0.3], "loss=[0.3] (list)"),
        ((0.3,), "(tuple)"),
        (np.datetime64("2020-01-01", "ns"), "(datetime64)"),
        (np.timedelta64(3, "ns"), "(timedelta64)"),
        (datetime.timedelta(seconds=3), "(timedelta)"),
        (Decimal("sNaN"), "(Decimal)"),
        (object, "(type)"),
    ],
)
def test_what_is_no_number_is_refused_with_its_value_and_type(value, seen):
    message = refusal({"loss": value})

    assert seen in message
    assert message.endswith(". Report a number.")


@pytest.mark.parametrize(
    ("value", "count"),
    [(np.zeros(3), 3), (np.array([]), 0), (torch.zeros(2, 5), 10), (torch.zeros(0), 0), (pd.Series([1.0, 2.0]), 2)],
)
def test_vectors_are_refused_with_their_length(value, count):
    message = refusal({"loss": value})

    assert f"of {count} elements. Report one number, its mean for example." in message


def test_nested_metrics_are_refused_with_the_flat_name_to_use():
    message = refusal({"loss": 1, "val": {"f1": 0.5}})

    assert message == "trial t00003 reported val={'f1': 0.5} (dict). Report its numbers one by one: {'val.f1': 0.3}."


def test_a_missing_metric_is_refused_with_what_was_reported_and_the_nearest_name():
    message = refusal({"val_accuracy": 0.5, "lr": 0.1}, metric="val_acc")

    assert message == ("trial t00003 reported lr, val_accuracy, not val_acc. Did you mean the goal 'val_accuracy'?")
    assert refusal({"x": 1}) == (
        "trial t00003 reported x, not loss. Report 'loss', or change the goal to one of these."
    )
    assert refusal({}) == "trial t00003 reported nothing, not loss. Report 'loss'."


@pytest.mark.parametrize("name", [*sorted(RESERVED), "params.lr"])
def test_reserved_names_are_refused_by_name(name):
    message = refusal({"loss": 1, name: 1})

    assert message == f"trial t00003 reported under the reserved name {name!r}. Rename that metric."


@pytest.mark.parametrize("name", [3, None, ("a", "b"), ""])
def test_names_that_are_no_names_are_refused(name):
    message = refusal({"loss": 1, name: 1})

    assert f"reported under {name!r} ({type(name).__name__}). Name that metric by a str." in message


def test_names_of_a_subclass_of_str_become_plain_ones():
    [name] = clean({np.str_("loss"): 1}, "t00003", ["loss"])

    assert type(name) is str


@pytest.mark.parametrize("report", ["0.3", [("loss", 0.3)], 3, object()])
def test_a_report_that_is_no_mapping_is_refused(report):
    assert "Report a dict: {'loss': 0.3}." in refusal(report)


def test_a_trial_without_any_report_is_told_three_ways_to_report():
    assert str(missing("t00003", "val_acc")) == (
        "trial t00003 finished without reporting val_acc. Return it, yield it or report it: {'val_acc': 0.3}."
    )


def test_long_and_broken_values_are_cut():
    class Broken:
        def __repr__(self):
            raise RuntimeError

    assert len(refusal({"loss": "x" * 10_000})) < 200
    assert "loss=? (Broken)" in refusal({"loss": Broken()})
    assert len(refusal({"loss": list(range(10_000))})) < 200


def test_an_error_of_the_device_is_not_mistaken_for_a_bad_report():
    class OnGpu:
        dtype = None

        def item(self):
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with pytest.raises(RuntimeError, match="CUDA error"):
        cleaned(OnGpu())


def test_emoji_and_long_names_pass():
    names = {"loss": 1, "gen🎵auigkeit": 2, "n" * 5_000: 3}

    assert clean(names, "t00003", ["loss"]) == names


def test_energy_that_a_goal_needs_is_asked_for_by_its_name():
    from search.goal import JOULES

    with pytest.raises(BadReportError, match=r"reported loss, not joules\. Report 'joules', the energy"):
        clean({"loss": 1.0}, "t00001", ["loss", JOULES])
