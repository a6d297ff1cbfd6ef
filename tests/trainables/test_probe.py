"""What a worker's host says of a study's folder before the first trial."""

import os

import pytest

from trainables.probe import leave_word, look, take_word
from trainables.remote import Remote


@pytest.fixture(params=["local", "remote"])
def place(request, tmp_path):
    if request.param == "local":
        (tmp_path / "study").mkdir()
        return tmp_path / "study"
    return Remote.at(request.getfixturevalue("prefix"))


def inside(place):
    return os.listdir(place) if not isinstance(place, Remote) else [entry.path for entry in place.entries()]


def test_a_host_that_shares_the_folder_has_nothing_to_say_and_leaves_nothing(place):
    word = leave_word(place)

    said = look(place, word)
    take_word(place, word)

    assert said is None
    assert inside(place) == []


def test_a_host_with_another_folder_of_that_name_says_so(place):
    leave_word(place)

    assert look(place, "0123456789abcdef").startswith("it sees another")


def test_a_host_without_the_folder_says_so(tmp_path):
    assert look(tmp_path / "nowhere", "0123456789abcdef") == "it does not see it"


def test_a_host_that_may_only_read_says_so(tmp_path, monkeypatch):
    word = leave_word(tmp_path)
    monkeypatch.setattr("pathlib.Path.write_text", lambda *_: (_ for _ in ()).throw(PermissionError(13, "Denied")))

    assert look(tmp_path, word) == "it cannot write there (Denied)"


def test_a_host_that_reaches_another_store_says_so(prefix):
    word = leave_word(Remote.at(prefix))

    assert look(Remote.at("s3://nowhere/runs"), word) is not None
    assert look(Remote.at(f"{prefix}/other"), word) == "it sees another store there"
