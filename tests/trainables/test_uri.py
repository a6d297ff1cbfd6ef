"""Addresses of object stores: which are taken, and that no secret gets past."""

from pathlib import Path

import pytest

from trainables.uri import checked, child, is_uri, name_of, parent


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("s3://bucket", "s3://bucket"),
        ("S3://Bucket/Runs/", "s3://Bucket/Runs"),
        ("gs://bucket//runs", "gs://bucket/runs"),
        ("gs://anonymous@bucket/runs", "gs://anonymous@bucket/runs"),
        ("abfs://container@account.dfs.core.windows.net/runs", "abfs://container@account.dfs.core.windows.net/runs"),
        (
            "s3://bucket/runs?endpoint_override=127.0.0.1:9000&scheme=http",
            "s3://bucket/runs?endpoint_override=127.0.0.1:9000&scheme=http",
        ),
        ("hdfs://namenode:8020/runs", "hdfs://namenode:8020/runs"),
    ],
)
def test_an_address_is_kept_without_what_adds_nothing(given, kept):
    assert is_uri(given)
    assert checked(given) == kept
    assert checked(kept) == kept


@pytest.mark.parametrize("place", ["runs", "/mnt/runs", "~/runs", "file:///mnt/runs", "C:\\runs", Path("/a/b"), "a:b"])
def test_paths_are_no_addresses(place):
    assert not is_uri(place)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("s5://bucket/runs", r"scheme 's5'.*Did you mean"),
        ("http://host/runs", r"scheme 'http'"),
        ("s3://", "names no bucket"),
        ("s3:///runs", "names no bucket"),
        ("s3://bucket/a b", "characters that none has"),
        ("s3://bucket/../other", "characters that none has"),
        ("s3://bucket/.", "characters that none has"),
        (Path("s3://bucket/runs"), r"lost a slash.*storage='s3://bucket/runs'"),
    ],
)
def test_what_is_no_address_is_refused_with_one_that_is(given, told):
    assert is_uri(given)
    with pytest.raises(ValueError, match=told):
        checked(given)


@pytest.mark.parametrize(
    "given",
    [
        "s3://AKIAEXAMPLE:hunter2secret@bucket/runs",
        "s3://hunter2secret@bucket/runs",
        "s3://bucket/runs?access_key=hunter2secret",
        "gs://bucket/runs?access_token=hunter2secret",
        "abfs://account:hunter2secret@container/runs",
        "abfs://container@account.dfs.core.windows.net/runs?sas_token=hunter2secret",
    ],
)
def test_an_address_with_credentials_is_refused_without_repeating_them(given):
    with pytest.raises(ValueError, match="holds credentials, and it is written into the study") as refused:
        checked(given)

    assert "hunter2secret" not in str(refused.value)


def test_children_and_parents_keep_the_query():
    uri = child("s3://bucket/runs?region=eu-west-1", "digits", "ledger")

    assert uri == "s3://bucket/runs/digits/ledger?region=eu-west-1"
    assert parent(parent(uri)) == "s3://bucket/runs?region=eu-west-1"
    assert name_of(parent(uri)) == "digits"
    assert name_of("/mnt/runs/what?") == "what?"
