"""What is installed on nodes: nightly Rays, old and unpinned images, other versions than here."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from cluster import installed_ray
from cluster.document import Path
from cluster.launch_file import LaunchFile
from cluster.lint.finding import Finding, Findings, error, warning
from cluster.lint.places import commands, is_written, runs_commands
from cluster.vm_cluster import TYPES

_PIPS = re.compile(r"\bpip3?\s+install\b[^;&|]*")
_RAY = re.compile(r"(?<![\w/.-])ray(?:\[[\w,-]*\])?(?P<version>==[\w.]+)?(?=['\"\s]|$)")
_IMAGE = re.compile(r"(?P<name>[^@]*?)(?::(?P<tag>[\w.-]+))?(?P<digest>@sha256:[0-9a-f]+)?")
SETUP = ("setup_commands", "head_setup_commands", "worker_setup_commands", "initialization_commands")


def check(file: LaunchFile) -> Findings:
    """Commands and images of machines."""
    if not runs_commands(file):
        return
    for path, image in _images(file):
        yield from image_findings(file, path, image)
    yield from _docker(file)
    has_image = any(True for _ in _images(file))
    if not is_written(file, "setup_commands") and file.provider in ("aws", "gcp", "azure") and not has_image:
        seen = "setup_commands are left out, and Ray's defaults install a nightly Ray"
        mend = f"Write setup_commands: [\"pip install 'ray[default]=={installed_ray.version()}' a440\"]"
        yield warning(file.document, ("setup_commands",), seen, mend)
    for key in SETUP:
        for position, line in enumerate(commands(file, key) if is_written(file, key) else ()):
            yield from _installs(file, (key, position), line)
    yield from _machine_images(file)


def _installs(file: LaunchFile, path: Path, line: str) -> Findings:
    here = installed_ray.version()
    if re.search(r"ray-wheels/(latest|master)|ray-3\.0\.0\.dev", line):
        seen = "a nightly Ray is installed, another one every day"
        yield warning(file.document, path, seen, f"Write pip install 'ray[default]=={here}'")
        return
    for pip in _PIPS.findall(line):
        for ray in _RAY.finditer(pip):
            version = (ray["version"] or "").removeprefix("==")
            if not version:
                yield warning(
                    file.document, path, "Ray is installed without a version", f"Write 'ray[default]=={here}'"
                )
            elif version != here:
                yield warning(
                    file.document, path, f"Ray {version} is installed, and here runs {here}", f"Write =={here}."
                )


def _machine_images(file: LaunchFile) -> Findings:
    if file.provider != "aws":
        return
    for kind in file.types:
        at: Path = (TYPES, kind.name, "node_config", "ImageId")
        said = _at(file.spec, at)
        if not said or str(said).lower() == "latest_dlami":
            seen = "no image is named, and Ray's default is an Ubuntu 18.04 on which today's torch does not install"
            mend = "Write ImageId: ami-..., such as `a440 cluster init aws` looks up."
            yield warning(file.document, at, seen, mend)


def _images(file: LaunchFile) -> Iterator[tuple[Path, str]]:
    """Container images, with their places."""
    for word in ("image", "head_image", "worker_image"):
        if isinstance(image := _at(file.spec, ("docker", word)), str) and image:
            yield ("docker", word), image
    for kind in file.types:
        path: Path = (TYPES, kind.name, "docker", "worker_image")
        if isinstance(image := _at(file.spec, path), str) and image:
            yield path, image


def _docker(file: LaunchFile) -> Findings:
    said = file.spec.get("docker")
    if not isinstance(said, Mapping) or not said:
        return
    image = said.get("image") or (said.get("head_image") and said.get("worker_image"))
    if bool(image) != bool(said.get("container_name")):
        missing = "container_name" if image else "image"
        example = "ray" if image else f"rayproject/ray:{installed_ray.version()}-py312-gpu"
        seen = "docker needs an image and a container's name, and Ray stops at one of them"
        yield error(file.document, ("docker", missing), seen, f"Write {missing}: {example}")


def image_findings(file: LaunchFile, path: Path, image: str) -> Iterator[Finding]:
    """What is wrong with a container's image."""
    here = installed_ray.version()
    read = _IMAGE.fullmatch(image)
    if read is None or read["digest"]:
        return
    tag = read["tag"] or ""
    ours = re.search(r"(^|/)rayproject/ray(-ml)?$", read["name"]) is not None
    mend = f"Write {read['name']}:{here}-py312-gpu" if ours else "Write a tag that stays what it is, or a digest."
    if not tag or tag.startswith(("latest", "nightly")):
        yield warning(file.document, path, f"{image} is another image whenever it is pulled", mend)
    elif ours and (version := re.match(r"\d+\.\d+\.\d+", tag)) and version[0] != here:
        yield warning(file.document, path, f"{image} has Ray {version[0]}, and here runs {here}", mend)


def _at(found: Any, path: Path) -> Any:
    for word in path:
        found = found.get(word) if isinstance(found, Mapping) else None
    return found
