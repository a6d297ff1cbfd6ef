"""The keeper of a head's state, with processes that are called as Ray's are and do nothing."""

import os
import shutil
import subprocess
import threading
import time

import psutil
import pytest

from cluster import keeper
from cluster.tunnel import free_port

LIVES = "while test -e alive; do sleep 0.05; done"


class Head:
    """A folder with a `gcs_server` and a `raylet`, which live while a file of that folder does."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        (folder / "alive").touch()
        for name in ("gcs_server", "raylet"):
            shutil.copy(os.path.realpath(shutil.which("sh")), folder / name)
        self.started = []

    def start(self, name, word, **environment):
        command = [str(self.folder / name), "-c", LIVES, "sh", f"{word}{self.port}"]
        process = subprocess.Popen(command, cwd=self.folder, env={**os.environ, **environment})
        until(psutil.Process(process.pid).cmdline)
        self.started.append(process)
        return process

    def server(self):
        return keeper._server(self.port)

    def end(self):
        (self.folder / "alive").unlink(missing_ok=True)
        for process in self.started:
            process.kill()
            process.wait()


@pytest.fixture
def head(tmp_path):
    head = Head(tmp_path)
    yield head
    head.end()


def until(ask):
    end = time.monotonic() + 30
    while not (answer := ask()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return answer


def test_what_dies_is_started_anew_as_it_was_until_the_raylet_ends(head):
    raylet = head.start("raylet", "--gcs-address=127.0.0.1:")
    first = head.start("gcs_server", "--gcs_server_port=", RAY_gcs_storage="rocksdb", OURS="kept")
    was = psutil.Process(first.pid).cmdline()
    found, times = keeper.find(head.port), []
    thread = threading.Thread(target=lambda: times.append(keeper.keep(found, look_s=0.01)))

    thread.start()
    first.kill()
    first.wait()
    second = until(head.server)
    assert second.cmdline() == was
    assert second.environ()["OURS"] == "kept"
    assert second.cwd() == str(head.folder)
    second.kill()
    third = until(lambda: (now := head.server()) and now.pid != second.pid and now)
    raylet.kill()
    raylet.wait()
    third.kill()
    thread.join(30)

    assert times == [2]
    assert head.server() is None


def test_a_state_in_memory_is_not_replaced_by_an_empty_one(head):
    head.start("gcs_server", "--gcs_server_port=")

    with pytest.raises(RuntimeError, match="keeps its state in memory"):
        keeper.find(head.port)


def test_no_server_is_told(head):
    with pytest.raises(RuntimeError, match=f"no GCS listens on port {head.port}"):
        keeper.find(head.port)


def test_one_that_dies_at_once_is_given_up(head):
    head.start("raylet", "--gcs-address=127.0.0.1:")
    server = head.start("gcs_server", "--gcs_server_port=", RAY_gcs_storage="rocksdb")
    found = keeper.find(head.port)
    shutil.copy(shutil.which("false"), head.folder / "false")
    os.replace(head.folder / "false", head.folder / "gcs_server")
    server.kill()
    server.wait()

    with pytest.raises(RuntimeError, match="the GCS died 5 times within seconds"):
        keeper.keep(found, look_s=0.01)
