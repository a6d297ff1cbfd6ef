"""The linter of launch files: the schemas of Ray and KubeRay, and what they miss.

Ray validates a launch file after merging its defaults, and looks at few things; Kubernetes drops unknown fields in
silence. So mistakes show minutes later as a cluster that costs money and runs nothing: a GPU machine whose GPU nobody
declared, spot machines that never come, a study whose storage only the head can see.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from cluster.document import Document, documents
from cluster.launch_file import LaunchFile, describes_a_cluster, of_kuberay, read_document
from cluster.lint import (
    bounds_checks,
    file_checks,
    gpu_checks,
    image_checks,
    kuberay_checks,
    network_checks,
    provider_checks,
    schema_checks,
    secret_checks,
    spot_checks,
    start_checks,
)
from cluster.lint.finding import Finding, error
from cluster.part import MisreadError

__all__ = ["Finding", "findings", "findings_in", "lint"]

BOTH = (bounds_checks.check, spot_checks.check, file_checks.check_storage)
MACHINES = (
    provider_checks.check,
    bounds_checks.check_sums,
    gpu_checks.check,
    image_checks.check,
    start_checks.check,
    network_checks.check,
    file_checks.check,
)


def lint(path: str | os.PathLike[str]) -> tuple[Finding, ...]:
    """What is wrong with a launch file; ValueError or FileNotFoundError where there is none to look at."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as problem:
        raise ValueError(f"{path} is not UTF-8 text: {problem.reason}. Give a launch file in YAML.") from None
    except (FileNotFoundError, IsADirectoryError):
        raise FileNotFoundError(f"there is no file {path}. Write one: a440 cluster init aws > cluster.yaml") from None
    return findings_in(text, str(path))


def findings_in(text: str, name: str = "cluster.yaml") -> tuple[Finding, ...]:
    """What is wrong with the clusters of a text."""
    clusters = [document for document in documents(text, name) if describes_a_cluster(document)]
    if not clusters:
        raise ValueError(f"{name} describes no cluster. Give a launch file; a440 cluster init aws writes one.")
    return _in_order([*(finding for one in clusters for finding in _of_document(one)), *secret_checks.check(text)])


def findings(launch_file: LaunchFile) -> tuple[Finding, ...]:
    """What is wrong with a launch file that could be read."""
    document = launch_file.document
    return _in_order([*_of_document(document), *secret_checks.check(document.text)])


def _in_order(found: list[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(dict.fromkeys(found), key=lambda finding: (finding.line, finding.place, finding.seen)))


def _of_document(document: Document) -> Iterator[Finding]:
    by_schema = list(schema_checks.check(document))
    try:
        launch_file = read_document(document)
    except MisreadError as problem:
        misread = error(document, problem.path, problem.seen, problem.mend)
        yield from (one for one in by_schema if one.place != misread.place)
        yield misread
        return
    yield from by_schema
    for check in (*BOTH, *((kuberay_checks.check,) if of_kuberay(document) else MACHINES)):
        yield from check(launch_file)
