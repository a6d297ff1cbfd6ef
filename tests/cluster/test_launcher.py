"""What is said of a cluster, and how Ray's launcher and kubectl are called; both are recorded, not run."""

import subprocess

import pytest

from cluster import launcher
from cluster.clouds import Options, launch_text
from cluster.launch_file import read
from cluster.launcher import Cluster, describe


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """The commands that were given, with the variables that were set for them."""
    found = []

    def call(words, env=None):
        found.append((list(words), env or {}))
        return 0

    monkeypatch.setattr(subprocess, "call", call)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr(launcher.kubectl, "_kubectl", lambda: "kubectl")
    monkeypatch.setattr(launcher.kubectl, "_head_pod", lambda name: f"pod/{name}-head")
    return found


def written(tmp_path, kind, **options):
    file = tmp_path / "cluster.yaml"
    file.write_text(launch_text(kind, Options(**options)))
    return file


def test_a_cluster_is_described_with_its_types_bounds_and_prices(tmp_path):
    file = written(tmp_path, "aws", spot=True, price=1.0, spot_price=0.4, head_price=0.2, max_workers=3)

    lines = describe(read(file)).splitlines()

    assert lines[0] == "cluster  a440 on aws"
    assert any(line.split()[:4] == ["gpu_spot", "0", "to", "3"] and "spot, 0.4 an hour each" in line for line in lines)
    assert "costs    0.2 an hour with no more than there always are, 3.2 with all" in lines


@pytest.mark.parametrize(
    ("verb", "words"), [("up", ["up", "-y"]), ("down", ["down", "-y"]), ("attach", ["attach"]), ("status", ["exec"])]
)
def test_rays_launcher_is_called_with_the_token_on_and_a_patience_of_its_own(tmp_path, calls, verb, words):
    file = written(tmp_path, "aws")

    assert getattr(Cluster(file), verb)() == 0

    [(command, variables)] = calls
    assert command[1:4] == ["-m", "ray.scripts.scripts", words[0]]
    assert str(file) in command
    assert set(words) <= set(command)
    assert variables["RAY_AUTH_MODE"] == "token"
    assert variables["AUTOSCALER_NODE_START_WAIT_S"] == "300"
    assert "RAY_UP_enable_autoscaler_v2" not in variables


def test_own_machines_are_tried_first_brought_up_by_the_first_autoscaler_and_stopped_one_by_one(
    tmp_path, calls, monkeypatch
):
    reached, stopped = [], []
    monkeypatch.setattr(launcher.Ssh, "check", lambda ssh: reached.append(ssh.host))
    monkeypatch.setattr(launcher.Ssh, "run", lambda ssh, *words: stopped.append((ssh.host, *words)))
    cluster = Cluster(written(tmp_path, "onprem", head_ip="10.0.0.1", worker_ips=("10.0.0.2", "10.0.0.3")))

    cluster.up()
    cluster.down()

    assert sorted(reached) == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert all(variables["RAY_UP_enable_autoscaler_v2"] == "0" for _, variables in calls)
    assert sorted(stopped) == [("10.0.0.2", "ray stop"), ("10.0.0.3", "ray stop")]
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600


def test_a_cluster_of_kuberay_goes_by_kubectl(tmp_path, calls):
    cluster = Cluster(written(tmp_path, "kuberay"))

    codes = [cluster.up(), cluster.status(), cluster.attach(), cluster.down()]

    assert codes == [0, 0, 0, 0]
    words = [command[1:] for command, _ in calls]
    assert words[0] == ["apply", "-f", str(cluster.path)]
    assert words[1] == ["exec", "pod/a440-head", "-c", "ray-head", "--", "ray", "status"]
    assert words[2] == ["exec", "-it", "pod/a440-head", "-c", "ray-head", "--", "bash"]
    assert words[3][:3] == ["delete", "-f", str(cluster.path)]


def test_pretended_machines_are_not_started(tmp_path):
    with pytest.raises(ValueError, match=r"only pretended.* a440 cluster simulate .*cluster\.yaml study\.yaml"):
        Cluster(written(tmp_path, "local"))
