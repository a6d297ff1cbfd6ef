import json
import math
import os
import threading
import time

import pytest

from orchestrator import ledger
from orchestrator.ledger import Ledger, read


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "ledger"


def write(folder, count, start=1):
    book = Ledger(folder, lambda: 1.5, start)
    for number in range(count):
        book.append("reported", trial="t00001", epoch=number, seconds=0.1, metrics={"loss": number / 3})
    book.close()


def test_events_come_back_as_they_were_written(folder):
    book = Ledger(folder, lambda: 1.25)

    written = [book.append("note", text="Grüße 🎉 \n</script>"), book.append("trial_ended", trial="t1", status="ended")]
    book.close()

    reading = read(folder)
    assert reading.events == [{**event, "crc": reading.events[i]["crc"]} if "crc" in reading.events[i] else event
                              for i, event in enumerate(written)]  # fmt: skip
    assert reading.problems == []


def test_every_line_is_plain_json(folder):
    write(folder, 3)

    lines = (folder / "000001.jsonl").read_text().splitlines()

    assert [json.loads(line)["seq"] for line in lines] == [1, 2, 3]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_metrics_that_json_does_not_know_come_back(folder, value):
    book = Ledger(folder, lambda: 0.0)

    book.append("reported", trial="t1", epoch=1, seconds=0.0, metrics={"loss": value, "accuracy": 0.5})
    book.close()

    [event] = read(folder).events
    assert str(event["metrics"]["loss"]) == str(value)
    assert event["metrics"]["accuracy"] == 0.5
    assert "NaN" not in (folder / "000001.jsonl").read_text()


def test_an_event_can_be_read_as_soon_as_it_is_written(folder):
    book = Ledger(folder, lambda: 0.0)

    book.append("note", text="here")

    assert [event["text"] for event in read(folder).events] == ["here"]
    book.close()


def test_each_driver_writes_its_own_segment(folder):
    write(folder, 2)
    write(folder, 2, start=3)

    reading = read(folder)

    assert [path.name for path in sorted(folder.glob("*.jsonl"))] == ["000001.jsonl", "000002.jsonl"]
    assert [event["seq"] for event in reading.events] == [1, 2, 3, 4]
    assert reading.problems == []


def test_a_full_segment_is_followed_by_the_next(folder, monkeypatch):
    monkeypatch.setattr(ledger, "SEGMENT_BYTES", 500)

    write(folder, 20)

    reading = read(folder)
    assert len(list(folder.glob("*.jsonl"))) > 3
    assert len(reading.events) == 20
    assert reading.problems == []


@pytest.mark.parametrize("kept", range(1, 90, 7))
def test_a_torn_last_line_is_dropped_and_told(folder, kept):
    write(folder, 3)
    path = folder / "000001.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    (folder / "manifest.json").unlink()

    path.write_bytes(b"".join(lines[:2]) + lines[2][:kept])

    reading = read(folder)
    assert [event["seq"] for event in reading.events] == [1, 2]
    assert len(reading.problems) == 1
    assert "torn" in reading.problems[0]


def test_a_torn_line_of_an_earlier_driver_is_told_as_damaged_and_nothing_else_is_lost(folder):
    write(folder, 3)
    path = folder / "000001.jsonl"
    path.write_bytes(path.read_bytes()[:-10])
    write(folder, 2, start=3)

    reading = read(folder)

    assert [event["seq"] for event in reading.events] == [1, 2, 3, 4]
    assert any("000001.jsonl:3" in problem for problem in reading.problems)


@pytest.mark.parametrize("position", [3, 15, 60, 80])
def test_a_damaged_line_in_the_middle_is_set_aside_and_told(folder, position):
    write(folder, 5)
    path = folder / "000001.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2][:position] + bytes([lines[2][position] ^ 1]) + lines[2][position + 1 :]

    path.write_bytes(b"".join(lines))
    reading = read(folder)
    book = Ledger(folder, lambda: 0.0, 6)
    book.quarantine(reading)
    book.close()

    assert [event["seq"] for event in reading.events] == [1, 2, 4, 5]
    assert any("000001.jsonl:3 is damaged" in problem for problem in reading.problems)
    assert any("events 3 to 3 are missing" in problem for problem in reading.problems)
    assert len((folder / "quarantine.txt").read_text().splitlines()) == 1


@pytest.mark.parametrize("garbage", [b"", b"\x00\xff" * 100, b"{}", b"[1, 2]", b'{"segments": 3}'])
def test_a_manifest_of_any_kind_costs_nothing(folder, garbage):
    write(folder, 3)

    (folder / "manifest.json").write_bytes(garbage)

    assert len(read(folder).events) == 3


def test_a_segment_that_is_gone_is_told(folder):
    write(folder, 2)
    write(folder, 2, start=3)
    write(folder, 2, start=5)

    (folder / "000002.jsonl").unlink()

    reading = read(folder)
    assert [event["seq"] for event in reading.events] == [1, 2, 5, 6]
    assert any("000002.jsonl is gone" in problem for problem in reading.problems)


def test_a_segment_that_was_cut_is_told(folder):
    write(folder, 4)
    path = folder / "000001.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)

    path.write_bytes(b"".join(lines[:2]))  # at a line's end, so that nothing looks torn

    reading = read(folder)
    assert len(reading.events) == 2
    assert any("was cut" in problem for problem in reading.problems)


def test_an_event_that_was_copied_counts_once(folder):
    write(folder, 3)
    path = folder / "000001.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)

    path.write_bytes(b"".join([*lines, lines[1]]))

    assert [event["seq"] for event in read(folder).events] == [1, 2, 3]


def test_a_newer_format_is_refused_with_the_mend(folder):
    book = Ledger(folder, lambda: 0.0)
    book.append("study_started", format=ledger.FORMAT + 1)
    book.close()

    with pytest.raises(ValueError, match=r"written in format 2.*pip install --upgrade a440"):
        read(folder)


def test_a_disk_that_refuses_is_told_to_the_writer(folder, monkeypatch):
    book = Ledger(folder, lambda: 0.0)
    seen = threading.Event()

    def refuse(descriptor):
        seen.set()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    book.append("trial_ended", trial="t1")
    assert seen.wait(5)

    while book.failure is None:
        time.sleep(0.01)
    with pytest.raises(OSError, match="No space left"):
        book.append("note", text="more")
    monkeypatch.undo()
    book.close()


def test_an_empty_folder_has_no_events(folder):
    folder.mkdir()

    assert read(folder).events == []
