"""A head that loses its Ray, on a world's laptop: `run.sh restart.py head=10.44.0.10 w1=10.44.0.11`.

First only the process that holds the cluster's state dies, and nobody is to notice; then all of it is gone.
"""

import shlex
import subprocess

from tests.world.scene import SOURCES, SSH, WORLD, newest, on, project, reports, run, say, trials_moved, until

HEAD, WORKER = "10.44.0.10", "10.44.0.11"
LONG = "--trials 8 --set bundle='Bundle(gpus=1)' --set strategy='Random() + FullLength(epochs=60)'"


def main():
    project()
    storage = WORLD / "shared"
    storage.mkdir()
    run(
        f"a440 cluster init onprem --head-ip {HEAD} --worker-ip {WORKER} --user root --cpus 2 --storage {storage} "
        f"> cluster.yaml"
    )
    run("a440 cluster up cluster.yaml", shown=12, seconds=400)
    until("a GPU", 240, lambda: "0.0/1.0 GPU" in run("a440 cluster status cluster.yaml", shown=40), 3)

    run(f"a440 submit examples/digits.yaml -c cluster.yaml --name kept --detach {LONG}")
    kept = until("the first study", 100, lambda: newest(storage))
    until("60 epochs", 200, lambda: reports(kept) >= 60)
    was = gcs()
    on(HEAD, f"kill -9 {was}")
    say("# the head's GCS is killed")
    until("another GCS", 60, gcs)
    assert gcs() != was
    run("a440 watch kept -c cluster.yaml", shown=40, seconds=400)
    assert not trials_moved(kept, 8)
    print(on(HEAD, "cat ~/.ray/keeper.log"))

    say("# a driver on the worker; the head is started anew and has forgotten all")
    on(WORKER, f"mkdir -p project && cp -r {SOURCES}/examples project")
    study = f"a440 run examples/digits.yaml --set storage={storage} {LONG}"
    driver = start_on(WORKER, f"cd project && {study} --address {HEAD}:6379")
    forgotten = until("the second study", 100, lambda: newest(storage) != kept and newest(storage))
    until("60 epochs", 200, lambda: reports(forgotten) >= 60)
    on(HEAD, "bash -lc 'ray stop; rm -rf ~/.ray/gcs'")
    run("a440 cluster up cluster.yaml", shown=12, seconds=400)
    said, code = ended(driver, 300)
    print(said)
    assert code
    assert "its cluster does not know this study any more" in said or "has not answered" in said
    assert "Traceback" not in said
    assert f"a440 resume {forgotten}" in said

    until("a GPU", 240, lambda: "0.0/1.0 GPU" in run("a440 cluster status cluster.yaml", shown=40), 3)
    run(f"a440 submit {forgotten} -c cluster.yaml --name resumed", shown=40, seconds=400)
    trials_moved(forgotten, 8)
    run("a440 cluster down cluster.yaml", shown=12)
    print("\nall as it should be")


def gcs():
    """The process id of the head's GCS; empty while there is none."""
    return on(HEAD, "pgrep gcs_server").strip()


def start_on(host, command):
    """Starts a driver over SSH that is not to become a job."""
    say(f"{host} $ {command}")
    words = shlex.quote(f"export A440_JOB=no; {command}")
    return subprocess.Popen(
        [*SSH, f"root@{host}", f"bash -lc {words}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def ended(driver, seconds):
    """What a driver said, and its exit code."""
    said, _ = driver.communicate(timeout=seconds)
    return said, driver.returncode


if __name__ == "__main__":
    try:
        main()
    except BaseException:
        print(on(HEAD, "cat ~/.ray/keeper.log; tail -n 8 /tmp/ray/session_latest/logs/gcs_server.*"))
        raise
