"""Addresses: read, found and tried, without a Ray."""

import os
import socket
import threading
import time

import pytest

from cluster.address import address_on_this_host, answers, is_loopback, parse

SETTINGS = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])


@pytest.fixture
def server():
    """Starts a server that greets every caller with the given bytes; gives its port."""
    sockets = []

    def start(greeting: bytes | None) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        sockets.append(listener)
        threading.Thread(target=greet, args=(listener, greeting), daemon=True).start()
        return listener.getsockname()[1]

    def greet(listener, greeting):
        while greeting is not None:
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            caller.sendall(greeting)
            sockets.append(caller)

    yield start
    for each in sockets:
        each.close()


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("10.0.0.5:6379", ("10.0.0.5", 6379)),
        ("head.example:1", ("head.example", 1)),
        ("[fd00::5]:6379", ("fd00::5", 6379)),
    ],
)
def test_an_address_is_a_host_and_a_port(address, parts):
    assert parse(address) == parts


@pytest.mark.parametrize(
    "address", ["", "head", "head:", ":6379", "head:port", "head:0", "head:70000", "a b:1", "::1:6"]
)
def test_what_is_no_address_is_refused_with_the_form_to_write(address):
    with pytest.raises(ValueError, match=r"is not HOST:PORT\. Write the head's host and GCS port"):
        parse(address)


@pytest.mark.parametrize("address", ["ray://head:10001", "http://head:8265"])
def test_a_client_address_is_refused_with_the_way_to_submit(address):
    with pytest.raises(ValueError, match=r"needs a driver inside the cluster\. Send it there: ray job submit"):
        parse(address)


def test_only_a_grpc_server_answers(server):
    assert answers("127.0.0.1", server(SETTINGS))
    assert not answers("127.0.0.1", server(b"SSH-2.0-OpenSSH_9.2\r\n"))
    assert not answers("127.0.0.1", server(b""), timeout_s=0.2)


def test_a_head_that_is_stopped_or_gone_is_known_within_its_time(server):
    silent = server(None)
    start = time.monotonic()

    answered = [answers("127.0.0.1", port, timeout_s=0.2) for port in (silent, 1)]
    answered.append(answers("x" * 70 + ".invalid", 6379, timeout_s=0.2))

    assert answered == [False, False, False]
    assert time.monotonic() - start < 2


def test_an_encrypted_port_is_only_knocked_at(server):
    assert answers("127.0.0.1", server(None), encrypted=True)


def test_an_address_file_counts_when_its_ray_answers(server, tmp_path):
    file = tmp_path / "ray_current_cluster"
    address = f"127.0.0.1:{server(SETTINGS)}"

    file.write_text(address)

    assert address_on_this_host(file) == address


@pytest.mark.parametrize("content", [b"127.0.0.1:1", b"", b"garbage", b"\xff\xfe", b"ray://127.0.0.1:1"])
def test_a_stale_or_torn_address_file_counts_as_none(content, tmp_path):
    file = tmp_path / "ray_current_cluster"

    file.write_bytes(content)

    assert address_on_this_host(file) is None


def test_no_address_file_counts_as_none(tmp_path):
    assert address_on_this_host(tmp_path / "ray_current_cluster") is None


def test_a_strangers_address_file_is_not_followed(server, tmp_path, monkeypatch):
    file = tmp_path / "ray_current_cluster"
    file.write_text(f"127.0.0.1:{server(SETTINGS)}")
    if file.stat().st_uid == 0:
        os.chown(file, 4321, 4321)

    monkeypatch.setattr(os, "getuid", lambda: 1234)

    assert address_on_this_host(file) is None


def test_loopback_names_are_known():
    assert [is_loopback(host) for host in ("localhost", "127.0.0.1", "::1", "10.0.0.5", "head")] == [True] * 3 + [
        False
    ] * 2
