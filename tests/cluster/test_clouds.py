"""What `init` writes: accepted by Ray, by KubeRay's schema and by the linter, for every combination of options."""

import itertools
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from cluster.catalogue import GPU_MACHINES
from cluster.clouds import KINDS, Options, launch_text
from cluster.clouds.template import scalar
from cluster.launch_file import parse
from cluster.lint import findings_in
from cluster.schemas import kuberay_errors

FILLED_IN = {
    "storage": "s3://bucket/studies",
    "project": "tuning-1",
    "head_ip": "10.0.0.1",
    "worker_ips": ("10.0.0.2", "10.0.0.3"),
}
GPUS = {
    "aws": (0, 1, 4, 8),
    "gcp": (0, 1, 2, 8),
    "azure": (0, 1, 4),
    "kuberay": (0, 1, 8),
    "onprem": (0, 2),
    "local": (0, 1, 4),
}
VARIANTS = [
    (kind, {**FILLED_IN, **dict(gpus=gpus, spot=spot, kubernetes=service, **more)})
    for kind in KINDS
    for gpus in GPUS[kind]
    for spot in ((False, True) if kind != "onprem" else (False,))
    for service in (("gke", "eks", "aks", "karpenter") if kind == "kuberay" else ("gke",))
    for more in (
        {},
        {
            "min_workers": 2,
            "max_workers": 3,
            "price": 1.25,
            "spot_price": 0.4,
            "head_price": 0.19,
            "idle_minutes": 12.5,
        },
    )
]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
    (tmp_path / ".ssh").mkdir()
    key = tmp_path / ".ssh" / "id_ed25519"
    key.write_text("secret")
    key.chmod(0o600)
    return tmp_path


def variant_id(value):
    return value if isinstance(value, str) else f"{value['gpus']}-{value['spot']}-{value['kubernetes']}-{len(value)}"


@pytest.mark.parametrize(("kind", "options"), VARIANTS, ids=variant_id)
def test_every_combination_is_clean_and_says_what_was_asked_for(kind, options):
    text = launch_text(kind, Options(**options))

    assert findings_in(text) == ()
    found = parse(text)
    asked = Options(**options)
    workers = [worker for worker in found.workers if worker.machine.gpus == asked.gpus]
    assert workers == list(found.workers)
    assert [worker.spot for worker in workers] == ([True, False] if asked.spot else [False])
    assert found.storage == "s3://bucket/studies"
    assert found.spot_minutes == (5 if asked.spot else None)
    assert found.head.machine.cpus == 0
    if kind != "onprem":
        assert sum(worker.least for worker in workers) == asked.min_workers
        assert [worker.most for worker in workers] == [asked.max_workers] * len(workers)
        assert found.idle_minutes == asked.idle_minutes
    assert workers[-1].price == asked.price
    assert (found.cost_per_hour() is None) == (asked.price is None)
    if asked.spot:
        assert workers[0].price == asked.spot_price
    if asked.gpus and kind != "onprem":
        kinds = {worker.machine.labels["ray.io/accelerator-type"] for worker in workers}
        assert kinds == {{"aws": "A10G", "azure": "T4", "local": "T4"}.get(kind, "L4")}


@pytest.mark.parametrize(("kind", "options"), VARIANTS, ids=variant_id)
def test_rays_own_checks_accept_every_file(kind, options):
    from ray.autoscaler._private.util import prepare_config, validate_config

    document = yaml.safe_load(launch_text(kind, Options(**options)))
    if kind == "kuberay":
        assert list(kuberay_errors("RayCluster", document)) == []
        from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr

        document["metadata"]["namespace"] = "default"
        theirs = _derive_autoscaling_config_from_ray_cr(document)  # validates it too
        assert set(theirs["available_node_types"]) > {"headgroup"}
        return

    prepared = prepare_config(document)

    validate_config(prepared)
    assert prepared["metadata"]["a440"]["storage"] == "s3://bucket/studies"


def test_the_machine_is_the_smallest_with_so_many_gpus_of_that_kind():
    found = {
        (kind, gpus, accelerator): parse(
            launch_text(kind, Options(gpus=gpus, accelerator=accelerator, **FILLED_IN))
        ).workers[0]
        for kind, gpus, accelerator in [
            ("aws", 8, "H100"), ("aws", 4, "T4"), ("gcp", 2, "T4"), ("gcp", 8, "A100"), ("azure", 2, "A100"),
        ]
    }  # fmt: skip

    assert {key: worker.kind for key, worker in found.items()} == {
        ("aws", 8, "H100"): "p5.48xlarge",
        ("aws", 4, "T4"): "g4dn.12xlarge",
        ("gcp", 2, "T4"): "n1-standard-16",
        ("gcp", 8, "A100"): "a2-highgpu-8g",
        ("azure", 2, "A100"): "Standard_NC48ads_A100_v4",
    }
    assert all(worker.machine.gpus == gpus for (_, gpus, _), worker in found.items())


def test_every_gpu_machine_of_the_catalogue_can_be_asked_for():
    for kind, machines in GPU_MACHINES.items():
        for machine in machines.values():
            options = Options(gpus=machine.gpus, accelerator=machine.accelerator, spot=True, **FILLED_IN)
            assert findings_in(launch_text(kind, options)) == ()


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_listens_to_the_world_and_every_side_shows_the_token(kind):
    text = launch_text(kind, Options(**FILLED_IN))

    assert "0.0.0.0" not in text
    document = yaml.safe_load(text)
    if kind == "kuberay":
        assert document["spec"]["authOptions"] == {"mode": "token"}
        assert document["spec"]["headGroupSpec"]["serviceType"] == "ClusterIP"
    elif kind != "local":
        assert document["file_mounts"] == {"~/.ray/auth_token": "~/.ray/auth_token"}
        for key in ("head_start_ray_commands", "worker_start_ray_commands"):
            assert "RAY_AUTH_MODE=token" in document[key][1]
        assert "--dashboard-host=127.0.0.1" in document["head_start_ray_commands"][1]


@pytest.mark.parametrize("kind", ["aws", "gcp", "azure", "onprem"])
def test_every_command_is_one_that_a_shell_reads(kind):
    document = yaml.safe_load(launch_text(kind, Options(**FILLED_IN)))

    for key, lines in document.items():
        for line in lines if key.endswith("_commands") else ():
            subprocess.run(["bash", "-n", "-c", line], check=True, capture_output=True, timeout=20)
            assert "\n" not in line
            assert shlex.split(line)


def test_only_what_a_user_has_to_fill_in_is_told():
    places = {}
    for kind in KINDS:
        places[kind] = {(one.severity, one.place) for one in findings_in(launch_text(kind, Options()))}

    no_storage = ("warning", "metadata.a440.storage")
    assert places == {
        "aws": {no_storage},
        "gcp": {no_storage, ("warning", "provider.project_id")},
        "azure": {no_storage},
        "kuberay": {("warning", "metadata.annotations.a440/storage")},
        "onprem": {no_storage, ("warning", "provider.head_ip"), ("warning", "provider.worker_ips[0]")},
        "local": set(),
    }


def test_own_machines_declare_the_gpus_and_cpus_that_were_named():
    options = Options(gpus=2, accelerator="A100", cpus=16, head_ip="10.0.0.1", worker_ips=("10.0.0.2", "10.0.0.3"))

    worker = parse(launch_text("onprem", options)).workers[0]

    assert (worker.machine.cpus, worker.machine.gpus, worker.least, worker.most) == (16, 2, 2, 2)
    assert worker.machine.labels == {"ray.io/accelerator-type": "A100"}


def test_a_wheel_travels_to_the_nodes_and_an_address_does_not(tmp_path):
    wheel = tmp_path / "a440-0.2.0-py3-none-any.whl"
    wheel.touch()

    with_wheel = yaml.safe_load(launch_text("aws", Options(package=str(wheel))))
    with_address = yaml.safe_load(launch_text("aws", Options(package="git+https://example.org/a440@v1")))

    assert with_wheel["file_mounts"][f"~/{wheel.name}"] == str(wheel)
    assert f"~/{wheel.name}" in with_wheel["setup_commands"][2]
    assert "'git+https://example.org/a440@v1'" in with_address["setup_commands"][2]
    with pytest.raises(ValueError, match="pods see no files of this machine"):
        launch_text("kuberay", Options(package=str(wheel)))


def test_the_versions_are_those_that_are_installed_here():
    from importlib.metadata import version

    for kind in ("aws", "gcp", "azure", "onprem"):
        pip = yaml.safe_load(launch_text(kind, Options()))["setup_commands"][2]
        assert f"'ray[default]=={version('ray')}'" in pip
        assert f"'a440=={version('a440')}'" in pip
    assert yaml.safe_load(launch_text("kuberay", Options()))["spec"]["rayVersion"] == version("ray")


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("awz", {}, r"no kind of cluster is called 'awz'. Write one of aws"),
        ("aws", {"name": "My GPUs"}, r"--name gpus"),
        ("aws", {"min_workers": 5, "max_workers": 2}, r"Write the smaller first: --min-workers 0 --max-workers 2"),
        ("aws", {"max_workers": 0}, r"Write 1 or more: --max-workers 1"),
        ("aws", {"gpus": -1}, r"--gpus is -1. Write 0 or more"),
        ("local", {"cpus": 0}, r"--cpus is 0"),
        ("aws", {"gpus": 3}, r"aws has no machine with 3 A10G; it has 1, 4, 8. Write --gpus 1"),
        ("azure", {"accelerator": "A10G"}, r"no machine of azure with 'A10G'.* --accelerator A10\|A100\|H100"),
        ("aws", {"price": -2}, r"--price is -2. Write what an hour costs"),
        ("aws", {"region": "eu west"}, r"--region is 'eu west'. Write it without spaces"),
        ("aws", {"storage": "s3://b/$(id)"}, r"--storage is"),
        ("aws", {"package": "a440'; rm -rf ~; '"}, r"--package is"),
        ("aws", {"allow": "10.0.0.0/99"}, r"Write a network: --allow 203.0.113.0/24"),
        ("aws", {"allow": "0.0.0.0/0"}, r"is the whole internet. Write your own network"),
        ("aws", {"idle_minutes": 0}, r"--idle-minutes is 0. Write 1 or more"),
        ("azure", {"image": "ubuntu"}, r"Write Azure's four words"),
        ("kuberay", {"kubernetes": "k3s"}, r"--kubernetes is 'k3s'. Write one of gke"),
        ("kuberay", {"accelerator": "A10G"}, r"no GPU of Google's Kubernetes is called 'A10G'"),
        ("onprem", {"spot": True}, r"no meaning for machines of your own"),
        ("onprem", {"head_ip": "10.0.0.1", "worker_ips": ("10.0.0.1",)}, r"an address comes twice"),
        ("onprem", {"head_ip": "10.0.0.1; rm"}, r"--head-ip is '10.0.0.1; rm'. Write an address"),
    ],
)
def test_options_that_make_no_cluster_are_refused_with_a_mend(kind, options, message):
    with pytest.raises(ValueError, match=message):
        launch_text(kind, Options(**options))


@pytest.mark.parametrize(
    "text",
    ["no", "1.20", "8", "null", "a: b", "#x", "@x", "~", "s3://b/x", "Größe", "-", "", "a440", "0x1F", "1e3", "12:30"],
)
def test_a_scalar_is_read_back_as_the_text_that_it_was(text):
    assert yaml.safe_load(f"key: {scalar(text)}") == {"key": text}


def test_templates_have_no_word_left_and_no_line_of_trailing_space():
    for kind, spot in itertools.product(KINDS, (False, True)):
        if not (kind == "onprem" and spot):
            text = launch_text(kind, Options(spot=spot))
            assert not re.search(r"\{\{\w+\}\}", text)
            assert not re.search(r"[ \t]+$", text, flags=re.MULTILINE)
            assert max(len(line) for line in text.splitlines() if "pip install" not in line) <= 140
            assert text.startswith("# ")


def test_the_packed_schema_is_small_and_knows_both_kinds():
    from cluster.schemas import _of_kuberay

    packed = Path(__file__).resolve().parents[2] / "cluster" / "schemas" / "kuberay.json.gz"
    assert packed.stat().st_size < 50_000
    assert set(_of_kuberay()["kinds"]) == {"RayCluster", "RayJob"}
