"""Launch files become values: the same machines that Ray itself would count."""

import copy

import pytest
import yaml

from cluster import Bundle
from cluster.document import documents
from cluster.launch_file import parse, read

AWS = """\
cluster_name: gpus
max_workers: 6
idle_timeout_minutes: 4
provider: {type: aws, region: eu-west-1}
metadata:
  a440:
    prices: {head: 0.1, gpu_spot: 0.5, gpu: 1}
    storage: s3://bucket/studies
    spot_minutes: 5
available_node_types:
  head:
    resources: {CPU: 0}
    node_config: {InstanceType: m5.large}
  gpu_spot:
    resources: {}
    min_workers: 1
    max_workers: 4
    labels: {ray.io/market-type: spot, ray.io/accelerator-type: A10G}
    node_config: {InstanceType: g5.xlarge, InstanceMarketOptions: {MarketType: spot}}
  gpu:
    resources: {CPU: 4, GPU: 1}
    labels: {ray.io/market-type: on-demand, ray.io/accelerator-type: A10G}
    node_config: {InstanceType: g5.xlarge}
head_node_type: head
"""

KUBERAY = """\
apiVersion: v1
kind: Service
metadata: {name: not-a-cluster}
---
apiVersion: ray.io/v1
kind: RayCluster
metadata:
  name: gpus
  namespace: default
  annotations: {a440/storage: "s3://bucket/studies", a440/spot-minutes: "5", a440/price-per-hour: "0.1"}
spec:
  rayVersion: 2.60.0
  enableInTreeAutoscaling: true
  autoscalerOptions: {idleTimeoutSeconds: 120}
  headGroupSpec:
    rayStartParams: {num-cpus: "0"}
    template:
      spec:
        containers: [{name: ray, image: "rayproject/ray:2.60.0", resources: {limits: {cpu: "2", memory: 8Gi}}}]
  workerGroupSpecs:
    - groupName: spot
      minReplicas: 1
      maxReplicas: 4
      numOfHosts: 2
      labels: {ray.io/accelerator-type: L4}
      rayStartParams: {}
      template:
        metadata: {annotations: {a440/price-per-hour: "0.4"}}
        spec:
          nodeSelector: {cloud.google.com/gke-spot: "true"}
          containers:
            - name: ray
              image: rayproject/ray:2.60.0
              resources: {limits: {cpu: 3500m, memory: 16Gi, nvidia.com/gpu: 1}, requests: {cpu: "3"}}
    - groupName: plain
      replicas: 0
      minReplicas: 0
      maxReplicas: 2147483647
      rayStartParams: {num-cpus: "7", num-gpus: "2", resources: '"{\\\\"disk\\\\": 3}"'}
      template: {spec: {containers: [{name: ray, image: "x:1", resources: {requests: {cpu: 1, memory: 1000M}}}]}}
"""

LOCAL = """\
cluster_name: own
provider: {type: local, head_ip: 10.0.0.1, worker_ips: [10.0.0.2, 10.0.0.3]}
worker_start_ray_commands:
  - ray stop
  - >-
    RAY_AUTH_MODE=token ray start --address=$RAY_HEAD_IP:6379 --num-cpus 8 --num-gpus=2
    --labels="ray.io/accelerator-type=A100" --resources='{"disk": 1}'
"""


def test_a_file_for_aws_becomes_types_with_what_their_machines_have():
    found = parse(AWS)

    spot, plain = found.workers
    assert (found.name, found.provider, found.most, found.idle_minutes) == ("gpus", "aws", 6, 4)
    assert (found.storage, found.spot_minutes) == ("s3://bucket/studies", 5)
    assert (found.head.machine.cpus, found.head.most) == (0, 0)
    assert (spot.kind, spot.spot, spot.least, spot.most, spot.price) == ("g5.xlarge", True, 1, 4, 0.5)
    assert (spot.machine.cpus, spot.machine.gpus) == (4, 1)
    assert spot.machine.memory_gib == pytest.approx(11.2)
    assert (plain.spot, plain.most) == (False, 6)


def test_what_it_costs_is_the_head_with_the_fewest_and_with_the_dearest_nodes():
    assert parse(AWS).cost_per_hour() == (pytest.approx(0.1 + 0.5), pytest.approx(0.1 + 6 * 1))
    assert parse(AWS.replace("gpu: 1}", "}")).cost_per_hour() is None


def test_a_study_sees_the_nodes_that_there_always_are_and_those_that_may_be_started():
    fleet = parse(AWS).fleet()

    assert [machine.labels["ray.io/node-group"] for machine in fleet.machines] == ["head", "gpu_spot"]
    assert Bundle(gpus=1).fit(fleet.machines).at_once == 1
    assert Bundle(gpus=1).fit(fleet.at_most()).at_once == 6


def test_what_a_file_leaves_out_comes_from_rays_defaults():
    found = parse("{cluster_name: c, provider: {type: aws}}")

    assert [(kind.name, kind.kind, kind.spot, kind.machine.cpus) for kind in found.types] == [
        ("ray.head.default", "m5.large", False, 2),
        ("ray.worker.default", "m5.large", True, 2),
    ]
    assert found.most == 2


@pytest.mark.parametrize(
    ("provider", "config", "spot"),
    [
        ("aws", {"InstanceMarketOptions": {"MarketType": "spot"}}, True),
        ("aws", {}, False),
        ("gcp", {"scheduling": [{"preemptible": True}]}, True),
        ("gcp", {"scheduling": {"provisioningModel": "SPOT"}}, True),
        ("gcp", {"scheduling": [{"preemptible": False}]}, False),
        ("gcp", {"schedulingConfig": {"spot": True}}, True),
        ("azure", {"azure_arm_parameters": {"priority": "Spot"}}, True),
        ("azure", {"azure_arm_parameters": {"vmSize": "x"}}, False),
    ],
)
def test_each_clouds_word_for_spot_is_understood(provider, config, spot):
    types = {"head": {"resources": {}, "node_config": {}}, "worker": {"resources": {"CPU": 1}, "node_config": config}}
    spec = {"cluster_name": "c", "provider": {"type": provider}, "available_node_types": types}

    found = parse(yaml.safe_dump({**spec, "head_node_type": "head"}))

    assert found.workers[0].spot is spot


def test_the_defaults_are_filled_in_as_by_ray_itself():
    from ray.autoscaler._private.util import prepare_config

    for text in (AWS, "{cluster_name: c, provider: {type: gcp}}", "{cluster_name: c, provider: {type: azure}}"):
        theirs = prepare_config(yaml.safe_load(text))
        ours = parse(text)

        assert {kind.name: (kind.least, kind.most) for kind in ours.types} == {
            name: (kind["min_workers"], kind["max_workers"]) for name, kind in theirs["available_node_types"].items()
        }
        assert (ours.most, ours.idle_minutes) == (theirs["max_workers"], theirs["idle_timeout_minutes"])


@pytest.mark.parametrize("extra", ["", "max_workers: 1", "{max_workers: 9}", "max_workers: 0"])
def test_machines_over_ssh_are_counted_as_by_ray_itself(extra):
    from ray.autoscaler._private.util import prepare_config

    document = yaml.safe_load(LOCAL) | (yaml.safe_load(extra) or {})

    theirs = prepare_config(copy.deepcopy(document))
    ours = parse(yaml.safe_dump(document))

    kind = theirs["available_node_types"]["local.cluster.node"]
    assert (ours.workers[0].most, ours.most) == (kind["max_workers"], theirs["max_workers"])
    assert ours.workers[0].least == min(kind["min_workers"], ours.most)


def test_machines_over_ssh_have_what_their_start_command_declares():
    worker = parse(LOCAL).workers[0]

    assert worker.machine.resources() == {"CPU": 8, "GPU": 2, "memory": 0, "disk": 1}
    assert worker.machine.labels == {"ray.io/accelerator-type": "A100"}


def cluster(**changes):
    """The RayCluster of above, with its spec changed."""
    found = list(yaml.safe_load_all(KUBERAY))[1]
    found["spec"] |= changes
    return found


def with_worker(**changes):
    found = cluster()
    found["spec"]["workerGroupSpecs"][0] |= changes
    return found


@pytest.mark.parametrize(
    "ray_cluster",
    [
        cluster(),
        cluster(autoscalerOptions={}),
        with_worker(minReplicas=0, maxReplicas=3, numOfHosts=1),
        with_worker(resources={"CPU": "6", "memory": "4Gi", "disk": "2"}),
        with_worker(rayStartParams={"num-cpus": "9", "memory": "123456789"}),
        with_worker(rayStartParams={"num-gpus": "0"}),
        with_worker(labels={"zone": "a"}),
        with_worker(
            template={"spec": {"containers": [{"resources": {"limits": {"cpu": 1.5, "amd.com/gpu": "2"}}}]}},
        ),
        with_worker(template={"spec": {"containers": [{"resources": {"requests": {"cpu": "250m", "memory": "1e9"}}}]}}),
        with_worker(
            template={
                "spec": {
                    "containers": [{"resources": {"limits": {"cpu": "4", "google.com/tpu": "4"}}}],
                    "nodeSelector": {
                        "cloud.google.com/gke-tpu-topology": "2x2x2",
                        "cloud.google.com/gke-tpu-accelerator": "tpu-v4-podslice",
                    },
                }
            }
        ),
    ],
)
def test_a_ray_cluster_is_read_as_by_rays_own_autoscaler(ray_cluster):
    from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr

    theirs = _derive_autoscaling_config_from_ray_cr(copy.deepcopy(ray_cluster))
    ours = parse(yaml.safe_dump(ray_cluster))

    assert ours.idle_minutes == theirs["idle_timeout_minutes"]
    assert [kind.name for kind in ours.types] == list(theirs["available_node_types"])
    for kind in ours.types:
        said = theirs["available_node_types"][kind.name]
        assert (kind.least, kind.most) == (said["min_workers"], min(said["max_workers"], 10_000))
        assert kind.machine.labels == said["labels"]
        expected = {"GPU": 0, "memory": 0, **said["resources"]}
        assert kind.machine.resources() == {
            word: amount for word, amount in expected.items() if not word.startswith("TPU-")
        }


def test_prices_storage_and_spot_of_a_ray_cluster_are_annotations_and_selectors():
    found = parse(KUBERAY)

    spot, plain = found.workers
    assert (found.storage, found.spot_minutes, found.head.price) == ("s3://bucket/studies", 5, 0.1)
    assert (spot.spot, spot.price, plain.spot, plain.price) == (True, 0.4, False, None)
    assert plain.machine.custom == {"disk": 3}


def test_a_spot_affinity_counts_as_a_selector():
    rule = {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["spot"]}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [rule]}]}
    pod = {
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}},
        "containers": [{"resources": {"limits": {"cpu": "1"}}}],
    }

    assert parse(yaml.safe_dump(with_worker(template={"spec": pod}))).workers[0].spot


def test_without_autoscaling_there_are_as_many_pods_as_replicas():
    found = parse(yaml.safe_dump(cluster(enableInTreeAutoscaling=False)))

    assert [(kind.least, kind.most) for kind in found.workers] == [(2, 2), (0, 0)]
    assert not found.fleet().scales


def test_a_ray_job_and_a_ray_service_hold_a_cluster():
    spec = cluster()["spec"]
    for kind, word in (("RayJob", "rayClusterSpec"), ("RayService", "rayClusterConfig")):
        whole = {"apiVersion": "ray.io/v1", "kind": kind, "metadata": {"name": "gpus"}, "spec": {word: spec}}

        found = parse(yaml.safe_dump(whole))

        assert found.types[1:] == parse(KUBERAY).types[1:]
        assert found.at == ("spec", word)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", r"cluster.yaml:1 .*expected ',' or ']'.*Check the indentation"),
        ("- a", "cluster.yaml:1 holds no mapping. Write `key: value`"),
        ("x" * 1_000_001, "has 1000001 bytes. Give a launch file"),
        ("a: \x00", "cluster.yaml is not YAML: .*Save it as plain UTF-8 text"),
        ("? [list]\n: 1", "cluster.yaml:1 while constructing a mapping, found unhashable key"),
        ("lr: 0.1", "holds no cluster: .*a440 cluster init"),
        (AWS + "---\n" + AWS, "holds 2 clusters. Give a file with one"),
        (
            AWS.replace("head_node_type: head", "head_node_type: haed"),
            r":24 head_node_type: 'haed' is not among .* head",
        ),
        (
            AWS.replace("max_workers: 4", "max_workers: four"),
            ":17 available_node_types.gpu_spot.max_workers: 'four' is not",
        ),
        (AWS.replace("gpu_spot: 0.5", "gpu_spot: -1"), ":7 metadata.a440.prices.gpu_spot: -1 is not an amount. Write"),
        (
            AWS.replace("{CPU: 4, GPU: 1}", "{CPU: '4'}"),
            r":21 available_node_types.gpu.resources.CPU: '4' is not an amount",
        ),
        (AWS.replace("type: aws, ", ""), ":4 provider.type: None is not a text"),
        (KUBERAY.replace("cpu: 3500m", "cpu: 3.5 cores"), "cpu: '3.5 cores' is no quantity of Kubernetes. Write"),
        (KUBERAY.replace('num-cpus: "7"', 'num-cpus: "all"'), "num-cpus: 'all' is not a whole number"),
        (KUBERAY.replace("cpu: 1,", ""), None),
        (KUBERAY.replace('num-cpus: "7", ', "").replace("cpu: 1,", ""), "neither num-cpus nor a CPU limit"),
        (KUBERAY.replace("RayCluster", "RayCronJob"), "'RayCronJob' describes no cluster. Give an object of kind"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line_and_a_mend(text, message):
    if message is None:
        parse(text)
        return
    with pytest.raises(ValueError, match=message):
        parse(text)


def test_a_missing_file_says_how_to_write_one(tmp_path):
    with pytest.raises(FileNotFoundError, match="Write one: a440 cluster init aws > "):
        read(tmp_path / "cluster.yaml")
    with pytest.raises(FileNotFoundError, match="is a folder"):
        read(tmp_path)


def test_a_file_is_read_as_its_text(tmp_path):
    (tmp_path / "cluster.yaml").write_text(AWS)
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9\n")

    assert read(tmp_path / "cluster.yaml").types == parse(AWS).types
    with pytest.raises(ValueError, match="is not UTF-8 text"):
        read(tmp_path / "latin.yaml")


def test_keys_that_come_twice_are_noted_and_aliases_are_followed():
    found = documents("---\n---\na: &x {b: 1}\nc: *x\na: 2\n", "f.yaml")[0]

    assert {key: found.data[key] for key in "ac"} == {"a": 2, "c": {"b": 1}}
    assert found.twice == ((("a",), 5),)
