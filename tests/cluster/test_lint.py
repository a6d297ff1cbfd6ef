"""Every finding has a file that has it; what `init` writes has none, so each is the only new one."""

import json
import random
from pathlib import Path

import pytest
import yaml

from cluster import installed_ray
from cluster.clouds import KINDS, Options, launch_text
from cluster.document import documents
from cluster.launch_file import describes_a_cluster, parse
from cluster.lint import findings, findings_in, lint

FILLED_IN = {
    "storage": "s3://bucket/studies",
    "project": "tuning-1",
    "head_ip": "10.0.0.1",
    "worker_ips": ("10.0.0.2", "10.0.0.3"),
}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home with a token and an SSH key, both private."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
    for name in (".ray/auth_token", ".ssh/id_ed25519"):
        (tmp_path / name).parent.mkdir(mode=0o700)
        (tmp_path / name).write_text("secret")
        (tmp_path / name).chmod(0o600)
    return tmp_path


def good(kind, **options):
    spot = {} if kind == "onprem" else {"spot": True}
    return launch_text(kind, Options(**{**FILLED_IN, **spot, **options}))


def broken(kind, changes):
    """A good file with parts of its text replaced; each must be there."""
    text = good(kind)
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return findings_in(text)


@pytest.mark.parametrize("kind", ["aws", "gcp", "azure", "kuberay", "onprem", "local"])
def test_a_good_file_has_no_findings(kind):
    assert findings_in(good(kind)) == ()


MISTAKES = yaml.safe_load(
    (Path(__file__).parent / "mistakes.yaml").read_text().replace("2.60.0", installed_ray.version())
)


def case_id(mistake):
    place = mistake.get("error", mistake.get("warning"))
    return f"{mistake['kind']}-{place}-{mistake['seen']}"[:90].replace(" ", "_")


@pytest.mark.parametrize("mistake", MISTAKES, ids=case_id)
def test_each_mistake_is_found_and_is_the_only_finding(mistake):
    severity = "error" if "error" in mistake else "warning"
    place = mistake[severity]

    found = broken(mistake["kind"], mistake["replace"])

    if mistake["seen"] is None:
        assert found == ()
        return
    there = [one for one in found if one.place == place and mistake["seen"] in one.seen]
    assert [one.severity for one in there] == [severity], found
    assert {one.place for one in found} <= {place, *mistake.get("and", ())}, found
    assert all(one.seen and one.mend and not one.seen.endswith(".") for one in found)
    assert findings_in(good(mistake["kind"])) == ()


def test_a_wrong_workers_side_of_the_token_is_found():
    text = good("aws")
    head, worker = text.split("worker_start_ray_commands:")
    without_export = head.replace("$PATH RAY_AUTH_MODE=token", "$PATH")

    found = findings_in(f"{without_export}worker_start_ray_commands:{worker.replace('RAY_AUTH_MODE=token', 'A=b')}")

    assert [(one.severity, one.place) for one in found] == [("error", "worker_start_ray_commands")]
    assert "workers show no token" in found[0].seen


def test_a_public_dashboard_behind_a_token_is_no_finding():
    assert broken("aws", {"--dashboard-host=127.0.0.1": "--dashboard-host=0.0.0.0"}) == ()


def test_what_rays_defaults_would_do_is_found_in_a_file_that_leaves_it_out():
    found = findings_in("cluster_name: c\nprovider: {type: aws, region: us-east-1}\n")

    seen = {one.place: one.seen for one in found}
    assert "nightly" in seen["setup_commands"]
    assert "0.0.0.0 without a token" in seen["head_start_ray_commands"]
    assert "Ubuntu 18.04" in seen["available_node_types.ray.head.default.node_config.ImageId"]
    assert "no on-demand twin" in seen["available_node_types.ray.worker.default"]
    assert "SSH open to the whole internet" in seen["provider.security_group"]


def test_keys_and_tokens_that_others_can_read_are_found(home):
    (home / ".ssh" / "id_ed25519").chmod(0o644)
    (home / ".ray" / "auth_token").chmod(0o640)

    found = findings_in(good("onprem"))

    assert [(one.severity, one.place) for one in found] == [
        ("error", "auth.ssh_private_key"),
        ("warning", "file_mounts.~/.ray/auth_token"),
    ]
    assert found[1].mend == "Run: chmod 600 ~/.ray/auth_token"


def test_a_token_that_is_not_made_yet_is_no_finding(home):
    (home / ".ray" / "auth_token").unlink()

    assert findings_in(good("aws")) == ()


def test_a_secret_is_never_repeated():
    secret = "AKIAABCDEFGHIJKLMNOP"

    found = broken("aws", {"setup_commands:\n": f"setup_commands:\n  - export A={secret}\n"})

    assert found
    assert secret not in " ".join(one.line_of("c.yaml") for one in found)


def test_findings_are_printed_with_their_line_and_as_json():
    text = good("aws").replace("  region: us-east-1", "  regoin: us-east-1")
    line = next(n for n, row in enumerate(text.splitlines(), start=1) if "regoin" in row)

    finding = findings_in(text)[0]

    assert finding.line_of("cluster.yaml") == (
        f"cluster.yaml:{line} error provider.regoin: aws reads no such key, and Ray drops it in silence. "
        f"Did you mean 'region'?"
    )
    assert json.loads(finding.as_json("cluster.yaml")) == {
        "file": "cluster.yaml", "line": line, "place": "provider.regoin", "severity": "error",
        "seen": "aws reads no such key, and Ray drops it in silence", "mend": "Did you mean 'region'?",
    }  # fmt: skip


@pytest.mark.parametrize(("kind", "word"), [("RayJob", "rayClusterSpec"), ("RayService", "rayClusterConfig")])
def test_a_cluster_inside_a_job_or_a_service_is_linted_alike(kind, word):
    document = yaml.safe_load(good("kuberay"))
    document |= {"kind": kind, "spec": {word: document["spec"]}}
    if kind == "RayJob":
        document["spec"]["entrypoint"] = "a440 run study.yaml"

    clean = findings_in(yaml.safe_dump(document))
    document["spec"][word]["rayVersoin"] = "2"
    broken_one = findings_in(yaml.safe_dump(document))

    assert clean == ()
    assert [one.place for one in broken_one] == [f"spec.{word}.rayVersoin"]


def test_several_clusters_and_other_objects_may_stand_in_one_file():
    text = "\n---\n".join([good("kuberay"), "apiVersion: v1\nkind: Service\nmetadata: {name: x}", good("aws")])

    assert findings_in(text) == ()
    assert findings(parse(good("aws"))) == ()


def test_what_is_no_launch_file_is_said(tmp_path):
    with pytest.raises(ValueError, match=r"describes no cluster\. Give a launch file"):
        findings_in("lr: 0.1")
    with pytest.raises(FileNotFoundError, match="there is no file"):
        lint(tmp_path / "none.yaml")
    (tmp_path / "c.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="not UTF-8"):
        lint(tmp_path / "c.yaml")


JUNK = (None, -1, "x", [], {}, True, [1], {"a": 1}, [{"a": None}], 10**9)


def paths(found, path=()):
    if path:
        yield path
    pairs = found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else ()
    for key, value in pairs:
        yield from paths(value, (*path, key))


def assert_findings_and_no_crash(kind, path, junk):
    document = yaml.safe_load(good(kind))
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = junk
    text = yaml.safe_dump(document)
    if any(describes_a_cluster(one) for one in documents(text, "c.yaml")):
        assert isinstance(findings_in(text), tuple)


@pytest.mark.parametrize("kind", KINDS)
def test_junk_anywhere_gives_findings_and_never_a_crash(kind):
    dice = random.Random(kind)
    cases = [(path, junk) for path in paths(yaml.safe_load(good(kind))) for junk in JUNK]

    for path, junk in dice.sample(cases, 12):
        assert_findings_and_no_crash(kind, path, junk)


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
def test_junk_everywhere_gives_findings_and_never_a_crash(kind):
    for path in paths(yaml.safe_load(good(kind))):
        for junk in JUNK:
            assert_findings_and_no_crash(kind, path, junk)
