"""Drivers of studies as processes of their own, which a test can kill."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def start(arguments, environment, log):
    """`a440` with some arguments, in a session of its own; what it says goes to `log`."""
    command = [sys.executable, "-m", "orchestrator.cli", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
    )
