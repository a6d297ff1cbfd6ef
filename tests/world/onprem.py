"""A day of an on-prem cluster, on a world's laptop: `run.sh onprem.py head=10.44.0.10 w1=10.44.0.11 w2=10.44.0.12`.

What a user types is run as it stands, and its output is the transcript; each step says whether it did what it should.
"""

import subprocess
import time

from tests.world.scene import WORLD, newest, power_cut, project, rays, reports, run, trials_moved, until

HEAD, WORKERS = "10.44.0.10", ("10.44.0.11", "10.44.0.12")


def main():
    project()
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
    until("two GPUs", 240, lambda: "0.0/2.0 GPU" in run("a440 cluster status cluster.yaml", shown=40), 3)

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
    first = newest(storage)

    print("\n# a worker is lost in the middle of a study", flush=True)
    run(
        "a440 submit examples/digits.yaml -c cluster.yaml --trials 24 --name second --detach "
        "--set bundle='Bundle(gpus=1)' --set strategy='Random() + FullLength(epochs=60)'"
    )
    second = until("the second study", 200, lambda: newest(storage) != first and newest(storage))
    until("60 epochs", 200, lambda: reports(second) >= 60)
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
    assert trials_moved(second, 24)
    print("\nall as it should be")


if __name__ == "__main__":
    try:
        main()
    except BaseException:
        subprocess.run(f"ssh root@{HEAD} 'tail -n 60 /tmp/ray/session_latest/logs/monitor.*'", shell=True)
        raise
