"""One embedded Ray, and what `connect` makes of it from inside and from other processes."""

import json
import os
import platform
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from cluster import Bundle, Machine

CHILD = """
import json, sys
from cluster.to_ray import connect
try:
    with connect(*json.loads(sys.argv[1])) as connection:
        print(json.dumps([connection.embedded, connection.address]))
except Exception as error:
    print(json.dumps([isinstance(error, ConnectionError), str(error)]))
"""


@pytest.fixture(scope="module")
def home():
    """A home and a temporary folder of our own; short, for Ray's sockets lie in it."""
    folder = Path(tempfile.mkdtemp(prefix="a440-", dir="/tmp"))
    patch = pytest.MonkeyPatch()
    patch.setenv("HOME", str(folder))
    patch.setenv("RAY_TMPDIR", str(folder))
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        patch.delenv(name, raising=False)
    yield folder
    patch.undo()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def embedded(home):
    """The one embedded Ray of this module, and the token file's mode as Ray first saw it."""
    from cluster.to_ray import connect, local_machine

    token = home / ".ray" / "auth_token"
    token.parent.mkdir()
    token.write_text("f" * 64)
    token.chmod(0o644)
    counted = local_machine()
    environment = dict(os.environ)
    sigterm = signal.getsignal(signal.SIGTERM)

    with connect() as connection:
        yield connection, counted

    import ray

    assert not ray.is_initialized()
    assert signal.getsignal(signal.SIGTERM) is sigterm
    assert {k: v for k, v in os.environ.items() if k.startswith("RAY_A")} == {
        k: v for k, v in environment.items() if k.startswith("RAY_A")
    }


def other_process(*arguments, **environment):
    """What `connect(*arguments)` gives in a process of its own, without our changed environment."""
    ours = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_AUTH", "RAY_ENABLE"))}
    command = [sys.executable, "-c", CHILD, json.dumps(arguments)]
    child = subprocess.run(command, env=ours | environment, capture_output=True, text=True, timeout=60)
    assert child.stdout, child.stderr
    return json.loads(child.stdout)


def test_an_embedded_ray_offers_what_was_counted_before_it_started(embedded):
    connection, counted = embedded

    (machine,) = connection.machines

    assert connection.embedded
    assert (machine.name, machine.cpus, machine.gpus) == (platform.node(), counted.cpus, counted.gpus)
    assert machine.custom == counted.custom
    assert machine.memory_gib == pytest.approx(counted.memory_gib, rel=0.2)
    assert Bundle().fit(connection.machines).at_once == machine.cpus


def test_an_embedded_ray_listens_on_loopback_and_has_a_private_token(embedded, home):
    connection, _ = embedded

    token = home / ".ray" / "auth_token"

    assert connection.address.startswith("127.0.0.1:")
    assert os.environ["RAY_AUTH_MODE"] == "token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert token.read_text() == "f" * 64


def test_a_bundle_is_placed_and_runs(embedded):
    import ray

    from cluster.to_ray import placement

    factory = placement(Bundle(cpus=0.5, memory_gib=0.1))
    group = factory()

    assert factory.bundles == [{"CPU": 0.5, "memory": round(0.1 * 2**30)}]
    assert group.wait(30)
    ray.util.remove_placement_group(group)


def test_a_ray_that_this_process_is_on_is_used_and_left(embedded):
    import ray

    from cluster.to_ray import connect

    with connect() as inner:
        seen = inner

    assert not seen.embedded
    assert seen.address == embedded[0].address
    assert seen.machines == embedded[0].machines
    assert ray.is_initialized()


def test_a_process_on_one_ray_is_not_taken_to_another(embedded):
    from cluster.to_ray import connect

    with pytest.raises(ConnectionError, match=r"so it cannot join 10\.0\.0\.5:6379 too\. Call ray\.shutdown"):
        connect("10.0.0.5:6379").__enter__()
    with pytest.raises(ValueError, match=r"cpus=2 was asked for, but .* Leave cpus out"):
        connect(cpus=2).__enter__()


def test_another_process_joins_by_address_and_leaves_it_running(embedded):
    import ray

    address = embedded[0].address

    joined = [other_process(address), other_process(RAY_ADDRESS=address), other_process("auto", RAY_ADDRESS=address)]

    assert joined == [[False, address]] * 3
    assert ray.cluster_resources()["CPU"] == embedded[1].cpus


def test_a_ray_left_running_on_this_host_is_found(embedded, home):
    from ray._common.utils import get_ray_address_file

    file = Path(get_ray_address_file(None))
    file.write_text(embedded[0].address)

    found = other_process()
    file.unlink()

    assert home in file.parents
    assert found == [False, embedded[0].address]


def test_a_cluster_that_refuses_our_token_is_named_with_the_mend(embedded, home):
    address = embedded[0].address

    wrong = other_process(address, RAY_AUTH_TOKEN="wrong")
    none = other_process(address, HOME=str(home / "nobody"))
    none_but_wanted = other_process(address, HOME=str(home / "nobody"), RAY_AUTH_MODE="token")

    assert wrong == none == none_but_wanted
    assert wrong[0] is True
    assert wrong[1].startswith(f"the Ray at {address} refuses us without its token. Copy ~/.ray/auth_token")


def test_a_cluster_of_another_version_is_refused_naming_both(embedded):
    import ray

    address = embedded[0].address
    client = ray._raylet.GcsClient(address=address)
    theirs = client.internal_kv_get(b"CLUSTER_METADATA", namespace=b"cluster")
    other = json.dumps({"ray_version": "2.48.0", "python_version": "3.9.1"}).encode()

    client.internal_kv_put(b"CLUSTER_METADATA", other, True, namespace=b"cluster")
    refused = other_process(address)
    client.internal_kv_put(b"CLUSTER_METADATA", theirs, True, namespace=b"cluster")

    ours = f"this process runs Python {platform.python_version()} and Ray {ray.__version__}"
    assert f"runs Python 3.9.1 and Ray 2.48.0, but {ours}. Make an environment like the cluster's" in refused[1]


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", "no Ray answers at 127.0.0.1:1. Start one there with `ray start --head --port=1`"),
        ("auto", "no Ray that you started is running on this host. Start one with `ray start --head`"),
        ("ray://head:10001", "needs a driver inside the cluster. Send it there: ray job submit"),
    ],
)
def test_a_ray_that_is_not_there_is_refused_at_once(home, address, message):
    refused = other_process(address)

    assert message in refused[1]


@pytest.mark.parametrize("cpus", [0, -1, True, 1.5])
def test_an_embedded_ray_has_a_whole_number_of_cpus(cpus):
    from cluster.to_ray import connect

    with pytest.raises(ValueError, match=r"is no number of CPUs\. Write connect\(cpus=2\)"):
        connect(cpus=cpus).__enter__()


def test_a_number_of_cpus_can_be_asked_for():
    from cluster.to_ray import local_machine

    assert local_machine(cpus=7).cpus == 7
    assert isinstance(local_machine(), Machine)


def test_the_object_store_is_modest_and_fits_a_small_shared_memory(monkeypatch):
    from cluster import to_ray

    sizes = []
    for free, shared in [(64 << 30, 32 << 30), (64 << 30, 300 << 20), (64 << 30, 64 << 20), (1 << 29, 32 << 30)]:
        monkeypatch.setattr(to_ray, "estimate_available_memory", lambda free=free: free)
        monkeypatch.setattr(
            to_ray.shutil, "disk_usage", lambda _, shared=shared: shutil._ntuple_diskusage(0, 0, shared)
        )
        sizes.append(to_ray._object_store_bytes() >> 20)

    assert sizes == [1024, 270, 128, 128]


def told_by_its_node(word, seconds=0.0):
    """Runs on a node: where it ran, and what it was given."""
    import time

    import ray

    time.sleep(seconds)
    if word == "fail":
        raise OSError("no such word here")
    return ray.get_runtime_context().get_node_id(), word


def test_a_function_is_asked_on_every_node_and_takes_no_resources(embedded):
    import ray

    from cluster.to_ray import on_every_node, placement

    everything = placement(Bundle(cpus=embedded[0].machines[0].cpus))()
    assert everything.wait(30)
    [node] = ray.nodes()

    answers = on_every_node(told_by_its_node, "word", timeout_s=60)
    failed = on_every_node(told_by_its_node, "fail", timeout_s=60)
    late = on_every_node(told_by_its_node, "word", 60.0, timeout_s=0.5)

    ray.util.remove_placement_group(everything)
    assert answers == {platform.node(): (node["NodeID"], "word")}
    assert isinstance(failed[platform.node()], OSError)
    assert isinstance(late[platform.node()], TimeoutError)
