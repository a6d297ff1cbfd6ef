"""Clusters of machines in network namespaces, over real SSH. Long, and only for root on Linux."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NEEDED = ("unshare", "ip", "sshd", "ssh-keygen", "rsync")
HEAD, *WORKERS = "head=10.44.0.10", "w1=10.44.0.11", "w2=10.44.0.12"


def missing():
    if os.geteuid() != 0:
        return "network namespaces need root"
    lacking = [tool for tool in NEEDED if shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None]
    return f"install {', '.join(lacking)}: apt install iproute2 openssh-server rsync" if lacking else ""


@pytest.mark.soak
@pytest.mark.skipif(bool(missing()), reason=missing())
@pytest.mark.parametrize(
    ("scenario", "machines"),
    [
        pytest.param("onprem.py", [HEAD, *WORKERS], id="own machines go up, one loses its power, and all go down"),
        pytest.param("restart.py", [HEAD, WORKERS[0]], id="a head loses its state's process, and then its state"),
        pytest.param("aws.py", [], id="instances come, are taken back, run out, idle and go"),
    ],
)
def test_a_scenario_is_as_it_should_be(scenario, machines):
    done = subprocess.run(
        [HERE / "run.sh", scenario, *machines],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1500,
    )

    assert done.returncode == 0, done.stdout[-6000:]
    assert "all as it should be" in done.stdout
