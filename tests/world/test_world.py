"""Clusters of machines in network namespaces, over real SSH. Long, and only for root on Linux."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NEEDED = ("unshare", "ip", "sshd", "ssh-keygen", "rsync")


def missing():
    if os.geteuid() != 0:
        return "network namespaces need root"
    lacking = [tool for tool in NEEDED if shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None]
    return f"install {', '.join(lacking)}: apt install iproute2 openssh-server rsync" if lacking else ""


@pytest.mark.soak
@pytest.mark.skipif(bool(missing()), reason=missing())
def test_an_on_prem_cluster_goes_up_trains_loses_a_machine_and_goes_down():
    done = subprocess.run(
        [HERE / "run.sh", "onprem.py", "head=10.44.0.10", "w1=10.44.0.11", "w2=10.44.0.12"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1500,
    )

    assert done.returncode == 0, done.stdout[-6000:]
    assert "all as it should be" in done.stdout
