"""What a scenario is told with, on the laptop of a world: commands as a user types them, machines that fail, waits."""

import contextlib
import os
import shutil
import subprocess
import time
from pathlib import Path

SOURCES, WORLD = Path(__file__).resolve().parents[2], Path(os.environ.get("WORLD", "."))
BEGAN = time.monotonic()
SSH = ("ssh", "-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR")


def say(text):
    """A line of the transcript."""
    print(f"\n[{time.monotonic() - BEGAN:5.1f} s] {text}", flush=True)


def run(command, expected=0, shown=30, seconds=240):
    """Runs what a user would type; its whole output."""
    say(f"$ {command}")
    output, code = WORLD / "output", None
    with output.open("w") as file, contextlib.suppress(subprocess.TimeoutExpired):
        code = subprocess.run(command, shell=True, stdout=file, stderr=subprocess.STDOUT, timeout=seconds).returncode
    said = output.read_text()
    lines = said.rstrip().splitlines()
    print("\n".join(lines if len(lines) <= shown else [f"... {len(lines) - shown} lines", *lines[-shown:]]), flush=True)
    assert code is not None, f"{command}: did not end within {seconds} s"
    assert code == expected, f"{command}: exit code {code}, expected {expected}"
    return said


def until(what, seconds, ask, every=0.5):
    """Waits for a true answer, which it gives."""
    end = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(every)
    return answer


def project():
    """A folder of a user's own with the digits example, as the working directory."""
    folder = Path.home() / "project"
    (folder / "examples").mkdir(parents=True)
    for name in ("digits.py", "digits.yaml"):
        shutil.copy(SOURCES / "examples" / name, folder / "examples" / name)
    os.chdir(folder)


def on(host, command):
    """What a command says on a machine."""
    keys = [word for key in sorted((Path.home() / ".ssh").glob("*.pem")) for word in ("-i", str(key))]
    return subprocess.run([*SSH, *keys, f"root@{host}", command], capture_output=True, text=True).stdout


def rays(host):
    """How many raylets run on a machine."""
    return int(on(host, "pgrep -c '[r]aylet'") or 0)


def power_cut(name):
    """Takes a machine off the network and ends all that runs on it."""
    subprocess.run(["ip", "link", "set", f"v-{name}", "down"], check=True)
    os.kill(int((WORLD / "machines" / f"{name}.pid").read_text()), 9)
    say(f"# {name} loses its power")


def reports(folder):
    """How many epochs a study on disk has told of."""
    from orchestrator import ledger

    return sum(event["event"] == "reported" for event in ledger.read(Path(folder) / "ledger").events)


def newest(storage):
    """The folder of the study that began last; None before the first."""
    return max(Path(storage).glob("digits-*"), default=None)  # named by when they began


def trials_moved(place, trials):
    """All trials ended once, and no machine that was lost is a fault of theirs; how many went on elsewhere or later."""
    from orchestrator import Results

    record = Results(place).record
    moved = sum(trial.legs > 1 for trial in record.trials.values())
    print(f"{record.counts()}, {moved} trials went on elsewhere, best {record.best().best:.3f}")
    assert record.outcome == "done"
    assert record.counts() == {"ended": trials}
    assert all(trial.faults == 0 for trial in record.trials.values())
    return moved
