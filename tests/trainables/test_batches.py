"""Batches and splits: every row once, in an order that only the seed decides."""

import pytest
import torch

from trainables import Batches, split

INPUTS = torch.arange(10.0).reshape(10, 1)
TARGETS = torch.arange(10)


def test_every_row_comes_once_with_its_target_and_the_last_batch_may_be_smaller():
    for shuffle in (False, True):
        batches = list(Batches(INPUTS, TARGETS, batch_size=4, shuffle=shuffle))

        assert [len(inputs) for inputs, _ in batches] == [4, 4, 2]
        assert all(torch.equal(inputs[:, 0].long(), targets) for inputs, targets in batches)
        assert sorted(torch.cat([targets for _, targets in batches]).tolist()) == list(range(10))
    assert len(Batches(INPUTS, TARGETS, batch_size=4)) == 3
    assert len(Batches(INPUTS, TARGETS, batch_size=10)) == len(Batches(INPUTS, TARGETS, batch_size=99)) == 1


def test_the_order_is_new_in_every_pass_and_follows_torchs_seed():
    batches = Batches(INPUTS, TARGETS, batch_size=10, shuffle=True)

    torch.manual_seed(3)
    first, second = (next(iter(batches))[1].tolist() for _ in range(2))
    torch.manual_seed(3)
    again = next(iter(batches))[1].tolist()

    assert first == again != second


def test_batches_go_to_a_device_both_inputs_and_targets():
    moved = Batches(INPUTS, TARGETS, 4, shuffle=True).to(torch.device("meta"))

    assert (moved.inputs.device.type, moved.targets.device.type) == ("meta", "meta")
    assert (moved.batch_size, moved.shuffle) == (4, True)
    assert Batches(INPUTS, TARGETS).to(torch.device("cpu")).inputs is INPUTS


def test_batches_can_be_compared_and_hashed():
    batches = Batches(INPUTS, TARGETS)

    assert batches == batches
    assert batches != Batches(INPUTS, TARGETS)
    assert len({batches, batches}) == 1


def test_a_split_keeps_every_row_and_the_same_seed_deals_the_same_rows():
    train, held = split(INPUTS, TARGETS, validation=0.3, batch_size=2, seed=1)
    again, _ = split(INPUTS, TARGETS, validation=0.3, batch_size=2, seed=1)
    other, _ = split(INPUTS, TARGETS, validation=0.3, batch_size=2, seed=2)

    assert sorted([*train.targets.tolist(), *held.targets.tolist()]) == list(range(10))
    assert len(held.targets) == 3
    assert torch.equal(train.targets, again.targets)
    assert not torch.equal(train.targets, other.targets)
    assert torch.equal(train.inputs[:, 0].long(), train.targets)
    assert (train.shuffle, held.shuffle, train.batch_size) == (True, False, 2)


def test_a_split_does_not_touch_the_global_generator():
    torch.manual_seed(0)
    split(INPUTS, TARGETS)
    after = torch.rand(())
    torch.manual_seed(0)

    assert after == torch.rand(())


@pytest.mark.parametrize("validation", [0.001, 0.999])
def test_both_sides_of_a_split_have_a_row(validation):
    train, held = split(INPUTS, TARGETS, validation=validation)

    assert min(len(train.targets), len(held.targets)) == 1


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Batches(INPUTS, TARGETS[:9]), ValueError, r"10 inputs and 9 targets make no batches\. Give as many"),
        (lambda: Batches(INPUTS[:0], TARGETS[:0]), ValueError, r"0 inputs and 0 targets make no batches\. Give"),
        (lambda: Batches(INPUTS, TARGETS, batch_size=0), ValueError, r"batch_size=0 makes no batches\. Set"),
        (lambda: Batches(INPUTS, TARGETS, batch_size=2.5), ValueError, r"batch_size=2\.5 makes no batches\. Set"),
        (lambda: Batches(INPUTS, TARGETS, batch_size=True), ValueError, r"batch_size=True makes no batches\. Set"),
        (lambda: Batches(INPUTS.numpy(), TARGETS), TypeError, r"inputs is of ndarray, not a tensor\. Wrap it: torch\."),
        (lambda: Batches(INPUTS, TARGETS.tolist()), TypeError, r"targets is of list, not a tensor\. Wrap it"),
        (lambda: Batches(torch.tensor(1.0), TARGETS), ValueError, r"inputs is one number, not rows\. Give"),
        (lambda: split(INPUTS, torch.arange(12)), ValueError, r"10 inputs and 12 targets make no batches\. Give"),
        (lambda: split(INPUTS, TARGETS, validation=0), ValueError, r"validation=0 of 10 rows leaves .*\. Set"),
        (lambda: split(INPUTS, TARGETS, validation=1.0), ValueError, r"validation=1\.0 of 10 rows leaves .*\. Set"),
        (lambda: split(INPUTS[:1], TARGETS[:1]), ValueError, r"validation=0\.2 of 1 rows leaves .*\. Set"),
    ],
)
def test_what_makes_no_batches_is_refused_with_the_mend(make, error, message):
    with pytest.raises(error, match=message):
        make()
