"""The token file: where it is, that it is private, and that drivers that start together share one."""

import os
import stat
import threading

import pytest

from cluster.auth_token import private_token_file, token_file


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_the_file_is_where_ray_looks(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))

    assert token_file({}) == tmp_path / ".ray" / "auth_token"
    assert token_file({"RAY_AUTH_TOKEN_PATH": ""}) == tmp_path / ".ray" / "auth_token"
    assert token_file({"RAY_AUTH_TOKEN_PATH": "/secrets/token"}).as_posix() == "/secrets/token"


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_missing_file_is_made_for_its_owner_alone(tmp_path, umask):
    path = tmp_path / "new" / "auth_token"
    before = os.umask(umask)

    try:
        made = private_token_file({"RAY_AUTH_TOKEN_PATH": str(path)})
    finally:
        os.umask(before)

    assert made == path
    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700
    assert len(path.read_text()) == 64
    assert os.listdir(path.parent) == ["auth_token"]


def test_an_open_file_is_closed_and_keeps_its_token(tmp_path):
    path = tmp_path / "auth_token"
    path.write_text("secret\n")
    path.chmod(0o644)

    private_token_file({"RAY_AUTH_TOKEN_PATH": str(path)})

    assert mode(path) == 0o600
    assert path.read_text() == "secret\n"


def test_an_empty_file_gets_a_token(tmp_path):
    path = tmp_path / "auth_token"
    path.write_text(" \n")

    private_token_file({"RAY_AUTH_TOKEN_PATH": str(path)})

    assert len(path.read_text()) == 64
    assert mode(path) == 0o600


def test_drivers_that_start_together_read_one_token(tmp_path):
    path = tmp_path / "auth_token"
    gate = threading.Barrier(8)
    seen = []

    def start():
        gate.wait()
        seen.append(private_token_file({"RAY_AUTH_TOKEN_PATH": str(path)}).read_text())

    drivers = [threading.Thread(target=start) for _ in range(8)]
    for driver in drivers:
        driver.start()
    for driver in drivers:
        driver.join()

    assert len(seen) == 8
    assert len(set(seen)) == 1


def test_a_file_that_cannot_be_kept_private_is_refused_with_its_mend(tmp_path):
    (tmp_path / "file").write_text("x")

    with pytest.raises(PermissionError, match=r"cannot be kept private: .*\. Choose a file of your own: export"):
        private_token_file({"RAY_AUTH_TOKEN_PATH": str(tmp_path / "file" / "auth_token")})
