"""Why a trial waits, in sentences; and what its machines cost."""

import itertools
from dataclasses import replace

import pytest

from cluster import Bundle, Fleet, Machine, NodeType
from cluster.fit import fit
from cluster.outlay import outlay, started_for
from cluster.scaling import Launch, Scaling, explain, fallbacks, selector_of
from tests.kit.fleets import HEAD, SPOT, STEADY

FLEET = Fleet((HEAD.machine,), (HEAD, SPOT, STEADY))
GPU = Bundle(gpus=1)


@pytest.mark.parametrize(
    ("bundle", "fleet", "scaling", "said"),
    [
        (
            Bundle(gpus=2),
            FLEET,
            Scaling(True),
            "It will never run: each trial needs 2 GPUs on one machine; the largest has 1. Ask for less with "
            "Bundle(gpus=1), or connect to a cluster with more GPUs: a440 run ... --address HOST:PORT.",
        ),
        (
            GPU,
            Fleet((HEAD.machine,)),
            Scaling(True),
            "It will never run: each trial needs 1 GPU; this cluster has 0. Ask for less with Bundle(gpus=0), or "
            "connect to a cluster with GPUs: a440 run ... --address HOST:PORT. What the autoscaler may start is not "
            "known here; tell it with -c cluster.yaml.",
        ),
        (
            Bundle(),
            Fleet((HEAD.machine,)),
            Scaling(False),
            "The machines that are there hold 2 such trials, and are busy. "
            "No more machines will come, so it waits for a running trial to end.",
        ),
        (
            GPU,
            FLEET,
            Scaling(False),
            "No machine that is there fits: each trial needs 1 GPU; this cluster has 0. No autoscaler is at work on "
            "this cluster, so no more machines will come. "
            "Start the head with: ray start --head --autoscaling-config=~/ray_bootstrap_config.yaml",
        ),
        (
            GPU,
            FLEET,
            Scaling(True),
            "No machine that is there fits: each trial needs 1 GPU; this cluster has 0. "
            "The autoscaler has not asked the provider for a machine yet; it looks every few seconds.",
        ),
        (
            GPU,
            FLEET,
            Scaling(True, launching=(Launch("spot", 2, 65),), booting=("steady",)),
            "No machine that is there fits: each trial needs 1 GPU; this cluster has 0. "
            "1 machine of type steady is there and not yet in Ray: booting, or being set up. "
            "2 machines of type spot were asked of the provider 65 s ago, and have not come yet.",
        ),
        (
            GPU,
            FLEET,
            Scaling(True, launching=(Launch("spot", 1, 1),), refused=(Launch("spot", 1, 9, "no capacity"),) * 2),
            "No machine that is there fits: each trial needs 1 GPU; this cluster has 0. "
            "The provider refuses spot, last 9 s ago: no capacity. "
            "steady would fit too, and Ray does not turn to it by itself.",
        ),
    ],
)
def test_why_a_trial_waits_is_said_in_sentences(bundle, fleet, scaling, said):
    assert explain(bundle.wish(), fleet, scaling) == said


def test_only_on_demand_types_that_fit_and_are_left_replace_exhausted_spot_machines():
    used_up = Fleet((HEAD.machine, *[STEADY.machine] * 3), (HEAD, SPOT, STEADY))

    bounded = replace(FLEET, most=2)  # spot machines alone would use it up

    assert fallbacks(GPU.wish(), FLEET, ["spot"]) == fallbacks(GPU.wish(), bounded, ["spot"]) == (STEADY,)
    assert fallbacks(GPU.wish(), replace(bounded, machines=(HEAD.machine, SPOT.machine, SPOT.machine)), ["spot"]) == ()
    assert fallbacks(GPU.wish(), used_up, ["spot"]) == ()
    assert fallbacks(GPU.wish(), FLEET, ["steady"]) == ()
    assert fallbacks(GPU.wish(), FLEET, ["spot", "steady"]) == ()
    assert fallbacks(Bundle(gpus=2).wish(), FLEET, ["spot"]) == ()
    assert fallbacks(Bundle(labels={"ray.io/market-type": "spot"}).wish(), FLEET, ["spot"]) == ()


def test_an_on_demand_type_is_asked_for_by_a_label_that_no_spot_type_has():
    bare = NodeType(name="bare", machine=Machine(name="bare", cpus=4, gpus=1), most=1)

    assert selector_of(STEADY, FLEET) == {"ray.io/market-type": "on-demand"}
    with pytest.raises(LookupError, match=r"bare has no label .* labels: \{ray.io/market-type: on-demand\}"):
        selector_of(bare, Fleet((), (SPOT, bare)))


@pytest.mark.parametrize("trials", [1, 2, 3, 4, 5, 6])
def test_no_fewer_nodes_hold_so_many_trials_than_are_counted(trials):
    wish = Bundle(gpus=0.5).wish()

    started = started_for(wish, FLEET, trials)

    least = min(
        len(nodes)
        for count in range(7)
        for nodes in itertools.combinations(FLEET.to_start(), count)
        if fit(wish, [*FLEET.machines, *(kind.machine for kind in nodes)]).at_once >= trials
    )
    assert len(started) == least
    assert [kind.name for kind in started] == ["spot"] * least


def test_the_outlay_is_that_of_all_machines_for_an_hour():
    assert str(outlay(GPU.wish(), FLEET, 5)) == "3.8 an hour at 1 head, 3 spot, 2 steady"  # .1 + 3 * .4 + 2 * 1.25
    assert str(outlay(Bundle().wish(), FLEET, 2)) == "0.1 an hour at 1 head"


def test_an_outlay_with_an_unknown_price_is_unknown_and_says_which():
    unpriced = NodeType(name="new", machine=SPOT.machine, most=1)

    assert str(outlay(GPU.wish(), Fleet((HEAD.machine,), (HEAD, unpriced)), 1)) == "unknown: no price for new"
