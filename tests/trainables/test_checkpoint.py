"""Checkpoints: whole or not there, and passed over when they are damaged, whatever happened to them."""

import errno
import os
import subprocess
import sys
import threading
import time

import pytest

from trainables import checkpoint
from trainables.contract import ClassTraining
from trainables.saver import SETTLED_S, Saver
from trainables.shelf import LocalShelf


def saving(text):
    def save(folder):
        (folder / "state.pt").write_text(text)
        (folder / "more").mkdir()
        (folder / "more" / "tokens.txt").write_text("abc")

    return save


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "checkpoints"
    for epoch in (1, 2, 9):
        checkpoint.write(root, epoch, saving(f"weights of {epoch}"))
    return root


def names(root):
    return sorted(path.name for path in root.iterdir())


def test_what_was_written_is_whole_and_can_be_read(root):
    assert checkpoint.epochs(root) == [9, 2, 1]
    assert [checkpoint.damage(root / f"e{epoch:05d}") for epoch in (1, 2, 9)] == [None] * 3
    assert (root / "e00009" / "state.pt").read_text() == "weights of 9"
    assert checkpoint.newest(root, upto=99) == (9, root / "e00009", [])


def test_epochs_outside_the_trusted_stretch_are_not_taken(root):
    assert checkpoint.newest(root, upto=8)[0] == 2
    assert checkpoint.newest(root, upto=0) == (0, None, [])
    assert checkpoint.newest(root, upto=99, after=2)[0] == 9
    assert checkpoint.newest(root, upto=8, after=2) == (2, None, [])
    assert checkpoint.newest(root / "nowhere", upto=9) == (0, None, [])


def torn(folder):
    with (folder / "state.pt").open("r+b") as file:
        file.truncate(4)


def altered(folder):
    data = bytearray((folder / "state.pt").read_bytes())
    data[3] ^= 1
    (folder / "state.pt").write_bytes(data)


def emptied(folder):
    (folder / "state.pt").write_bytes(b"")


def without_a_file(folder):
    (folder / "more" / "tokens.txt").unlink()


def without_manifest(folder):
    (folder / "manifest.json").unlink()


def manifest(text):
    def change(folder):
        (folder / "manifest.json").write_bytes(text)

    return change


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (torn, "state.pt does not have its checksum"),
        (altered, "state.pt does not have its checksum"),
        (emptied, "state.pt does not have its checksum"),
        (without_a_file, "tokens.txt is missing"),
        (without_manifest, "manifest.json is missing"),
        (manifest(b""), "it cannot be read (JSONDecodeError"),
        (manifest(b"\xff\xfe\x00"), "it cannot be read (UnicodeDecodeError"),
        (manifest(b"[]"), "it cannot be read (TypeError"),
        (manifest(b'{"files": []}'), "it cannot be read (AttributeError"),
        (manifest(b'{"files": {"state.pt": 3}}'), "state.pt does not have its checksum"),
        (manifest(b"{}"), "it cannot be read (KeyError"),
    ],
)
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before_it_and_told(root, spoil, told):
    spoil(root / "e00009")

    epoch, folder, passed = checkpoint.newest(root, upto=99)

    assert (epoch, folder) == (2, root / "e00002")
    [problem] = passed
    assert problem.startswith(f"e00009: {told}")


def test_all_that_is_damaged_is_told_in_order(root):
    for epoch in (9, 2, 1):
        altered(root / f"e{epoch:05d}")

    epoch, folder, passed = checkpoint.newest(root, upto=99)

    assert (epoch, folder) == (0, None)
    assert [problem[:6] for problem in passed] == ["e00009", "e00002", "e00001"]


def test_a_file_in_a_checkpoints_place_is_passed_over(root):
    (root / "e00011").write_text("not a folder")
    (root / "e00012.bak").mkdir()
    (root / "e²").mkdir()

    epoch, _, passed = checkpoint.newest(root, upto=99)

    assert epoch == 9
    assert len(passed) == 1


def test_an_interrupted_draft_is_never_seen_and_goes_with_the_next_leg(root):
    script = (
        "import os, sys; from pathlib import Path; from trainables import checkpoint\n"
        "def save(folder): (folder / 'state.pt').write_text('half'); os._exit(9)\n"
        "checkpoint.write(Path(sys.argv[1]), 10, save)"
    )

    killed = subprocess.run([sys.executable, "-c", script, str(root)], check=False)

    assert killed.returncode == 9
    assert len(names(root)) == 4
    assert checkpoint.epochs(root) == [9, 2, 1]
    checkpoint.tidy(root, upto=9)
    assert names(root) == ["e00001", "e00002", "e00009"]


def test_epochs_that_nobody_knows_of_go_with_the_next_leg(root):
    checkpoint.tidy(root, upto=2)

    assert checkpoint.epochs(root) == [2, 1]


def test_a_full_disk_leaves_what_was_there(root):
    def full(folder):
        (folder / "state.pt").write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for epoch in (9, 10):
        with pytest.raises(OSError, match="No space left"):
            checkpoint.write(root, epoch, full)

    assert names(root) == ["e00001", "e00002", "e00009"]
    assert (root / "e00009" / "state.pt").read_text() == "weights of 9"
    assert checkpoint.damage(root / "e00009") is None


def test_an_epoch_that_is_written_again_takes_the_olds_place(root):
    checkpoint.write(root, 9, saving("again"))

    assert (root / "e00009" / "state.pt").read_text() == "again"
    assert names(root) == ["e00001", "e00002", "e00009"]


def test_writers_at_the_same_time_leave_one_whole_checkpoint(root):
    errors = []

    def write(writer):
        for _ in range(30):
            try:
                checkpoint.write(root, 7, saving(f"of writer {writer}"))
            except OSError as error:
                errors.append(error)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(errors) < 30  # a writer may lose its place, but not half of it
    assert checkpoint.damage(root / "e00007") is None
    assert names(root) == ["e00001", "e00002", "e00007", "e00009"]


def test_a_file_that_is_called_like_ours_is_refused(root):
    def save(folder):
        (folder / "manifest.json").write_text("{}")

    with pytest.raises(ValueError, match=r"save\(\) wrote manifest\.json, a name that a440 needs\. Give"):
        checkpoint.write(root, 10, save)


def test_prune_keeps_what_it_is_told_to(root):
    checkpoint.prune(root, [1, 9, 44])

    assert checkpoint.epochs(root) == [9, 1]


def test_epochs_beyond_five_digits_are_found(root):
    checkpoint.write(root, 123_456, saving("late"))

    assert checkpoint.newest(root, upto=10**6)[0] == 123_456


class Slow:
    """A trainable whose checkpoints take their time."""

    def __init__(self, save_s=0.0):
        self.save_s = save_s

    def setup(self, params):
        pass

    def save(self, folder):
        time.sleep(self.save_s)
        (folder / "state.pt").write_text("weights")


def saved_epochs(saver, training, epochs, epoch_s, best_epoch=0):
    saved = []
    for epoch in range(1, epochs + 1):
        saver.trained(epoch_s)
        if saver.is_due(epoch):
            saver.save(training, epoch, best_epoch or epoch)
            saved.append(epoch)
    return saved


def test_the_first_and_the_last_epoch_and_judged_ones_are_saved_whatever_it_takes(tmp_path):
    slow = ClassTraining(Slow(save_s=0.02), {})

    saved = saved_epochs(Saver(LocalShelf(tmp_path), 0, 0, musts=(3, 5), last_epoch=9), slow, epochs=9, epoch_s=0.0001)

    assert saved == [1, 3, 5, 9]


def test_saving_takes_about_a_tenth_of_the_time(tmp_path):
    slow = ClassTraining(Slow(save_s=0.01), {})

    saved = saved_epochs(Saver(LocalShelf(tmp_path), 0, 0, musts=(), last_epoch=None), slow, epochs=60, epoch_s=0.01)

    assert saved[0] == 1
    assert 2 <= len(saved) <= 7


def test_cheap_checkpoints_are_written_after_every_epoch(tmp_path):
    saved = saved_epochs(Saver(LocalShelf(tmp_path), 0, 0, (), None), ClassTraining(Slow(), {}), epochs=9, epoch_s=60)

    assert saved == list(range(1, 10))


def test_the_best_and_the_two_newest_and_the_last_two_judged_are_kept(tmp_path):
    training = ClassTraining(Slow(), {})

    saved_epochs(Saver(LocalShelf(tmp_path), 0, 0, (), None), training, epochs=9, epoch_s=60, best_epoch=4)
    saved_epochs(
        Saver(LocalShelf(tmp_path / "judged"), 0, 0, (2, 4, 6), None), training, epochs=9, epoch_s=60, best_epoch=1
    )

    assert checkpoint.epochs(tmp_path) == [9, 8, 4]
    assert checkpoint.epochs(tmp_path / "judged") == [9, 8, 6, 4, 1]


def test_judged_checkpoints_of_an_earlier_leg_are_still_kept(tmp_path):
    training = ClassTraining(Slow(), {})
    for epoch in (2, 4):
        Saver(LocalShelf(tmp_path), epoch - 1, 0, (2, 4, 6), None).save(training, epoch, best_epoch=1)

    saver = Saver(LocalShelf(tmp_path), 4, 0, (2, 4, 6), None)
    for epoch in (5, 6, 7, 8):
        saver.save(training, epoch, best_epoch=1)

    assert checkpoint.epochs(tmp_path) == [8, 7, 6, 4]


def test_the_newest_epoch_that_the_driver_knows_of_is_kept_and_so_is_the_one_that_surely_is_on_its_disk(
    tmp_path, monkeypatch
):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    training, saver = ClassTraining(Slow(), {}), Saver(LocalShelf(tmp_path), 0, 0, (), None)

    for epoch in range(1, 51):
        now[0] = epoch / 2
        saver.save(training, epoch, best_epoch=0)
        if epoch % 3 == 0:
            saver.knows(epoch)
        kept = checkpoint.epochs(tmp_path)

        known, settled = epoch - 1 - (epoch - 1) % 3, max(0, epoch - 3 - int(2 * SETTLED_S))
        assert kept[:2] == [epoch, epoch - 1][: len(kept)]
        assert known in [0, *kept]
        assert any(0 <= settled - other <= 12 for other in [0, *kept])
        assert len(kept) <= 5
