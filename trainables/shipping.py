"""Code on its way to the workers: found by name, packed whole, checked before anything starts.

A worker cannot import what is not installed there, and twelve of twelve trials fail before anybody
says so. So the modules of a user's project travel with the trainable, inside one pickle.
"""

import functools
import importlib
import inspect
import io
import pickle
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import cloudpickle

from trainables.origin import own_line
from trainables.parcel import Parcel
from trainables.spelling import nearest

LARGEST_MIB = 50
_FORM = re.compile(r"([^\W\d]\w*(?:\.[^\W\d]\w*)*):([^\W\d]\w*)")


def resolve(name: str, folder: Path) -> Any:
    """The object that `package.module:attribute` names, with `folder` first on the path.

    Raises:
        ValueError: it cannot be found or imported; the message says which part, and names neighbours.
    """
    form = _FORM.fullmatch(name)
    if form is None:
        raise ValueError(f"train is {name!r}. Write module:name, such as train: {_suggested(name)}.")
    module_name, attribute = form.groups()
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    importlib.invalidate_caches()  # for a file that was written a moment ago
    module = _imported(name, module_name, folder)
    if not hasattr(module, attribute):
        public = [word for word in vars(module) if not word.startswith("_")]
        raise ValueError(f"train: {module_name} has no {attribute!r}. {nearest(attribute, public)}")
    return getattr(module, attribute)


def pack(source: Any, *more: Any) -> bytes:
    """The pickle of the tuple `(source, *more)`, for any worker that has a440.

    Args:
        source: a trainable.
        more: what is to travel with it.

    Raises:
        ValueError: something in it cannot be sent, or it is larger than 50 MiB; the message names it.
    """
    try:
        payload = _dumps((source, *more))
    except Exception as error:
        raise ValueError(
            f"{_called(source)} cannot be sent to workers: {_culprit((source, *more)) or _line(error)}. "
            f"Make that object inside the function, from params."
        ) from error
    packed = pickle.dumps(Parcel(payload))
    if len(packed) > LARGEST_MIB * 2**20:
        name, size = _largest((source, *more))
        raise ValueError(
            f"{_called(source)} carries {name!r} of {size / 2**20:.0f} MiB to every worker. "
            f"Load it inside the function from a file, once per process (functools.cache)."
        )
    return packed


# -- found by name ---------------------------------------------------------------------------------


def _imported(name: str, module_name: str, folder: Path) -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except SyntaxError as error:
        raise ValueError(
            f"train: {name} has a syntax error in {error.filename}:{error.lineno} ({error.msg}). Mend that line."
        ) from None
    except ModuleNotFoundError as error:
        missing = error.name or module_name
        if module_name == missing or module_name.startswith(f"{missing}."):
            raise ValueError(
                f"train: {name} names the module {missing!r}, which is not found from {folder}. "
                f"{_neighbours(missing, folder)}"
            ) from None
        raise ValueError(
            f"train: {name} imports {missing!r}{_at(error)}, which is not installed. "
            f"Run: pip install {missing.split('.')[0]}"
        ) from None
    except SystemExit as error:
        raise ValueError(
            f"train: {name} calls sys.exit({error.code}) when it is imported{_at(error)}. "
            f"Put what it runs under: if __name__ == '__main__':"
        ) from None
    except Exception as error:
        raise ValueError(
            f"train: {name} fails when imported ({type(error).__name__}: {_line(error)}){_at(error)}. Mend it first."
        ) from error


def _suggested(name: str) -> str:
    """What was probably meant by a name of another form, or an example."""
    words = re.sub(r"\.py(?=:|$)", "", name).strip("./").replace("/", ".")
    if ":" not in words:
        words = ":".join(words.rsplit(".", 1))
    return words if _FORM.fullmatch(words) else "examples.digits:DigitsMLP"


def _neighbours(missing: str, folder: Path) -> str:
    """The mend for a module that is not there: the nearest one that is."""
    *packages, last = missing.split(".")
    place = folder.joinpath(*packages)
    files = [*place.glob("*.py"), *(path.parent for path in place.glob("*/*.py"))]
    near = nearest(last, {path.stem for path in files if path.stem.isidentifier()})
    if near.startswith("Did you mean"):
        return near
    return "Run from the folder that holds it, or write the path to it with dots."


def _at(error: BaseException) -> str:
    line = own_line(error)
    return f" in {line}" if line else ""


# -- packed whole ----------------------------------------------------------------------------------


class _Pickler(cloudpickle.Pickler):
    """Sends functions under `functools.cache` that no worker can find by their name."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, functools._lru_cache_wrapper) and not _has_a_home(obj):
            return _cached, (obj.cache_parameters(), obj.__wrapped__)
        return super().reducer_override(obj)


def _cached(settings: dict[str, Any], function: Callable[..., Any]) -> Any:
    return functools.lru_cache(**settings)(function)


def _has_a_home(obj: Any) -> bool:
    """Whether a worker finds it by its module and name."""
    found: Any = sys.modules.get(obj.__module__) if obj.__module__ != "__main__" else None
    for word in obj.__qualname__.split("."):
        found = getattr(found, word, None)
    return found is obj


def _dumps(thing: Any) -> bytes:
    with io.BytesIO() as file:
        _Pickler(file).dump(thing)
        return file.getvalue()


# -- what is wrong with it -------------------------------------------------------------------------


def _parts(thing: Any) -> dict[str, Any]:
    """What a thing takes with it, by the names that its author gave."""
    match thing:
        case functools.partial():
            bound = inspect.signature(thing.func).bind_partial(*thing.args, **thing.keywords).arguments
            return {**bound, **_parts((thing.func,))}
        case MethodType():
            return {**_parts(thing.__self__), **_parts(thing.__func__)}
        case FunctionType():
            return _captured(thing)
        case dict():
            return {str(key): value for key, value in thing.items()}
        case list() | tuple() | set() | frozenset():
            return {getattr(part, "__name__", type(part).__name__) + f"[{n}]": part for n, part in enumerate(thing)}
        case type():
            inside = vars(thing).values()
            captured = [_captured(part) for part in inside if isinstance(part, FunctionType)]
            attributes = {k: v for k, v in vars(thing).items() if not isinstance(v, FunctionType) and k[:2] != "__"}
            return {k: v for part in captured for k, v in part.items()} | attributes
        case ModuleType():
            return {}
    return (_parts(type(thing)) if _has_no_name(type(thing)) else {}) | getattr(thing, "__dict__", {})


def _has_no_name(kind: type) -> bool:
    """Whether a class is sent with all that is in it, for it cannot be imported."""
    return kind.__module__ == "__main__" or "<locals>" in kind.__qualname__


def _captured(function: FunctionType) -> dict[str, Any]:
    """Its closure, its defaults, and the globals that it or a function inside it names."""
    names = _names(function.__code__)
    found = {name: value for name, value in function.__globals__.items() if name in names}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not filled yet
            continue
    bound = inspect.signature(function).parameters.values()
    return found | {p.name: p.default for p in bound if p.default is not p.empty}


def _names(code: CodeType) -> set[str]:
    inner = [_names(part) for part in code.co_consts if isinstance(part, CodeType)]
    return set(code.co_names).union(*inner)


def _culprit(thing: Any, seen: frozenset[int] = frozenset()) -> str | None:
    """The innermost named part that cannot be pickled."""
    for name, part in _parts(thing).items():
        if id(part) in seen:
            continue
        try:
            _dumps(part)
        except Exception as error:  # noqa: BLE001 - whatever it raises, it is what cannot be sent
            return _culprit(part, seen | {id(part)}) or f"{name!r} ({type(part).__name__}): {_line(error)}"
    return None


def _largest(thing: Any) -> tuple[str, int]:
    """The innermost named part that holds most of the bytes, and how many."""
    name, size = "an object", len(_dumps(thing))
    for _ in range(8):
        sizes = {part: len(_dumps(value)) for part, value in _parts(thing).items()}
        largest = max(sizes, key=lambda part: sizes[part], default=None)
        if largest is None or sizes[largest] < size / 2:
            break
        name, size, thing = largest, sizes[largest], _parts(thing)[largest]
    return name, size


def _called(source: Any) -> str:
    while isinstance(source, functools.partial):
        source = source.func
    named = source if hasattr(source, "__qualname__") else type(source)
    return f"the trainable {named.__qualname__!r}"


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300].rstrip(".")
