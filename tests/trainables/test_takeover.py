"""Rates across a checkpoint: what the params make otherwise is theirs, and the place in a schedule the checkpoint's."""

import json

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

from trainables.takeover import check, plain, settings, take_over


def sgd(lr, momentum=0.9, weights=2):
    return torch.optim.SGD([torch.nn.Parameter(torch.ones(2)) for _ in range(weights)], lr=lr, momentum=momentum)


def halves(optimizer):
    return lr_scheduler.StepLR(optimizer, 1, 0.5)


def one_cycle(optimizer):
    return lr_scheduler.OneCycleLR(optimizer, max_lr=2 * optimizer.param_groups[0]["lr"], total_steps=9)


def warm_then_halves(optimizer):
    warm = lr_scheduler.LinearLR(optimizer, 0.1, total_iters=2)
    return lr_scheduler.SequentialLR(optimizer, [warm, halves(optimizer)], [2])


def rates(lr, schedule, epochs):
    optimizer = sgd(lr)
    scheduler = schedule(optimizer)
    found = []
    for _ in range(epochs):
        optimizer.step()
        scheduler.step()
        found.append(optimizer.param_groups[0]["lr"])
    return optimizer, scheduler, found


@pytest.mark.parametrize("schedule", [halves, one_cycle, warm_then_halves])
@pytest.mark.parametrize("lr", [0.1, 0.02])
def test_a_schedule_goes_on_as_it_would_have_gone_from_the_new_rate(schedule, lr):
    *_, wanted = rates(lr, schedule, 6)
    old, old_scheduler, _ = rates(0.1, schedule, 3)
    then = settings(sgd(0.1)) if schedule is not one_cycle else settings(rates(0.1, schedule, 0)[0])
    new = sgd(lr)
    new_scheduler = schedule(new)
    now = settings(new) if schedule is one_cycle else settings(sgd(lr))

    new.load_state_dict(old.state_dict())
    new_scheduler.load_state_dict(old_scheduler.state_dict())
    take_over(new, [new_scheduler], then, now)

    found = []
    for _ in range(3):
        new.step()
        new_scheduler.step()
        found.append(new.param_groups[0]["lr"])
    assert found == (wanted[3:] if lr == 0.1 else pytest.approx(wanted[3:]))


def test_settings_that_are_alike_leave_all_as_it_was_saved():
    optimizer = sgd(0.1)
    made = settings(optimizer)
    optimizer.param_groups[0].update(lr=0.07, momentum=0.5)  # a schedule's work

    take_over(optimizer, [], made, json.loads(json.dumps(made)))

    assert (optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"]) == (0.07, 0.5)


def test_other_settings_are_the_params():
    optimizer = sgd(0.1, momentum=0.9)

    take_over(optimizer, [], settings(optimizer), settings(sgd(0.1, momentum=0.5)))

    assert optimizer.param_groups[0]["momentum"] == 0.5
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_a_rate_of_zero_has_no_ratio_and_gives_way():
    optimizer = sgd(0.0)

    take_over(optimizer, [], settings(optimizer), settings(sgd(0.1)))

    assert optimizer.param_groups[0]["lr"] == 0.1


def test_other_groups_are_refused_with_the_mend():
    with pytest.raises(ValueError, match=r"e00003 does not fit .*groups of \[2\] parameters, not \[3\].*PBT\(mutate="):
        check(settings(sgd(0.1)), settings(sgd(0.1, weights=3)), "e00003")


def test_numpys_scalars_become_plain_and_tensors_stay():
    weights = torch.ones(2)

    found = plain({"lr": np.float64(0.1), "betas": (np.float32(0.5), 0.9), "state": [{"exp_avg": weights}]})

    assert found == {"lr": 0.1, "betas": (0.5, 0.9), "state": [{"exp_avg": weights}]}
    assert type(found["lr"]) is float
    assert found["state"][0]["exp_avg"] is weights
