"""The user's own modules on their way to the workers: as source, and imported there as they were here.

A worker cannot import what lies only on the driver's disk. So the text of every module that is neither
installed nor ours travels along, and a finder on the worker's import path serves it: modules refer to
each other, cache, lock and log there as they do here, which pickled copies of their functions would not.
"""

import importlib.abc
import importlib.util
import os
import pickle
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from trainables.origin import OURS, is_own


@dataclass(frozen=True, slots=True)
class Source:
    """A module's source.

    Attributes:
        path: of its file on the driver.
        text: of that file; empty for a folder of modules without an `__init__.py`.
        is_package: whether other modules lie in it.
    """

    path: str
    text: str
    is_package: bool


class Parcel:
    """What is pickled for the workers; unpickling it gives the tuple that `payload` holds.

    Args:
        payload: the pickle of that tuple, which may refer to the user's modules by name.
    """

    def __init__(self, payload: bytes):
        self._payload = payload

    def __reduce__(self) -> tuple[Any, ...]:
        return unwrap, (own_sources(), own_folders(), self._payload)


def unwrap(sources: Mapping[str, Source], folders: Sequence[str], payload: bytes) -> Any:
    """On a worker: makes the user's modules importable, then reads what was sent.

    Args:
        sources: modules by name; those that are loaded here already stay as they are.
        folders: the user's on the driver, for what only runs into an import later; used where this host has them.
        payload: a pickle.
    """
    missing = {name: source for name, source in sources.items() if name not in sys.modules}
    if missing:
        sys.meta_path.insert(0, _Finder(missing))
    sys.path.extend(folder for folder in folders if folder not in sys.path and os.path.isdir(folder))
    return pickle.loads(payload)  # noqa: S301 - packed by our own driver


def own_sources() -> dict[str, Source]:
    """The user's modules that are loaded in this process, except the main script."""
    found: dict[str, Source] = {}
    for name, module in list(sys.modules.items()):
        source = _source(name, module)
        if source is not None:
            found[name] = source
    for name in list(found):
        for parent in _parents(name):
            if parent not in found and _is_bare(sys.modules.get(parent)):
                path = os.path.join(next(iter(sys.modules[parent].__path__)), "__init__.py")
                found[parent] = Source(path, "", is_package=True)
    return found


def own_folders() -> list[str]:
    """The user's folders on the driver's import path."""
    folders = [os.path.abspath(folder) for folder in sys.path]
    return [folder for folder in dict.fromkeys(folders) if os.path.isdir(folder) and is_own(folder)]


def _source(name: str, module: ModuleType) -> Source | None:
    file = getattr(module, "__file__", None)
    spec = getattr(module, "__spec__", None)
    if not isinstance(file, str) or not file.endswith(".py") or spec is None or spec.name != name:
        return None
    if name.split(".")[0] in OURS or not is_own(file):
        return None
    try:
        text = importlib.util.decode_source(Path(file).read_bytes())
    except (OSError, SyntaxError, UnicodeDecodeError):
        return None
    return Source(file, text, is_package=hasattr(module, "__path__"))


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts))]


def _is_bare(module: ModuleType | None) -> bool:
    """Whether it is a folder of modules without an `__init__.py`."""
    return module is not None and getattr(module, "__file__", None) is None and bool(getattr(module, "__path__", None))


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.ExecutionLoader):
    """Serves modules from their text, under their old paths, so that tracebacks show the user's lines."""

    def __init__(self, sources: Mapping[str, Source]):
        self._sources = sources

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self._sources:
            return None
        return importlib.util.spec_from_file_location(name, self._sources[name].path, loader=self)

    def get_source(self, fullname: str) -> str:
        return self._sources[fullname].text

    def get_filename(self, fullname: str) -> str:
        return self._sources[fullname].path

    def is_package(self, fullname: str) -> bool:
        return self._sources[fullname].is_package
