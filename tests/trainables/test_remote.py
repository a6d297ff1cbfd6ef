"""Object stores as they answer: what is written is read, and what is refused comes with a mend."""

import pickle
import subprocess
import sys
import threading
import time

import pytest

from trainables import store_trouble
from trainables.remote import SETTINGS, Remote


@pytest.fixture
def home(prefix):
    return Remote.at(prefix)


@pytest.fixture(params=["prefix", "google_prefix"])
def any_home(request):
    return Remote.at(request.getfixturevalue(request.param))


def paths(home, recursive=True):
    return [entry.path for entry in home.entries(recursive=recursive) if not entry.is_folder]


def test_what_was_written_is_read_listed_and_removed(any_home, tmp_path):
    home = any_home
    (tmp_path / "large").write_bytes(bytes(range(256)) * 2**17)  # 32 MiB, in several pieces

    home.write("ledger/000001.jsonl", b"one\n")
    home.write("ledger/000001.jsonl", b"one\ntwo\n")
    home.upload(tmp_path / "large", "trials/t00001/state.pt")
    home.download("trials/t00001/state.pt", tmp_path / "inner" / "back")

    assert home.read("ledger/000001.jsonl") == b"one\ntwo\n"
    assert (tmp_path / "inner" / "back").read_bytes() == (tmp_path / "large").read_bytes()
    assert paths(home) == ["ledger/000001.jsonl", "trials/t00001/state.pt"]
    assert [(entry.path, entry.is_folder) for entry in home.entries()] == [("ledger", True), ("trials", True)]
    assert [(entry.path, entry.size) for entry in home.entries("ledger")] == [("000001.jsonl", 8)]
    home.write("trials.txt", b"")
    home.remove("trials")
    assert paths(home) == ["ledger/000001.jsonl", "trials.txt"]
    home.remove("ledger/000001.jsonl")
    home.remove("trials.txt")
    home.remove("never there")
    assert paths(home) == []


def test_what_is_not_there_is_told_as_such(any_home):
    with pytest.raises(FileNotFoundError):
        any_home.read("nowhere")

    assert any_home.entries("nowhere") == []


def test_a_query_says_where_a_store_is_and_travels_with_the_address(object_store, prefix, monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    host = object_store.endpoint.removeprefix("http://")
    home = Remote.at(f"{prefix}?endpoint_override={host}&scheme=http&region=us-east-1")

    home.below("digits").write("study.yaml", b"name: digits")

    assert home.read("digits/study.yaml") == b"name: digits"


def test_a_host_without_the_drivers_variables_finds_the_store_by_what_travels(object_store, home):
    home.write("word", b"found")
    code = "import sys, pickle; home = pickle.loads(sys.stdin.buffer.read()); print(home.read('word'))"
    bare = {k: v for k, v in object_store.environment.items() if k not in SETTINGS} | {"PATH": "/usr/bin"}
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}; {code}"],
        input=pickle.dumps(home), capture_output=True, env=bare,
    )  # fmt: skip

    assert b"found" in done.stdout, done.stderr
    assert b"testing-secret" not in pickle.dumps(home)


def told(uri):
    with pytest.raises(OSError) as refused:
        Remote.at(uri).write("word", b"")
    return store_trouble.told(uri, refused.value)


def test_a_bucket_that_is_not_there_comes_with_the_command_that_makes_it(object_store, google_prefix):
    other = google_prefix.replace("@bucket/", "@nowhere/")

    assert told("s3://nowhere/runs").endswith("Make it: aws s3 mb s3://nowhere")
    assert told(other).endswith("Make it: gcloud storage buckets create gs://nowhere")


def test_a_store_that_cannot_be_reached_is_told_with_what_to_look_at(object_store, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")

    sentences = told("s3://bucket/runs")

    assert "cannot be reached" in sentences
    assert "AWS_ENDPOINT_URL" in sentences


@pytest.mark.parametrize(
    ("uri", "said", "mend"),
    [
        ("s3://b/x", "AWS Error ACCESS_DENIED during CreateMultipartUpload operation: Access Denied", "aws configure"),
        (
            "s3://b/x",
            "AWS Error UNKNOWN (HTTP status 403) during HeadObject operation: No response body.",
            "AWS_ACCESS",
        ),
        ("s3://b/x", "AWS Error UNKNOWN (HTTP status 301) during ListObjectsV2: PermanentRedirect", "?region="),
        ("gs://b/x", "google::cloud::Status(PERMISSION_DENIED: ...)", "gcloud auth application-default login"),
        ("gs://b/x", "Could not create a OAuth2 access token to authenticate", "gcloud auth application-default login"),
        ("gs://b/x", "google::cloud::Status(NOT_FOUND: The specified bucket does not exist)", "gcloud storage buckets"),
        ("abfs://c@a.dfs.core.windows.net/x", "Failed to get token from DefaultAzureCredential.", "az login"),
        ("hdfs://n/x", "Unable to load libjvm", "JAVA_HOME"),
        ("s3://b/x", "Unexpected query parameter in S3 URI: 'foo'", "Leave it out"),
        ("s3://b/x", "something else went wrong", "storage: /mnt/runs"),
    ],
)
def test_every_refusal_has_a_mend(uri, said, mend):
    sentences = store_trouble.told(uri, OSError(said))

    assert mend in sentences
    assert said[:20] in sentences or "there is no bucket" in sentences


def test_a_store_that_is_away_for_a_moment_is_waited_for(object_store, prefix):
    home = Remote.at(prefix, patience_s=60)
    object_store.stop()
    back = threading.Timer(8.0, object_store.start)  # longer than the client tries by itself
    back.start()

    home.write("word", b"kept")

    back.join()
    assert home.read("word") == b"kept"


def test_what_is_refused_is_not_tried_again(object_store):
    began = time.monotonic()

    with pytest.raises(OSError):
        Remote.at("s3://nowhere/runs", patience_s=600).write("word", b"")

    assert time.monotonic() - began < 60


def test_an_unknown_word_in_the_query_is_told(object_store):
    sentences = told("s3://bucket/runs?regoin=eu-west-1")

    assert sentences.count("has a setting that pyarrow does not know") == 1
    assert sentences.endswith("Leave it out.")


def test_what_a_client_raises_in_its_own_words_is_an_error_of_the_store(prefix, monkeypatch):
    from pyarrow.lib import ArrowException

    def broken(self, path):
        raise ArrowException("Failed to get token from DefaultAzureCredential.")

    monkeypatch.setattr(Remote, "_read", broken)

    with pytest.raises(OSError, match="DefaultAzureCredential"):
        Remote.at(prefix).read("word")
