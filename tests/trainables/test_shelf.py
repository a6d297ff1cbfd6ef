"""Checkpoints in an object store: the verbs of those on a disk, and what only happens there."""

import errno
import json
import os
import subprocess
import sys

import pytest

from search import Goal
from tests.kit.shelves import saving
from trainables import Trainable, checkpoint
from trainables.contract import Brief
from trainables.remote import Remote
from trainables.scratch import scratch
from trainables.session import Session
from trainables.shelf import LocalShelf, RemoteShelf
from trainables.start import starter


@pytest.fixture
def home(prefix):
    return Remote.at(prefix)


@pytest.fixture(params=["local", "remote"])
def shelf(request, tmp_path):
    if request.param == "local":
        return LocalShelf(tmp_path / "checkpoints")
    home = request.getfixturevalue("home")
    return RemoteShelf(home.below("checkpoints"), tmp_path / "scratch")


def elsewhere(shelf, tmp_path):
    """The same shelf as another host sees it."""
    return RemoteShelf(shelf.home, tmp_path / "elsewhere") if isinstance(shelf, RemoteShelf) else shelf


def test_both_kinds_answer_alike(shelf, tmp_path):
    for epoch in (1, 2, 9):
        shelf.write(epoch, saving(f"weights of {epoch}"))
    shelf = elsewhere(shelf, tmp_path)

    epoch, folder, passed = shelf.newest(upto=99)

    assert shelf.epochs() == [9, 2, 1]
    assert (epoch, folder.name, passed) == (9, "e00009", [])
    assert (folder / "state.pt").read_text() == "weights of 9"
    assert (folder / "more" / "tokens.txt").read_text() == "abc"
    assert checkpoint.damage(folder) is None
    assert shelf.newest(upto=8)[0] == 2
    assert shelf.newest(upto=8, after=2) == (2, None, [])
    assert shelf.next_whole(after=2)[0] == 9
    assert shelf.next_whole(after=9) == (0, None)
    shelf.write(9, saving("again"))
    assert (elsewhere(shelf, tmp_path).newest(upto=9)[1] / "state.pt").read_text() == "again"
    shelf.prune([1, 9, 44])
    assert shelf.epochs() == [9, 1]
    shelf.tidy(upto=1)
    assert shelf.epochs() == [1]


def test_nothing_is_there_before_the_first(shelf):
    assert shelf.epochs() == []
    assert shelf.newest(upto=9) == (0, None, [])
    shelf.tidy(upto=0)
    shelf.prune([])


def test_a_full_scratch_leaves_what_was_there(shelf):
    shelf.write(9, saving("whole"))

    def full(folder):
        (folder / "state.pt").write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space left"):
        shelf.write(10, full)

    assert shelf.newest(upto=99)[0] == 9


@pytest.fixture
def written(home, tmp_path):
    shelf = RemoteShelf(home.below("checkpoints"), tmp_path / "scratch")
    for epoch in (1, 2, 9):
        shelf.write(epoch, saving(f"weights of {epoch}"))
    return RemoteShelf(home.below("checkpoints"), tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda home: home.remove("e00009/manifest.json"), "manifest.json is missing"),
        (lambda home: home.remove("e00009/more/tokens.txt"), "tokens.txt is missing"),
        (lambda home: home.write("e00009/state.pt", b"weights of 8"), "state.pt does not have its checksum"),
        (lambda home: home.write("e00009/state.pt", b""), "state.pt does not have its checksum"),
        (lambda home: home.write("e00009/manifest.json", b"{"), "it cannot be read (JSONDecodeError"),
        (lambda home: home.write("e00009/manifest.json", b'{"files": 3}'), "it cannot be read (AttributeError"),
    ],
)
def test_a_half_uploaded_or_altered_checkpoint_is_passed_over_and_told(written, spoil, told):
    spoil(written.home)

    epoch, folder, [problem] = written.newest(upto=99)

    assert (epoch, (folder / "state.pt").read_text()) == (2, "weights of 2")
    assert problem.startswith(f"e00009: {told}")


def test_an_upload_that_is_cut_short_is_never_seen_as_whole(home, tmp_path):
    script = (
        "import os, sys; from pathlib import Path\n"
        "from tests.kit.shelves import saving\nfrom trainables.remote import Remote\n"
        "from trainables.shelf import RemoteShelf\n"
        "class Cut(Remote):\n"
        "    def write(self, path, data): os._exit(9)\n"  # the manifest
        "RemoteShelf(Cut(sys.argv[1]), Path(sys.argv[2])).write(10, saving('cut'))"
    )
    shelf = RemoteShelf(home, tmp_path / "scratch")
    shelf.write(9, saving("whole"))

    killed = subprocess.run([sys.executable, "-c", script, home.uri, str(tmp_path / "other")], check=False)

    assert killed.returncode == 9
    assert shelf.epochs() == [10, 9]
    assert shelf.newest(upto=99)[0] == 9
    shelf.tidy(upto=9)
    assert shelf.epochs() == [9]


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "more/../../outside", "manifest.json"])
def test_a_manifest_that_leads_out_of_its_folder_is_passed_over(written, tmp_path, name):
    good = json.loads(written.home.read("e00009/manifest.json"))["files"]["state.pt"]
    written.home.write("e00009/manifest.json", json.dumps({"epoch": 9, "files": {name: good}}).encode())

    epoch, _, [problem] = written.newest(upto=99)

    assert epoch == 2
    assert "which is not in it" in problem
    assert not list(tmp_path.rglob("outside"))


def test_what_is_here_already_is_not_brought_again(written, monkeypatch):
    written.newest(upto=99)
    monkeypatch.setattr(Remote, "download", lambda *_: pytest.fail("it is here"))

    assert written.newest(upto=99)[0] == 9


class Talker(Trainable):
    """Prints its epochs."""

    def setup(self, params):
        self.epoch = 0

    def step(self):
        self.epoch += 1
        print(f"epoch {self.epoch}")
        return {"loss": 1 / self.epoch}

    def save(self, folder):
        (folder / "epoch").write_text(str(self.epoch))

    def load(self, folder):
        self.epoch = int((folder / "epoch").read_text())


LEG = {"trial": "t00001", "params": {}, "seed": 7, "upto": 0, "after": 0, "source": None, "seconds": 0.0, "best": None}


def session(home, last_epoch):
    return Session(starter(Talker, Brief("loss")), home, Goal("min", "loss"), last_epoch=last_epoch)


def trained(worker):
    epochs = []
    while not epochs or epochs[-1] != worker._last_epoch:
        epochs += [row["epoch"] for row in worker.advance()["reports"]]
    worker.end()
    return epochs


def test_a_leg_goes_on_from_the_store_and_its_log_behind_the_earlier_one(home):
    first = session(home, 3)
    first.begin(LEG | {"best_epoch": 0})

    before = trained(first)
    second = session(home, 5)
    second.begin(LEG | {"best_epoch": 3, "upto": 3, "seconds": 1.0})
    after = trained(second)

    assert (before, after) == ([1, 2, 3], [4, 5])
    log = home.read("trials/t00001/log.txt").decode()
    assert log.split("\n")[:5] == [f"epoch {epoch}" for epoch in range(1, 6)]
    assert not list(scratch().glob("trials/*")), "a leg leaves nothing behind"


def test_a_store_that_is_away_costs_the_checkpoint_and_not_the_trial(home, monkeypatch):
    monkeypatch.setattr("trainables.store.PATIENCE_S", 0.0)
    worker = session(home, 3)
    worker.begin(LEG | {"best_epoch": 0})
    away = OSError("AWS Error NETWORK_CONNECTION during PutObject operation: curlCode: 7")
    monkeypatch.setattr(Remote, "upload", lambda *_: (_ for _ in ()).throw(away))

    said = worker.advance()

    assert [row["epoch"] for row in said["reports"]] == [1, 2, 3]
    assert (said["saved"], said["end"]) == ([], None)
    [note] = said["notes"]
    assert f"See that {home} can be reached and written" in note


def test_a_store_that_cannot_be_read_at_a_legs_start_is_no_failure_of_the_trial(home, monkeypatch):
    from trainables.endings import LostError

    worker = session(home, 3)
    worker.begin(LEG | {"best_epoch": 0})
    away = OSError("AWS Error NETWORK_CONNECTION during ListObjectsV2 operation: curlCode: 7")
    monkeypatch.setattr(Remote, "entries", lambda *_, **__: (_ for _ in ()).throw(away))

    with pytest.raises(LostError, match="its checkpoints cannot be read"):
        worker.advance()


def test_the_scratch_of_a_killed_process_goes_with_the_next_one(tmp_path):
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    script = "import os, sys; from trainables.scratch import scratch; print(scratch()); sys.stdout.flush(); {}"

    def run(end):
        command = [sys.executable, "-c", script.format(end)]
        return subprocess.run(command, capture_output=True, text=True, env=environment).stdout.strip()

    killed = run("os._exit(9)")
    there = os.path.isdir(killed)
    ended = run("")

    assert there
    assert killed != ended
    assert list(tmp_path.glob("a440-scratch-*")) == []
