"""A study's home in an object store: what the working copy takes from it and gives to it, and who may write there."""

import json
import os
import threading
import time

import pytest

from orchestrator import Results, ledger, mirror
from orchestrator.folder import BusyError, new_folder
from orchestrator.hold import held, is_at_work
from orchestrator.home import address_of, home_of, probe, working_copy
from orchestrator.home_lease import NAME, HomeLease, is_leased
from orchestrator.ledger import Ledger
from orchestrator.mirror import Mirror
from orchestrator.screen import studies
from orchestrator.working_copy import refresh
from trainables.remote import Remote


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr("orchestrator.home_lease.SETTLE_S", 0.05)


def files(home):
    return [entry.path for entry in home.entries(recursive=True) if not entry.is_folder]


def write(folder, events, first=1, by="this host", **more):
    book = Ledger(folder / "ledger", lambda: 0.0, first, **more)
    for number in range(events):
        book.append("note", text=f"{first + number} by {by}")
    book.close()


def texts(folder):
    return [event["text"].split()[0] for event in ledger.read(folder / "ledger").events]


def other_host(monkeypatch, tmp_path, uri):
    """The working copy of the same home as another host has it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    return working_copy(uri)


def test_a_working_copy_is_private_and_knows_its_home(prefix):
    folder = new_folder(prefix, "digits")

    assert folder.name.startswith("digits-")
    assert address_of(folder) == f"{prefix}/{folder.name}"
    assert home_of(folder).uri == address_of(folder)
    assert working_copy(address_of(folder)) == folder
    assert {level.stat().st_mode & 0o777 for level in (folder, folder.parent, folder.parent.parent)} == {0o700}
    assert home_of(folder.parent) is None


def test_two_studies_of_one_moment_have_homes_of_their_own(prefix):
    made = [new_folder(prefix, "digits") for _ in range(3)]

    assert len({address_of(folder) for folder in made}) == 3


def test_what_a_driver_writes_is_in_the_home_when_it_ends(prefix, tmp_path, monkeypatch):
    folder = new_folder(prefix, "digits")
    home = home_of(folder)

    with held(folder) as hold:
        write(folder, 9, segment_bytes=200, forced=hold.hurry)
        (folder / "study.yaml").write_text("name: digits")
        (folder / "tables").mkdir()
        (folder / "tables" / "trials.parquet").write_bytes(b"table")
        (folder / "tables" / ".trials.parquet.draft").write_bytes(b"half")
        (folder / "trials").mkdir()
        (folder / "trials" / "huge").write_bytes(b"not ours to bring")
        at_work = is_leased(home, tmp_path), is_leased(home, folder)

    assert at_work == (True, False), "it is asked of others only"
    assert not is_leased(home, tmp_path)
    segments = sorted(path.name for path in (folder / "ledger").glob("*.jsonl"))
    assert len(segments) > 3
    inner = [*(f"ledger/{name}" for name in segments), "ledger/manifest.json", "study.yaml", "tables/trials.parquet"]
    assert files(home) == inner
    there = other_host(monkeypatch, tmp_path, home.uri)
    refresh(there)
    assert ledger.read(there / "ledger").events == ledger.read(folder / "ledger").events
    assert (there / "tables" / "trials.parquet").read_bytes() == b"table"


def test_an_end_of_a_trial_is_in_the_home_within_about_a_second_and_all_else_within_five(prefix, monkeypatch):
    monkeypatch.setattr(mirror, "UPLOAD_S", 2.0)
    folder = new_folder(prefix, "digits")
    home = home_of(folder)

    def waited(text):
        began = time.monotonic()
        while text not in home.read("ledger/000001.jsonl").decode():
            assert time.monotonic() - began < 20
            time.sleep(0.02)
        return time.monotonic() - began

    with held(folder) as hold:
        book = Ledger(folder / "ledger", lambda: 0.0, forced=hold.hurry)
        book.append("study_started", text="first")
        time.sleep(1.5)
        book.append("note", text="usual")
        usual_s = waited("usual")
        book.append("trial_ended", text="forced")
        forced_s = waited("forced")
        book.close()

    assert forced_s < 1.5 < mirror.UPLOAD_S
    assert usual_s > forced_s / 2


def test_a_reader_of_the_home_never_finds_a_manifest_that_names_more_than_is_there(prefix, monkeypatch):
    folder, missing = new_folder(prefix, "digits"), []
    home = home_of(folder)
    put = Remote.write

    def watched(self, path, data):
        put(self, path, data)
        if path == "ledger/manifest.json":
            there = {entry.path: entry.size for entry in home.entries("ledger")}
            missing.extend(n for n, size in json.loads(data)["segments"].items() if there.get(n, -1) < size)

    monkeypatch.setattr(Remote, "write", watched)

    with held(folder) as hold:
        for first in range(1, 200, 10):
            write(folder, 10, first, segment_bytes=300)
            hold.hurry()
            time.sleep(0.1)

    assert len(json.loads(home.read("ledger/manifest.json"))["segments"]) > 20
    assert missing == []


def test_only_what_has_changed_is_fetched(prefix, tmp_path, monkeypatch):
    folder = new_folder(prefix, "digits")
    with held(folder):
        write(folder, 3)
    there, read = other_host(monkeypatch, tmp_path, address_of(folder)), []
    get = Remote.read
    monkeypatch.setattr(Remote, "read", lambda self, path: read.append(path) or get(self, path))

    refresh(there)
    first, read[:] = list(read), []
    refresh(there)
    second, read[:] = list(read), []
    home_of(there).write("study.yaml", b"name: changed")
    refresh(there)

    assert first == ["ledger/000001.jsonl", "ledger/manifest.json"]
    assert second == []
    assert read == ["study.yaml"]


def test_a_copy_that_goes_on_beyond_its_home_wins_and_it_is_told(prefix):
    folder = new_folder(prefix, "digits")
    with held(folder):
        write(folder, 3)
    write(folder, 2, first=4)  # a driver that was killed before its upload

    told = refresh(folder)

    assert texts(folder) == ["1", "2", "3", "4", "5"]
    assert "bytes of the ledger were here and not in s3://" in told[0]
    with held(folder) as hold:
        pass
    assert hold.told == tuple(told)
    assert refresh(folder) == []
    assert len(home_of(folder).entries("ledger")) == 3


def test_a_home_that_goes_on_beyond_a_copy_wins(prefix, tmp_path, monkeypatch):
    folder = new_folder(prefix, "digits")
    with held(folder):
        write(folder, 3)
    there = other_host(monkeypatch, tmp_path, address_of(folder))
    with held(there):
        write(there, 2, first=4)

    told = refresh(folder)

    assert texts(folder) == ["1", "2", "3", "4", "5"]
    assert told == []


def test_of_two_ledgers_that_go_on_differently_the_homes_counts_and_the_other_is_kept(prefix, tmp_path, monkeypatch):
    folder = new_folder(prefix, "digits")
    with held(folder):
        write(folder, 3)
    there = other_host(monkeypatch, tmp_path, address_of(folder))
    with held(there):
        write(there, 4, first=4, by="another host")
    write(folder, 1, first=4)

    [told] = refresh(folder)

    assert texts(folder) == ["1", "2", "3", "4", "5", "6", "7"]
    assert "go on differently" in told
    [aside] = folder.glob("set-aside-*")
    assert len(list(aside.glob("*.jsonl"))) == 2


def test_a_copy_in_which_a_driver_is_at_work_stays_as_it_is(prefix):
    folder = new_folder(prefix, "digits")
    with held(folder):
        write(folder, 3)
        home_of(folder).write("study.yaml", b"name: of somebody else")

        refresh(folder)

        assert is_at_work(folder)
        assert not (folder / "study.yaml").exists()
    assert not is_at_work(folder)


def test_a_second_driver_on_another_host_is_told_who_holds_the_home(prefix, tmp_path, monkeypatch):
    folder = new_folder(prefix, "digits")
    with held(folder):
        there = other_host(monkeypatch, tmp_path, address_of(folder))

        with pytest.raises(BusyError, match=rf"{address_of(folder)} is being written by .*pid {os.getpid()} on"):
            held(there).__enter__()

        assert is_at_work(there)
    with held(there):
        pass


def test_of_two_that_come_in_the_same_moment_one_is_refused(prefix, tmp_path, monkeypatch):
    monkeypatch.setattr("orchestrator.home_lease.SETTLE_S", 1.0)
    home, came = Remote.at(prefix), threading.Barrier(2)
    got, refused = [], []

    def take(name):
        came.wait()
        try:
            got.append(HomeLease(home, tmp_path / name))
        except BusyError as error:
            refused.append(error)

    drivers = [threading.Thread(target=take, args=(name,)) for name in ("one", "two")]
    for driver in drivers:
        driver.start()
    for driver in drivers:
        driver.join()

    assert (len(got), len(refused)) == (1, 1)


def test_a_stale_lease_and_one_that_this_copy_has_left_are_taken_over(prefix, tmp_path, monkeypatch):
    home = Remote.at(prefix)
    HomeLease(home, tmp_path)  # of a driver that was killed

    again = HomeLease(home, tmp_path)
    monkeypatch.setattr("orchestrator.home_lease.STALE_S", 0.0)
    elsewhere = HomeLease(home, tmp_path / "other")
    monkeypatch.setattr("orchestrator.home_lease.BEAT_S", 0.0)
    again.beat()

    assert again.taken_over["pid"] == os.getpid()
    assert (again.lost, elsewhere.lost) == (True, False)
    again.release()
    assert NAME in files(home), "a lease that was lost is not given back"
    elsewhere.release()
    assert NAME not in files(home)


def test_a_driver_that_has_lost_the_home_uploads_nothing_any_more(prefix, tmp_path, monkeypatch):
    monkeypatch.setattr("orchestrator.home_lease.BEAT_S", 0.0)
    folder = new_folder(prefix, "digits")
    home = home_of(folder)

    def work():
        with held(folder) as hold:
            home.write(NAME, json.dumps({"token": "another", "pid": 7, "host": "elsewhere"}).encode())
            write(folder, 3)
            hold.hurry()
            began = time.monotonic()
            while not hold.lost and time.monotonic() - began < 20:
                time.sleep(0.02)
            return hold.lost

    with pytest.warns(UserWarning, match="another driver has taken the study over"):
        lost = work()

    assert lost
    assert files(home) == [NAME]


def test_a_store_that_goes_away_is_told_once_and_caught_up_with(object_store, prefix, monkeypatch):
    monkeypatch.setattr(mirror, "UPLOAD_S", 0.2)
    folder = new_folder(prefix, "digits")
    with held(folder) as hold:
        write(folder, 3)
        object_store.stop()
        try:
            slowest_s, began = 0.0, time.monotonic()
            while not hold.mirror.news and time.monotonic() - began < 60:
                before = time.monotonic()
                hold.hurry()
                slowest_s = max(slowest_s, time.monotonic() - before)
                time.sleep(0.01)
            write(folder, 3, first=4)
            time.sleep(3)
        finally:
            object_store.start()
        told = list(hold.news())

    assert len(told) == 1
    assert "cannot be reached" in told[0]
    assert "The study goes on" in told[0]
    assert slowest_s < 0.1, "the driver waits for nothing"
    assert list(hold.news()) == []
    assert refresh(folder) == []
    assert b"6 by" in home_of(folder).read("ledger/000002.jsonl")


def test_what_could_not_be_uploaded_at_the_end_is_told_with_where_it_is(object_store, prefix, monkeypatch):
    monkeypatch.setattr(mirror, "LAST_S", 0.0)
    folder = new_folder(prefix, "digits")
    lease = HomeLease(home_of(folder), folder)
    working = Mirror(folder, home_of(folder), lease)
    write(folder, 3)
    object_store.stop()
    try:
        told = working.close() or working.close()
    finally:
        object_store.start()

    assert told.endswith(f"a440 resume {address_of(folder)}")
    assert str(folder) in told
    lease.release()


def test_what_else_lies_in_a_home_is_not_brought_here(prefix):
    folder = new_folder(prefix, "digits")
    with held(folder):
        write(folder, 1)
    home = home_of(folder)
    for name in (
        ".bashrc",
        ".home",
        "lease.json.bak",
        "huge.bin",
        "ledger/notes",
        "tables/.x.parquet",
        "trials/t/log.txt",
    ):
        home.write(name, b"of somebody else")

    refresh(folder)

    assert b"of somebody else" not in b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert address_of(folder) == home.uri


def test_an_address_without_a_study_leaves_no_working_copy(prefix, tmp_path):
    with pytest.raises(FileNotFoundError):
        Results(f"{prefix}/none")

    assert not list((tmp_path / "cache").rglob("none"))


def test_a_lease_of_garbage_is_taken_over(prefix, tmp_path):
    home = Remote.at(prefix)
    home.write(NAME, b"\x00")

    HomeLease(home, tmp_path).release()


def test_studies_of_a_prefix_are_listed_with_those_that_were_killed(prefix, tmp_path, monkeypatch):
    for name in ("one", "two"):
        folder = new_folder(prefix, name)
        with held(folder):
            write(folder, 3)
    Remote.at(prefix).write("else/notes.txt", b"no study")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))

    rows = studies(prefix)

    assert sorted(row["study"][:3] for row in rows) == ["one", "two"]
    assert {row["state"] for row in rows} == {"killed"}
    assert studies(f"{prefix}/nowhere") == []


def test_results_of_an_address_that_has_no_study_are_refused(prefix):
    with pytest.raises(FileNotFoundError, match=rf"{prefix}/none is no study: .*a440 list"):
        Results(f"{prefix}/none")


def test_results_are_read_from_the_copy_while_the_store_is_away_and_it_is_told(object_store, prefix):
    folder = new_folder(prefix, "digits")
    with held(folder):
        write(folder, 3)
    object_store.stop()
    try:
        results = Results(address_of(folder))
        with pytest.raises(ConnectionError, match="cannot be reached"):
            Results(f"{prefix}/another")
    finally:
        object_store.start()

    assert len(results.events()) == 3
    assert "What follows is from the working copy" in results.problems[0]


def test_a_store_is_probed_with_a_mend_for_what_keeps_one_out(prefix):
    probe(prefix)

    assert files(Remote.at(prefix)) == []
    with pytest.raises(ValueError, match="aws s3 mb s3://nowhere"):
        probe("s3://nowhere/runs")
