"""A day of an on-prem cluster, on the laptop of a world: `world.sh head=... w1=... w2=... -- python onprem.py`.

What a user types is run as it stands, and its output is the transcript; each step says whether it did what it should.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

SOURCES, WORLD = Path(__file__).resolve().parents[2], Path(os.environ.get("WORLD", "."))
HEAD, WORKERS = "10.44.0.10", ("10.44.0.11", "10.44.0.12")
BEGAN = time.monotonic()


def run(command, expected=0, shown=30, seconds=240):
    """Runs what a user would type; its whole output."""
    print(f"\n[{time.monotonic() - BEGAN:5.1f} s] $ {command}", flush=True)
    done = subprocess.run(
        command, shell=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds
    )
    lines = done.stdout.rstrip().splitlines()
    print("\n".join(lines if len(lines) <= shown else [f"... {len(lines) - shown} lines", *lines[-shown:]]), flush=True)
    assert done.returncode == expected, f"{command}: exit code {done.returncode}, expected {expected}"
    return done.stdout


def power_cut(name):
    """Takes a machine off the network and ends all that runs on it."""
    subprocess.run(["ip", "link", "set", f"v-{name}", "down"], check=True)
    os.kill(int((WORLD / "machines" / f"{name}.pid").read_text()), 9)
    print(f"\n[{time.monotonic() - BEGAN:5.1f} s] # {name} loses its power", flush=True)


def rays(host):
    """How many raylets run on a machine."""
    found = subprocess.run(
        ["ssh", "-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR", f"root@{host}", "pgrep -c '[r]aylet'"],
        capture_output=True,
        text=True,
    )
    return int(found.stdout or 0)


def main():
    project = Path.home() / "project"
    (project / "examples").mkdir(parents=True)
    for name in ("digits.py", "digits.yaml"):
        shutil.copy(SOURCES / "examples" / name, project / "examples" / name)
    os.chdir(project)
    storage = WORLD / "shared"
    storage.mkdir()

    workers = " ".join(f"--worker-ip {ip}" for ip in WORKERS)
    run(f"a440 cluster init onprem --head-ip {HEAD} {workers} --user root --cpus 2 --storage {storage} > cluster.yaml")
    run("a440 cluster lint cluster.yaml")

    run("ssh-keygen -q -t ed25519 -N '' -f wrong_key; sed 's#~/.ssh/id_ed25519#wrong_key#' cluster.yaml > wrong.yaml")
    began = time.monotonic()
    said = run("a440 cluster up wrong.yaml", expected=2)
    assert said.count("the host does not take our key") == 3, said
    assert time.monotonic() - began < 60, "a wrong key is told at once"

    run("a440 cluster up cluster.yaml", shown=12, seconds=400)
    until = time.monotonic() + 240
    while "0.0/2.0 GPU" not in (said := run("a440 cluster status cluster.yaml", shown=40)):
        assert time.monotonic() < until, said
        time.sleep(3)

    run("a440 check examples/digits.yaml -c cluster.yaml --set bundle='Bundle(gpus=1)'")
    said = run("a440 cluster doctor -c cluster.yaml", expected=1)  # the machines' shared memory is small
    assert "3 machines examined" in said
    assert said.count("of shared memory, and Ray's objects go to disk") == 3
    assert "is not shared by all nodes" not in said
    said = run("a440 cluster doctor -c cluster.yaml --storage /root/alone", expected=1)
    assert "/root/alone is not shared by all nodes of the cluster" in said
    said = run(f"ssh -o LogLevel=ERROR root@{HEAD} 'bash -lc \"a440 cluster explain\"'")
    assert "Nothing waits: all that was asked for runs." in said
    run("a440 submit examples/digits.yaml -c cluster.yaml --trials 12 --name first --set bundle='Bundle(gpus=1)'")

    print("\n# a worker is lost in the middle of a study", flush=True)
    run(
        "a440 submit examples/digits.yaml -c cluster.yaml --trials 24 --name second --detach "
        "--set bundle='Bundle(gpus=1)' --set strategy='Random() + FullLength(epochs=60)'"
    )
    wait_for_reports(storage, 60)
    power_cut("w2")
    run("a440 watch second -c cluster.yaml", shown=40, seconds=400)
    run("a440 jobs -c cluster.yaml")

    print("\n# a script, by Ray's own command", flush=True)
    said = run("RAY_AUTH_MODE=token ray submit cluster.yaml examples/digits.py -- --smoke", shown=25, seconds=300)
    assert "goes on if this connection ends" in said

    run("a440 cluster down cluster.yaml", shown=12)
    left = {host: rays(host) for host in (HEAD, WORKERS[0])}
    print(f"\nraylets left: {left}")
    assert not any(left.values()), left
    check_studies(storage)
    print("\nall as it should be")


def wait_for_reports(storage, many):
    from orchestrator import ledger

    until = time.monotonic() + 200
    while time.monotonic() < until:
        folders = sorted(storage.glob("digits-*"), key=lambda folder: folder.stat().st_ctime)
        if len(folders) > 1:
            events = ledger.read(folders[-1] / "ledger").events
            if sum(event["event"] == "reported" for event in events) >= many:
                return
        time.sleep(0.5)
    raise AssertionError("the second study never got going")


def check_studies(storage):
    """All trials ended once, and the machine that was lost is no fault of theirs."""
    from orchestrator import Results

    folders = sorted(storage.glob("digits-*"), key=lambda folder: folder.stat().st_ctime)
    second = Results(folders[1]).record
    moved = [trial for trial in second.trials.values() if trial.legs > 1]
    print(f"second study: {second.counts()}, {len(moved)} trials went on elsewhere, best {second.best().best:.3f}")
    assert second.outcome == "done"
    assert second.counts() == {"ended": 24}
    assert moved
    assert all(trial.faults == 0 for trial in second.trials.values())


if __name__ == "__main__":
    sys.path.insert(0, str(SOURCES))
    try:
        main()
    except BaseException:
        subprocess.run(f"ssh root@{HEAD} 'tail -n 60 /tmp/ray/session_latest/logs/monitor.*'", shell=True)
        raise
