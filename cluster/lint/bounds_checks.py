"""How many nodes there may be, and when idle ones end."""

from cluster.launch_file import LaunchFile
from cluster.lint.finding import Findings, error, warning
from cluster.lint.places import bound, minutes

A_DAY = 24 * 60


def check(file: LaunchFile) -> Findings:
    """Types whose least is above their most; idle times that end nodes at once, or never."""
    for kind in file.workers:
        if kind.least > kind.most:
            seen = f"there are at least {kind.least} and at most {kind.most} of {kind.name}"
            yield error(file.document, bound(file, kind, "least"), seen, f"Write {kind.most} or less.")
    if file.provider == "local" or not any(kind.most > kind.least for kind in file.workers):
        return
    path = minutes(file)
    if file.idle_minutes < 1:
        seen = f"nodes end after {60 * file.idle_minutes:g} s without work, which is less than a new one takes to start"
        yield warning(file.document, path, seen, _mend(file))
    elif file.idle_minutes > A_DAY:
        seen = f"idle nodes are paid for {file.idle_minutes / 60:g} hours before they end"
        yield warning(file.document, path, seen, _mend(file))


def _mend(file: LaunchFile) -> str:
    return f"Write {minutes(file)[-1]}: {300 if file.provider == 'kuberay' else 5}"


def check_sums(file: LaunchFile) -> Findings:
    """More nodes that always are than there may be at all."""
    always = sum(kind.least for kind in file.types)
    if file.most is not None and always > file.most:
        seen = f"the types keep {always} workers, and there may be {file.most}"
        yield error(file.document, ("max_workers",), seen, f"Write max_workers: {always}")
