import json
import os
import socket
import subprocess
import sys
import time

import pytest

from orchestrator import folder as folders
from orchestrator.folder import BusyError, Lease, check_name, is_held, new_folder, resolve


@pytest.mark.parametrize("name", ["digits", "a", "x" * 64, "my-study_2.1", "_x"])
def test_plain_names_are_kept(name):
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", ".hidden", "../x", "/etc", "a/b", "x" * 65, "é", "a b", "a\n", None])
def test_names_that_are_no_folders_are_refused_with_one_that_is(name):
    with pytest.raises(ValueError, match="name: ") as refused:
        check_name(name)

    proposed = str(refused.value).rsplit("name: ", 1)[1]
    assert check_name(proposed) == proposed


def test_a_new_folder_is_private_and_never_an_old_one(tmp_path):
    made = [new_folder(tmp_path, "digits") for _ in range(3)]

    assert len(set(made)) == 3
    assert {path.stat().st_mode & 0o777 for path in made} == {0o700}
    assert all([inner.name for inner in path.rglob("*")] == ["ledger"] for path in made)


def test_a_relative_storage_is_resolved(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert resolve("runs") == tmp_path / "runs"
    assert resolve(f"file://{tmp_path}/runs") == tmp_path / "runs"


def test_an_address_stays_an_address_without_what_adds_nothing():
    assert resolve("s3://bucket//runs/") == "s3://bucket/runs"
    assert resolve("s3://bucket/runs?region=eu-west-1") == "s3://bucket/runs?region=eu-west-1"


def test_a_scheme_that_nobody_reads_is_refused():
    with pytest.raises(ValueError, match=r"scheme 's4'.*Did you mean 's3'\?.*storage: /mnt/runs"):
        resolve("s4://bucket/runs")


def test_a_storage_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("no folder")

    with pytest.raises(ValueError, match="cannot be written"):
        new_folder(tmp_path / "file", "digits")


def test_a_second_driver_is_told_who_holds_the_study(tmp_path):
    lease = Lease(tmp_path)

    with pytest.raises(BusyError, match=rf"pid {os.getpid()} on {socket.gethostname()}, heartbeat \d+ s ago") as told:
        Lease(tmp_path)

    assert f"kill {os.getpid()}" in str(told.value)
    lease.release()
    Lease(tmp_path).release()


def test_a_driver_in_another_process_is_seen_and_its_death_too(tmp_path):
    code = f"import sys,time; sys.path.insert(0, {str(folders.__file__.rsplit('/', 2)[0])!r})\n"
    code += f"from orchestrator.folder import Lease; from pathlib import Path\nLease(Path({str(tmp_path)!r}))\n"
    code += "print('held', flush=True); time.sleep(60)"
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"

    with pytest.raises(BusyError, match=f"pid {other.pid} "):
        Lease(tmp_path)
    held = is_held(tmp_path)
    other.kill()
    other.wait()

    assert held
    assert not is_held(tmp_path)
    Lease(tmp_path).release()


def test_a_fresh_heartbeat_of_another_host_is_respected(tmp_path):
    (tmp_path / "lease.json").write_text(json.dumps({"pid": 7, "host": "elsewhere", "beat": time.time()}))

    with pytest.raises(BusyError, match="pid 7 on elsewhere"):
        Lease(tmp_path)

    assert is_held(tmp_path)


def test_a_stale_heartbeat_of_another_host_is_taken_over(tmp_path):
    path = tmp_path / "lease.json"
    path.write_text(json.dumps({"pid": 7, "host": "elsewhere"}))
    os.utime(path, (time.time() - 120,) * 2)

    lease = Lease(tmp_path)

    assert lease.taken_over == {"pid": 7, "host": "elsewhere"}
    assert json.loads(path.read_text())["pid"] == os.getpid()
    lease.release()
    assert not path.exists()


@pytest.mark.parametrize("garbage", ["", "{", "[]", "\x00"])
def test_a_lease_of_garbage_is_taken_over(tmp_path, garbage):
    (tmp_path / "lease.json").write_text(garbage)

    Lease(tmp_path).release()
