"""How many bundles lie on a cluster at once, and what is said when none does."""

import functools
import itertools

import pytest

from cluster import Bundle, Machine
from cluster.fit import trials_on

LAPTOP = [Machine(name="laptop", cpus=2, memory_gib=8)]
CLUSTER = [
    Machine(name="big", cpus=4, gpus=2, memory_gib=64, custom={"tpu": 4, "ssd": 2}),
    Machine(name="wide", cpus=64, gpus=1, memory_gib=16),
]


@pytest.mark.parametrize(
    ("bundle", "at_once", "why"),
    [
        (Bundle(), 68, "68 at once: each needs 1 CPU of 68."),
        (Bundle(cpus=0.3), 226, "226 at once: each needs 0.3 CPU of 68."),
        (Bundle(gpus=1), 3, "3 at once: each needs 1 GPU of 3."),
        (Bundle(gpus=2), 1, "1 at once: each needs 2 GPUs of 3."),
        (Bundle(gpus=0.4), 6, "6 at once: each needs 0.4 GPU of 3."),
        (Bundle(cpus=0.1, gpus=0.1), 30, "30 at once: each needs 0.1 GPU of 3."),
        (Bundle(cpus=0.1, gpus=1 / 3), 9, "9 at once: each needs 0.333333 GPU of 3."),
        (Bundle(cpus=0.1, gpus=0.55), 3, "3 at once: each needs 0.55 GPU of 3."),
        (Bundle(memory_gib=16), 5, "5 at once: each needs 16 GiB of memory of 80."),
        (Bundle(custom={"tpu": 3}), 1, "1 at once: each needs 3 tpu of 4."),
        (Bundle(cpus=3, gpus=1), 2, "2 at once: each needs 1 GPU of 3 and 3 CPUs on the same machine."),
    ],
)
def test_the_resource_that_limits_is_named(bundle, at_once, why):
    assert (bundle.fit(CLUSTER).at_once, bundle.fit(CLUSTER).why) == (at_once, why)


def test_a_share_of_a_gpu_never_straddles_two_of_them():
    two_gpus = [Machine(name="box", cpus=64, gpus=2)]

    assert Bundle(gpus=0.4).fit(two_gpus).at_once == 4
    assert Bundle(gpus=0.51).fit(two_gpus).at_once == 2


def test_a_named_device_comes_whole_too_but_a_plain_resource_does_not():
    box = [Machine(name="box", cpus=64, custom={"TPU": 2, "disk": 2})]

    assert Bundle(custom={"TPU": 0.4}).fit(box).at_once == 4
    assert Bundle(custom={"disk": 0.4}).fit(box).at_once == 5


@pytest.mark.parametrize(
    ("bundle", "machines", "why"),
    [
        (
            Bundle(gpus=1),
            LAPTOP,
            "each trial needs 1 GPU; this cluster has 0. Ask for less with Bundle(gpus=0), "
            "or connect to a cluster with GPUs: a440 run ... --address HOST:PORT.",
        ),
        (
            Bundle(cpus=4),
            LAPTOP,
            "each trial needs 4 CPUs; this cluster has 2. Ask for less with Bundle(cpus=2), "
            "or connect to a cluster with more CPUs: a440 run ... --address HOST:PORT.",
        ),
        (
            Bundle(memory_gib=9),
            LAPTOP,
            "each trial needs 9 GiB of memory; this cluster has 8. Ask for less with Bundle(memory_gib=8), "
            "or connect to a cluster with more memory: a440 run ... --address HOST:PORT.",
        ),
        (
            Bundle(gpus=3),
            CLUSTER,
            "each trial needs 3 GPUs on one machine; the largest has 2. Ask for less with Bundle(gpus=2), "
            "or connect to a cluster with more GPUs: a440 run ... --address HOST:PORT.",
        ),
        (
            Bundle(cpus=32, gpus=2),
            CLUSTER,
            "each trial needs 32 CPUs and 2 GPUs on one machine; no machine has them together, and big lacks "
            "32 CPUs. Ask for less with Bundle(cpus=4), "
            "or connect to a cluster with more CPUs: a440 run ... --address HOST:PORT.",
        ),
        (
            Bundle(custom={"tup": 1}),
            CLUSTER,
            "each trial needs 1 tup; this cluster has no resource 'tup'. Did you mean custom={'tpu': ...}?",
        ),
        (
            Bundle(custom={"licence": 1}),
            CLUSTER,
            "each trial needs 1 licence; this cluster has no resource 'licence'. It has ssd, tpu; use one, "
            "or declare it where Ray starts: ray start --resources='{\"licence\": 1}'.",
        ),
        (
            Bundle(),
            [],
            "this cluster has no machine that is alive. Start Ray on one: ray start --head.",
        ),
    ],
)
def test_a_bundle_that_never_fits_is_told_with_what_is_short_and_the_mend(bundle, machines, why):
    assert (bundle.fit(machines).at_once, bundle.fit(machines).why) == (0, why)


def test_following_the_mend_makes_the_bundle_fit():
    refused = Bundle(gpus=3).fit(CLUSTER)

    mended = Bundle(gpus=2).fit(CLUSTER)

    assert "Bundle(gpus=2)" in refused.why
    assert mended.at_once == 1


def test_a_machine_is_read_from_rays_words_without_rays_own_resources():
    resources = {"CPU": 8.0, "GPU": 1.0, "memory": 2.0**34, "object_store_memory": 1e9, "node:10.0.0.5": 1.0}
    resources |= {"node:__internal_head__": 1.0, f"CPU_group_0_{'a' * 36}": 1.0, f"bundle_group_{'a' * 36}": 1000.0}

    machine = Machine.declaring("box", resources | {"accelerator_type:H200": 1.0, "tpu": 4.0})

    assert machine == Machine(name="box", cpus=8, gpus=1, memory_gib=16, custom={"tpu": 4, "accelerator_type:H200": 1})


def brute_force(places, workers, strategy):
    """Trials that lie on the machines, by trying every way to lay one trial after another."""

    @functools.cache
    def most(left):
        best = 0
        for lots in itertools.product(*(range(min(count, workers) + 1) for count in left)):
            if sum(lots) != workers or (strategy == "strict_spread" and max(lots) > 1):
                continue
            if strategy == "strict_pack" and max(lots) < workers:
                continue
            rest = tuple(sorted((count - lot for count, lot in zip(left, lots, strict=True)), reverse=True))
            best = max(best, 1 + most(rest))
        return best

    return most(tuple(sorted(places, reverse=True)))


@pytest.mark.parametrize("strategy", ["pack", "spread", "strict_pack", "strict_spread"])
def test_as_many_trials_of_several_workers_lie_on_machines_as_trying_every_way_finds(strategy):
    for places in itertools.combinations_with_replacement(range(5), 3):
        for workers in (1, 2, 3):
            assert trials_on(places, workers, strategy) == brute_force(places, workers, strategy), (places, workers)


@pytest.mark.parametrize(
    ("bundle", "at_once", "why"),
    [
        (Bundle(gpus=1, workers=2), 1, "1 at once: each needs 2 times 1 GPU of 3."),
        (
            Bundle(gpus=1, workers=2, strategy="strict_spread"),
            1,
            "1 at once: each needs 2 times 1 GPU of 3, each on another machine.",
        ),
        (
            Bundle(gpus=1, workers=3, strategy="strict_pack"),
            0,
            "each trial needs 3 workers with 1 CPU and 1 GPU, all on one machine; the largest machine has room for 2. "
            "Ask for less with Bundle(workers=2) or strategy='pack', "
            "or connect to a cluster with more machines: a440 run ... --address HOST:PORT.",
        ),
        (
            Bundle(gpus=1, workers=5),
            0,
            "each trial needs 5 workers with 1 CPU and 1 GPU; this cluster has room for 3. "
            "Ask for less with Bundle(workers=3), "
            "or connect to a cluster with more machines: a440 run ... --address HOST:PORT.",
        ),
    ],
)
def test_several_workers_are_counted_as_they_may_lie(bundle, at_once, why):
    found = bundle.fit(CLUSTER)

    assert (found.at_once, found.why) == (at_once, why)


LABELLED = [
    Machine(name="a", cpus=8, gpus=1, labels={"ray.io/accelerator-type": "A100", "ray.io/market-type": "spot"}),
    Machine(name="b", cpus=8, gpus=2, labels={"ray.io/accelerator-type": "T4"}),
]


@pytest.mark.parametrize(
    ("bundle", "at_once", "why"),
    [
        (Bundle(gpus=1, accelerator="T4"), 2, "2 at once: each needs 1 GPU of 2."),
        (Bundle(gpus=1, labels={"ray.io/market-type": "!spot"}), 2, "2 at once: each needs 1 GPU of 2."),
        (Bundle(gpus=1, labels={"ray.io/accelerator-type": "in(T4, A100)"}), 3, "3 at once: each needs 1 GPU of 3."),
        (
            Bundle(gpus=1, accelerator="H100"),
            0,
            "each trial needs ray.io/accelerator-type H100; this cluster has A100, T4. "
            "Write Bundle(accelerator='A100').",
        ),
        (
            Bundle(labels={"zone": "eu"}),
            0,
            "each trial needs zone eu; no machine has that label. Declare it: ray start --labels='zone=eu'.",
        ),
        (
            Bundle(gpus=1, accelerator="T4", labels={"ray.io/market-type": "spot"}),
            0,
            "each trial needs ray.io/market-type spot, ray.io/accelerator-type T4; no machine has them together. "
            "Ask for less with Bundle(labels={...}).",
        ),
    ],
)
def test_only_machines_that_suit_the_labels_count(bundle, at_once, why):
    found = bundle.fit(LABELLED)

    assert (found.at_once, found.why) == (at_once, why)
