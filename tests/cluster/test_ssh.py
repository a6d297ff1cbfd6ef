"""Hosts reached over SSH: the words of the call, and what is said when it fails; `ssh` is a script of the test's."""

import os
import socket
import sys

import pytest

from cluster import kubectl
from cluster.ssh import Ssh

HOST = Ssh("10.0.0.9", "ubuntu", "/keys/mine", "ssh -W %h:%p jump")


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Makes a program of a name that runs a Python text, first on the PATH."""

    def made(name, code):
        path = tmp_path / name
        path.write_text(f"#!{sys.executable}\nimport sys\n{code}\n")
        path.chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return made


FORWARD = """
import re, socket
where = next(word for word in sys.argv if re.fullmatch(r"[0-9.:]+:8265", word))
port = int(re.search(r"([0-9]{2,5}):[0-9.:]+$", where)[1]) if where.count(":") > 1 else int(where.split(":")[0])
with socket.create_server(("127.0.0.1", port)) as server:
    while True:
        line, _ = server.accept()
        line.close()
"""


def test_a_call_names_user_key_and_proxy_and_never_asks():
    words = HOST.command("ray", "stop", "--force")

    assert words[0] == "ssh"
    assert words[-2:] == ["ubuntu@10.0.0.9", "bash -lc 'ray stop --force'"]
    assert words[words.index("-i") : words.index("-i") + 2] == ["-i", "/keys/mine"]
    assert {"BatchMode=yes", "ProxyCommand=ssh -W %h:%p jump", "IdentitiesOnly=yes"} <= set(words)
    assert Ssh("h").command()[-1] == "h"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("u@h: Permission denied (publickey).", "the host does not take our key. Name the key that it knows: auth:"),
        ("WARNING: UNPROTECTED PRIVATE KEY FILE!", "the key can be read by others. Close it: chmod 600 /keys/mine."),
        ("Identity file /keys/mine not accessible", "there is no key /keys/mine. Name the one that it knows"),
        ("Host key verification failed.", "the host is not the one it was. If that is meant: ssh-keygen -R 10.0.0.9."),
        ("connect to host h port 22: Connection refused", "no SSH server listens there. Start one on the host"),
        ("connect to host h port 22: Connection timed out", "the host does not answer. Check that it runs"),
        ("connect to host h port 22: No route to host", "there is no way to the host. Check its address"),
        ("Could not resolve hostname h", "its name is not known. Write its address"),
        ("something new\nat the end", "at the end. Try it by hand: ssh -o BatchMode=yes"),
        ("", "ssh ended without a word. Try it by hand: ssh"),
    ],
)
def test_each_failure_is_told_with_its_cause_and_its_mend(programs, said, told):
    programs("ssh", f"print({said!r}, file=sys.stderr); sys.exit(255)")

    with pytest.raises(ConnectionError, match=r"10\.0\.0\.9 cannot be reached over SSH: ") as refused:
        HOST.check()

    assert told in str(refused.value)


def test_a_command_that_fails_there_is_no_failure_of_ssh(programs):
    programs("ssh", "print('no such file', file=sys.stderr); sys.exit(2)")

    assert HOST.run("ls", "/nowhere").returncode == 2


def test_a_host_that_never_answers_is_given_up(programs):
    programs("ssh", "import time; time.sleep(60)")

    with pytest.raises(ConnectionError, match=r"has not answered `sleep` for 0 s\. Look there: ssh 10\.0\.0\.9"):
        HOST.run("sleep", timeout_s=0.3)


def test_a_tunnel_lasts_as_long_as_its_block(programs):
    programs("ssh", FORWARD)

    with HOST.tunnel(8265) as port:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()

    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_a_tunnel_that_does_not_come_up_is_explained(programs):
    programs("ssh", "print('Permission denied (publickey)', file=sys.stderr); sys.exit(255)")

    with pytest.raises(ConnectionError, match="does not take our key"), HOST.tunnel(8265):
        pass


def test_a_pod_is_found_by_its_labels_and_reached_by_kubectl(programs, tmp_path):
    asked = tmp_path / "asked"
    programs(
        "kubectl",
        f"""
open({str(asked)!r}, "a").write(" ".join(sys.argv[1:]) + "\\n")
if sys.argv[1] == "get":
    print("pod/digits-head-x")
elif sys.argv[1] == "port-forward":
{FORWARD.replace(chr(10), chr(10) + "    ")}
""",
    )

    assert kubectl.run_on_head("digits", "ray", "status") == 0
    with kubectl.tunnel("digits", 8265) as port:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()

    lines = asked.read_text().splitlines()
    assert lines[0] == "get pods -l ray.io/cluster=digits,ray.io/node-type=head -o name"
    assert lines[1] == "exec pod/digits-head-x -c ray-head -- ray status"
    assert lines[3] == f"port-forward pod/digits-head-x {port}:8265"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("", "the head of digits is not there: no pod has its labels. Start it: a440 cluster up cluster.yaml"),
        ("print('no connection', file=sys.stderr); sys.exit(1)", "the head of digits is not there: no connection."),
    ],
)
def test_a_head_that_is_not_there_is_told(programs, code, told):
    programs("kubectl", code)

    with pytest.raises(ConnectionError, match=told.replace(".", r"\.")):
        kubectl.run_on_head("digits", "true")


def test_without_kubectl_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(ConnectionError, match="no kubectl on this machine"):
        kubectl.run_on_head("digits", "true")
