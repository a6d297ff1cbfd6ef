"""A trial's log: all that it prints, and only that, within bounds, and never a reason to fail."""

import io
import logging
import os
import subprocess
import sys
import threading

import pytest

from trainables import log
from trainables.log import Log


def test_what_is_printed_goes_to_the_trials_file_and_nowhere_else(tmp_path, capsys):
    stream = Log()

    print("before")
    with stream.into(tmp_path / "t1" / "log.txt"):
        print("out", end=" ")
        print("error", file=sys.stderr)
        thread = threading.Thread(target=print, args=("thread 🎵 \udcff",))
        thread.start()
        thread.join()
    print("after")

    assert (tmp_path / "t1" / "log.txt").read_text() == "out error\nthread 🎵 \\udcff\n"
    assert capsys.readouterr().out == "before\nafter\n"


def test_a_trial_that_prints_nothing_has_no_file(tmp_path):
    with Log().into(tmp_path / "log.txt"):
        pass

    assert list(tmp_path.iterdir()) == []


def test_a_later_leg_writes_behind_the_earlier_one(tmp_path):
    for text in ("one", "two"):
        with Log().into(tmp_path / "log.txt"):
            print(text)

    assert (tmp_path / "log.txt").read_text() == "one\ntwo\n"


def test_what_was_printed_is_in_the_file_at_once(tmp_path):
    with Log().into(tmp_path / "log.txt"):
        print("a crash may follow")

        assert (tmp_path / "log.txt").read_text() == "a crash may follow\n"


def test_a_handler_of_an_earlier_trial_writes_to_the_log_of_the_one_at_work(tmp_path):
    stream = Log()
    logger = logging.getLogger("users")
    with stream.into(tmp_path / "first.txt"):
        handler = logging.StreamHandler()
        logger.addHandler(handler)
        logger.warning("of the first")

    with stream.into(tmp_path / "second.txt"):
        logger.warning("of the second")
    logger.warning("of none")
    logger.removeHandler(handler)

    assert (tmp_path / "first.txt").read_text() == "of the first\n"
    assert (tmp_path / "second.txt").read_text() == "of the second\n"


def test_a_log_is_capped_and_the_newest_words_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(log, "LARGEST", 10_000)

    with Log().into(tmp_path / "log.txt"):
        for n in range(10_000):
            print(f"line {n}")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.1.txt", "log.txt"]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 20_000
    text = (tmp_path / "log.1.txt").read_text() + (tmp_path / "log.txt").read_text()
    assert text.endswith("line 9998\nline 9999\n")


def test_one_huge_word_is_cut(tmp_path):
    with Log().into(tmp_path / "log.txt"):
        sys.stdout.write("x" * (3 * log.LARGEST) + "end")

    assert (tmp_path / "log.txt").stat().st_size == log.LARGEST
    assert (tmp_path / "log.txt").read_bytes().endswith(b"xend")


def test_a_log_that_cannot_be_written_costs_the_log_and_not_the_trial(tmp_path):
    (tmp_path / "t1").write_text("a file where a folder should be")

    with Log().into(tmp_path / "t1" / "log.txt"):
        print("lost")
        print("lost too")

    if os.path.exists("/dev/full"):
        (tmp_path / "log.txt").symlink_to("/dev/full")
        with Log().into(tmp_path / "log.txt"):
            print("no space left on device")


def test_an_exception_passes_and_the_streams_are_put_back(tmp_path):
    out, err = sys.stdout, sys.stderr

    def interrupted():
        with Log().into(tmp_path / "log.txt"):
            print("then")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert (sys.stdout, sys.stderr) == (out, err)
    assert (tmp_path / "log.txt").read_text() == "then\n"


def test_logs_nest(tmp_path):
    stream = Log()

    with stream.into(tmp_path / "a.txt"):
        with stream.into(tmp_path / "b.txt"):
            print("inner")
        print("outer")

    assert (tmp_path / "a.txt").read_text() == "outer\n"
    assert (tmp_path / "b.txt").read_text() == "inner\n"


def test_a_library_that_closes_its_stream_does_not_silence_the_next_trial(tmp_path):
    with Log().into(tmp_path / "log.txt"):
        sys.stdout.close()
        print("still there")

    assert (tmp_path / "log.txt").read_text() == "still there\n"


def test_what_wants_a_descriptor_or_bytes_gets_the_workers_own(tmp_path):
    script = (
        "import faulthandler, subprocess, sys; from pathlib import Path; from trainables.log import Log\n"
        "with Log().into(Path(sys.argv[1])):\n"
        "    faulthandler.enable()\n"
        "    subprocess.run(['echo', 'child'], stdout=sys.stdout, check=True)\n"
        "    sys.stdout.buffer.write(b'bytes'); sys.stdout.buffer.flush()\n"
        "    print(sys.stdout.encoding, sys.stdout.isatty(), sys.stdout.writable())\n"
    )

    ran = subprocess.run([sys.executable, "-c", script, str(tmp_path / "log.txt")], capture_output=True, text=True)

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "child\nbytes"
    assert (tmp_path / "log.txt").read_text() == "utf-8 False True\n"


def test_only_text_can_be_written(tmp_path):
    with Log().into(tmp_path / "log.txt"), pytest.raises((TypeError, AttributeError)):
        sys.stdout.write(b"bytes")


def test_a_worker_without_any_output_can_log(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    stream = Log()

    with stream.into(tmp_path / "log.txt"):
        print("quiet")
        with pytest.raises(io.UnsupportedOperation):
            stream.fileno()

    assert (tmp_path / "log.txt").read_text() == "quiet\n"
