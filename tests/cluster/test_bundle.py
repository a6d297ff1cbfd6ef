"""What a trial asks for: which bundles there are, and how each refusal is mended."""

import math
import pickle
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

from cluster import Bundle


def test_a_bundle_speaks_rays_words_and_leaves_out_what_it_does_not_ask_for():
    bundle = Bundle(cpus=0.5, gpus=0.25, memory_gib=1.5, custom={"tpu": 1, "disk": 0})

    assert bundle.resources() == {"CPU": 0.5, "GPU": 0.25, "memory": 1.5 * 2**30, "tpu": 1}
    assert Bundle(cpus=0, gpus=1).resources() == {"GPU": 1}


@pytest.mark.parametrize(
    "bundle",
    [
        Bundle(),
        Bundle(cpus=0, gpus=2),
        Bundle(cpus=0.5, memory_gib=4),
        Bundle(gpus=1 / 3, custom={"tpu": 1, "disk": 0.5}),
    ],
)
def test_what_a_bundle_prints_can_be_pasted_pickled_and_is_equal(bundle):
    assert eval(repr(bundle)) == bundle
    assert pickle.loads(pickle.dumps(bundle)) == bundle
    assert hash(eval(repr(bundle))) == hash(bundle)


def test_one_amount_is_one_bundle_however_it_was_typed():
    assert repr(Bundle(cpus=2.0, gpus=np.float32(0.25))) == "Bundle(cpus=2, gpus=0.25)"
    assert Bundle(cpus=np.int64(2)) == Bundle(cpus=2.0) == Bundle(cpus=Fraction(2))


def test_a_bundle_stays_as_it_was_made():
    custom = {"tpu": 1}
    bundle = Bundle(custom=custom)

    custom["tpu"] = 99

    assert bundle.custom == {"tpu": 1}
    with pytest.raises(AttributeError):
        bundle.cpus = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cpus": -1}, r"cpus=-1\.0 is no amount\. Write a finite number of at least 0"),
        ({"cpus": math.nan}, r"cpus=nan is no amount\. Write"),
        ({"gpus": math.inf}, r"gpus=inf is no amount\. Write"),
        ({"memory_gib": -math.inf}, r"memory_gib=-inf is no amount\. Write"),
        ({"memory_gib": 0}, r"memory_gib=0 reserves nothing\. Write memory_gib=4"),
        ({"cpus": 0}, r"0 CPUs and 0 GPUs runs on nothing\. Set Bundle\(cpus=1\)"),
        ({"cpus": 1e-5}, r"finer than Ray counts\. Write cpus=0\.0001"),
        ({"gpus": 1.5}, r"gpus=1\.5 cannot be given: above one, GPUs come whole\. Write gpus=2"),
        ({"custom": {"TPU": 2.5}}, r"TPUs come whole\. Write custom\['TPU'\]=3"),
        ({"custom": {"tpu": -1}}, r"custom\['tpu'\]=-1\.0 is no amount\. Write"),
        ({"custom": {"gpus": 1}}, r"custom\['gpus'\] has a field of its own\. Write Bundle\(gpus=1\)"),
        ({"custom": {"CPU": 1}}, r"custom\['CPU'\] has a field of its own\. Write Bundle\(cpus=1\)"),
        ({"custom": {"object_store_memory": 1}}, r"Ray's object store\. Reserve memory with"),
    ],
)
def test_an_amount_that_cannot_be_is_refused_with_its_mend(settings, message):
    with pytest.raises(ValueError, match=message):
        Bundle(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cpus": True}, r"cpus=True is a bool, not a number\. Write cpus=1"),
        ({"gpus": "1"}, r"gpus='1' is a str, not a number\. Write gpus=1"),
        ({"cpus": None}, r"cpus=None is a NoneType, not a number\. Write"),
        ({"custom": {"tpu": "2"}}, r"custom\['tpu'\]='2' is a str, not a number\. Write"),
        ({"custom": {1: 2}}, r"the resource name 1\. Write a word in quotes"),
        ({"custom": ["tpu"]}, r"custom=\['tpu'\] is a list, not a dict\. Write custom=\{'tpu': 1\}"),
    ],
)
def test_what_is_no_number_is_refused_with_its_mend(settings, message):
    with pytest.raises(TypeError, match=message):
        Bundle(**settings)


def test_the_rooms_values_load_neither_ray_nor_torch():
    code = (
        "import sys, cluster, cluster.bundle, cluster.machine, cluster.address, cluster.auth_token, cluster.process;"
        "print(sorted({'ray', 'torch', 'pandas', 'numpy'} & set(sys.modules)))"
    )

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert loaded.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"workers": 0}, ValueError, r"workers=0 is no number of workers\. Write a whole number of 1 or more"),
        ({"workers": 1.5}, ValueError, r"workers=1\.5 is no number"),
        ({"strategy": "PAK"}, ValueError, r"strategy='PAK' is no way to place workers\. Write one of pack, spread"),
        ({"accelerator": "H100"}, ValueError, r"but no GPU\. Write Bundle\(gpus=1, accelerator='H100'\)"),
        ({"accelerator": 100, "gpus": 1}, TypeError, r"accelerator=100 is an int\. Write a text"),
        ({"labels": "spot"}, TypeError, r"labels='spot' is a str, not a dict\. Write labels="),
        ({"labels": {"market": ""}}, ValueError, r"labels\['market'\] is ''\. Write one value, several"),
        ({"labels": {"market": "in(a"}}, ValueError, r"labels\['market'\] is 'in\(a'\. Write"),
        ({"labels": {"a b": "c"}}, ValueError, r"labels has the key 'a b'\. Write a label"),
        ({"labels": {"market": 1}}, TypeError, r"labels has 'market': 1\. Write texts"),
        (
            {"gpus": 1, "accelerator": "T4", "labels": {"ray.io/accelerator-type": "T4"}},
            ValueError,
            r"beside accelerator='T4'\. Leave one of them out",
        ),
    ],
)
def test_a_shape_that_cannot_be_is_refused_with_its_mend(settings, kind, message):
    with pytest.raises(kind, match=message):
        Bundle(**settings)


@pytest.mark.parametrize("value", ["spot", "!spot", "in(a)", "in(A100, H100)", "!in(a,b)", "-a", "in()", "a b", "!!a"])
def test_rays_own_reading_of_selectors_is_ours(value):
    from ray._private.label_utils import validate_label_selector_value

    if validate_label_selector_value(value) is None:
        assert Bundle(labels={"market": value}).selectors() == {"market": value}
    else:
        with pytest.raises(ValueError, match="Write one value"):
            Bundle(labels={"market": value})
