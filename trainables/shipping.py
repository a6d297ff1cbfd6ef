"""Code on its way to the workers: found by name, packed by value, checked before anything starts.

A worker cannot import what is not installed there, and twelve of twelve trials fail before anybody
says so. So the modules of a user's project travel with the trainable, inside one pickle.
"""

import importlib
import inspect
import sys
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle

from trainables.spelling import nearest

LARGEST_MIB = 50
OURS = ("orchestrator", "search", "trainables", "cluster")


def resolve(name: str, folder: Path) -> Any:
    """The object that `package.module:attribute` names, with `folder` first on the path.

    Raises:
        ValueError: it cannot be found or imported; the message says which part, and names neighbours.
    """
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise ValueError(f"train is {name!r}. Write module:name, such as train: examples.digits:DigitsMLP.")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        module = importlib.import_module(module_name)
    except SyntaxError as error:
        raise ValueError(
            f"train: {name} has a syntax error in {error.filename}:{error.lineno}. Mend that line."
        ) from None
    except ModuleNotFoundError as error:
        missing = error.name or module_name
        if module_name == missing or module_name.startswith(f"{missing}."):
            raise ValueError(
                f"train: {name} names the module {missing!r}, which is not found from {folder}. "
                f"Run from the folder that holds it, or write the path to it with dots."
            ) from None
        raise ValueError(
            f"train: {name} imports {missing!r}, which is not installed. Run: pip install {missing}"
        ) from None
    except Exception as error:
        raise ValueError(
            f"train: {name} fails when imported ({type(error).__name__}: {error}). Mend it first."
        ) from error
    if not hasattr(module, attribute):
        public = [word for word in vars(module) if not word.startswith("_")]
        raise ValueError(f"train: {module_name} has no {attribute!r}. {nearest(attribute, public)}")
    return getattr(module, attribute)


def pack(source: Any) -> bytes:
    """A trainable as bytes that any worker with a440 can unpack.

    Raises:
        ValueError: something in it cannot be sent, or is larger than 50 MiB; the message names it.
    """
    added = [module for module in _project_modules(source) if _register(module)]
    try:
        packed = cloudpickle.dumps(source)
    except Exception as error:
        raise ValueError(
            f"{_called(source)} cannot be sent to workers: {_culprit(source) or error}. "
            f"Make that object inside the function, from params."
        ) from error
    finally:
        for module in added:
            cloudpickle.unregister_pickle_by_value(module)
    if len(packed) > LARGEST_MIB * 2**20:
        name, size = _largest(source)
        raise ValueError(
            f"{_called(source)} carries {name!r} of {size / 2**20:.0f} MiB to every worker. "
            f"Load it inside the function from a file, once per process (functools.cache)."
        )
    return packed


def _project_modules(source: Any) -> list[ModuleType]:
    """The user's own modules: those under the folder of the trainable's module that are not installed."""
    module = inspect.getmodule(source)
    if module is None or module.__name__ == "__main__" or not getattr(module, "__file__", None):
        return []
    root = Path(str(module.__file__)).resolve().parents[module.__name__.count(".")]
    if _is_installed(root):
        return []
    return [m for m in list(sys.modules.values()) if _is_below(m, root)]


def _is_below(module: ModuleType, root: Path) -> bool:
    file = getattr(module, "__file__", None)
    if not file or module.__name__ == "__main__" or module.__name__.split(".")[0] in OURS:
        return False
    path = Path(file).resolve()
    return path.is_relative_to(root) and not _is_installed(path)


def _is_installed(path: Path) -> bool:
    homes = {sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")}
    return any(path.is_relative_to(Path(home).resolve()) for home in homes)


def _register(module: ModuleType) -> bool:
    if module.__name__ in cloudpickle.list_registry_pickle_by_value():
        return False
    cloudpickle.register_pickle_by_value(module)
    return True


def _captured(source: Any) -> dict[str, Any]:
    """What a function takes with it: its closure's variables and the globals that it names."""
    if not inspect.isfunction(source):
        return {}
    found = inspect.getclosurevars(source)
    return {**found.globals, **found.nonlocals}


def _culprit(source: Any) -> str | None:
    for name, value in _captured(source).items():
        try:
            cloudpickle.dumps(value)
        except Exception as error:  # noqa: BLE001 - whatever it raises, it is what cannot be sent
            return f"{name!r} ({type(value).__name__}): {error}"
    return None


def _largest(source: Any) -> tuple[str, int]:
    sizes = {name: len(cloudpickle.dumps(value)) for name, value in _captured(source).items()}
    name = max(sizes, key=lambda k: sizes[k], default="an object")
    return name, sizes.get(name, len(cloudpickle.dumps(source)))


def _called(source: Any) -> str:
    return f"the trainable {getattr(source, '__qualname__', source)!r}"
