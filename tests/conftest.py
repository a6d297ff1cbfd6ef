"""What all tests share: threads, and how Hypothesis looks for counterexamples.

The gate tries the same examples every time, so that a change is judged by what it changes; `make soak` looks for new
ones, and many more of them.
"""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # before numpy: what is small here is computed no faster by threads that wait

import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

settings.register_profile("gate", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("hunt", max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gate")


@pytest.fixture(scope="module")
def object_store():
    """A local S3 server, which this process's environment names, with an empty bucket."""
    from tests.kit.object_store import ObjectStore

    server = ObjectStore()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        yield server
    server.end()


@pytest.fixture(scope="module")
def google_store():
    """A local server of Google Cloud Storage, with an empty bucket."""
    from tests.kit.object_store import GoogleStore

    server = GoogleStore()
    yield server
    server.end()


@pytest.fixture
def google_prefix(google_store, tmp_path, monkeypatch):
    """An address of its own for each test, and a cache of its own for working copies."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return google_store.address(tmp_path.name)


@pytest.fixture
def prefix(object_store, tmp_path, monkeypatch):
    """An address of its own for each test, and a cache of its own for working copies."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return f"s3://bucket/{tmp_path.name}"
