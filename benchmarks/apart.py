"""Measurements in processes of their own, so that none leaves anything behind for the next."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

_MARK = "FOUND "
_HERE = Path(__file__).resolve().parent


def measured(script: str, *arguments: Any, **environment: str) -> Any:
    """What a script has told by `tell`, run with our modules in reach of it and of its workers.

    Args:
        script: its path.
        arguments: of the command line.
        environment: variables that it gets beside ours.

    Raises:
        RuntimeError: it told nothing.
    """
    path = os.pathsep.join([str(_HERE), str(_HERE.parent)])
    given = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": path, **environment}
    command = [sys.executable, script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=given, timeout=1800)
    found = [line.removeprefix(_MARK) for line in done.stdout.splitlines() if line.startswith(_MARK)]
    if not found:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}")
    return json.loads(found[-1])


def tell(found: Any) -> None:
    """Hands figures to whoever runs this script."""
    print(_MARK + json.dumps(found))
