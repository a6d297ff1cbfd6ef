"""Study files: YAML in the notation of the Python API, every mistake told at once with its line.

train: examples.digits:DigitsMLP
space: {lr: "loguniform(1e-5, 1e-1)", layers: "integer(1, 4)", act: [relu, gelu]}
goal: min loss
strategy: TPE() + ASHA(max_epochs=27)
budget: {trials: 64}
"""

import functools
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError

from cluster import Bundle
from orchestrator import strict_yaml
from orchestrator.budget import Budget
from orchestrator.folder import NAME, check_name
from orchestrator.study import Study
from orchestrator.width import fuse_of
from search import Belief, Goal, Sampler, Scheduler, Space, Strategy, check_agreement, strategy_of
from search.notation import BELIEFS, DOMAINS, STRATEGIES, parse
from search.options import listed
from search.spelling import did_you_mean
from trainables.data import Data
from trainables.shipping import resolve

BUNDLES = {"Bundle": Bundle}


def load(path: str | Path, settings: Iterable[str] = (), absent: Mapping[str, Any] = MappingProxyType({})) -> Study:
    """The study that a file describes.

    Args:
        path: of the YAML file; code is looked for in the working folder, then beside the file.
        settings: `key.path=value` changes, as in `--set space.lr='uniform(0, 1)'`.
        absent: what stands for keys that the file does not have.

    Raises:
        ValueError: all its mistakes, one `file:line key: what was seen. Mend.` a line.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise ValueError(
            f"{path} cannot be read: {reason}. Give the path of a study file: a440 run study.yaml"
        ) from None
    return parse_text(text, file.name, settings, [file.resolve().parent], absent)


def parse_text(
    text: str,
    name: str = "study.yaml",
    settings: Iterable[str] = (),
    folders: Iterable[str | Path | None] = (),
    absent: Mapping[str, Any] = MappingProxyType({}),
) -> Study:
    """The study that YAML text describes; code is looked for in the working folder, then in `folders`."""
    sys.path.extend(str(folder) for folder in folders if folder and str(folder) not in sys.path)
    document = strict_yaml.read(text, name)
    data = document.data
    set_keys = [_set(data, setting) for setting in settings]

    def place(path: tuple[Any, ...]) -> str:
        for key in set_keys:
            if path and (path[: len(key)] == key or key[: len(path)] == path):
                return "--set"
        return f"{name}:{document.line(path)}"

    data.pop("ran", None)  # in study.yaml: what it ran with
    try:
        sheet = Sheet.model_validate({**absent, **data})
    except ValidationError as error:
        raise ValueError("\n".join(_told(problem, place) for problem in error.errors())) from None
    fields = {k: v for k, v in sheet if v is not None}
    if problems := [f"{place(path)} {'.'.join(map(str, path))}: {error}" for path, error in _at_odds(fields)]:
        raise ValueError("\n".join(problems))
    try:
        stem = Path(name).stem
        has_name = "name" in fields or stem == "study" or not NAME.fullmatch(stem)
        named: dict[str, Any] = {} if has_name else {"name": stem}
        return Study(**named, **fields)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name}: {error}") from None


def _at_odds(fields: Mapping[str, Any]) -> Iterator[tuple[tuple[Any, ...], Exception]]:
    """What is wrong between keys that are right by themselves, each with its place."""
    space, limits, prior = dict(fields["space"]), fields.get("limits", ()), fields.get("prior", ())
    checks: list[tuple[tuple[Any, ...], Callable[[], Any]]] = []
    checks += [(("limits", k), functools.partial(Space, space, [limit])) for k, limit in enumerate(limits)]
    checks += [(("prior", k), functools.partial(Space, space, (), [belief])) for k, belief in enumerate(prior)]
    found = list(_failures(checks))
    if not found:
        found = list(_failures([(("limits",), functools.partial(Space, space, limits, prior))]))
    yield from found
    if not found:
        tree = Space(space, limits, prior)
        yield from _failures(
            [(("start", k), functools.partial(tree.check, p)) for k, p in enumerate(fields.get("start", ()))]
        )
        yield from _failures(
            [(("strategy",), functools.partial(check_agreement, fields["strategy"], fields["goal"], tree))]
        )


def _failures(
    checks: Iterable[tuple[tuple[Any, ...], Callable[[], Any]]],
) -> Iterator[tuple[tuple[Any, ...], Exception]]:
    for path, check in checks:
        try:
            check()
        except (ValueError, TypeError) as error:
            yield path, error


def _domain(value: Any) -> Any:
    """One entry of a space: a notation, a list of options, or a group."""
    match value:
        case str():
            read = parse(value, DOMAINS)
            if isinstance(read, str | int | float | bool | None):
                raise ValueError(_no_domain(value))
            return listed(read) if isinstance(read, list | tuple) else read
        case list():
            return listed(value)
        case Mapping():
            return Space({name: _domain(inner) for name, inner in value.items()})
    raise ValueError(_no_domain(value))


def _no_domain(value: Any) -> str:
    return f"{value!r} is one value, no domain. Write a list [{value}, ...], uniform(0, 1), or fixed({value!r})"


def _strategy(value: Any) -> Strategy:
    if not isinstance(value, str):
        raise ValueError(f"it is {value!r}. Write a sampler and a scheduler: TPE() + ASHA(max_epochs=27)")
    read = parse(value, STRATEGIES)
    if not isinstance(read, Strategy | Sampler | Scheduler):
        raise ValueError(f"{value} is no strategy. Write a sampler and a scheduler: TPE() + ASHA(max_epochs=27)")
    return strategy_of(read)


def _goal(value: Any) -> Goal:
    if not isinstance(value, str | list | Goal):
        raise ValueError(f"the goal is {value!r}. Write a mode and a metric: 'min loss' or 'max accuracy'.")
    return Goal.parse(value)


def _beliefs(value: Any) -> list[Belief]:
    texts = value if isinstance(value, list) else [value]
    found = [parse(text, BELIEFS) for text in texts]
    for text, belief in zip(texts, found, strict=True):
        if not isinstance(belief, Belief):
            raise ValueError(f"it is {text!r}. Write what you believe: 'believed(lr=3e-3, within=3x)'")
    return found


def _texts(value: Any) -> list[str]:
    texts = value if isinstance(value, list) else [value]
    for text in texts:
        if not isinstance(text, str):
            raise ValueError(f"it is {value!r}. Write a list of texts: ['layers * width <= 4096']")
    return texts


def _positive(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"it is {value!r}. Write a whole number of 1 or more")
    return value


def _bundle(value: Any) -> Bundle:
    read = parse(value, BUNDLES) if isinstance(value, str) else Bundle(**value) if isinstance(value, dict) else value
    if not isinstance(read, Bundle):
        raise ValueError(f"it is {value!r}. Write the resources of a trial: Bundle(cpus=1, gpus=0.25)")
    return read


def _budget(value: Any) -> Budget:
    if not isinstance(value, Mapping):
        raise ValueError(f"it is {value!r}. Write what ends the study: {{trials: 64, hours: 2}}")
    known = ("trials", "hours", "trial_minutes")
    for key in value:
        if key not in known:
            raise ValueError(f"{key!r} is unknown. {did_you_mean(key, known)}")
    return Budget(**value)


def _data(value: Any) -> Data:
    if isinstance(value, str) and value.lstrip().startswith("Data("):
        value = parse(value, {"Data": Data})
    elif isinstance(value, Mapping):
        names = [f.name for f in fields(Data)]
        for key in value:
            if key not in names:
                raise ValueError(f"{key!r} is unknown. {did_you_mean(key, names)}")
        if "source" not in value:
            raise ValueError("it has no source. Write data: {source: digits}, or the path of a .parquet or .csv file")
        value = Data(**value)
    if not isinstance(value, str | Data):
        raise ValueError(f"it is {value!r}. Write what to learn from: Data('rows.parquet', target='price')")
    return Data.of(value)


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"it is {value!r}. Write true or false")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"it is {value!r} ({type(value).__name__}). Write a text")
    return value


def _trainable(value: Any) -> Any:
    try:
        return resolve(_text(value), Path.cwd())
    except ValueError as error:
        raise ValueError(str(error).removeprefix("train: ")) from None


def _points(value: Any) -> list[Any]:
    if not isinstance(value, list) or not all(isinstance(point, Mapping) for point in value):
        raise ValueError(f"it is {value!r}. Write a list of points: [{{lr: 0.01}}]")
    return value


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"it is {value!r}. Write a whole number of 0 or more")
    return value


class Sheet(BaseModel):
    """The keys of a study file."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    train: Annotated[Any, BeforeValidator(_trainable)]
    space: Annotated[dict[str, Annotated[Any, BeforeValidator(_domain)]], AfterValidator(Space)]
    goal: Annotated[Goal, BeforeValidator(_goal)]
    strategy: Annotated[Strategy, BeforeValidator(_strategy)]
    bundle: Annotated[Bundle | None, BeforeValidator(_bundle)] = None
    budget: Annotated[Budget | None, BeforeValidator(_budget)] = None
    name: Annotated[str | None, BeforeValidator(check_name)] = None
    seed: Annotated[int | None, BeforeValidator(_whole)] = None
    storage: Annotated[str | None, BeforeValidator(_text)] = None
    retries: Annotated[int | None, BeforeValidator(_whole)] = None
    fuse: Annotated[int | str | None, BeforeValidator(fuse_of)] = None
    start: Annotated[list[Any] | None, BeforeValidator(_points)] = None
    limits: Annotated[list[str] | None, BeforeValidator(_texts)] = None
    prior: Annotated[list[Any] | None, BeforeValidator(_beliefs)] = None
    learn_from: Annotated[list[str] | None, BeforeValidator(_texts)] = None
    repeats: Annotated[int | None, BeforeValidator(_positive)] = None
    data: Annotated[Data | None, BeforeValidator(_data)] = None
    whole: Annotated[bool | None, BeforeValidator(_truth)] = None
    lineage: dict[str, Any] | None = None


EXAMPLES = {
    "train": "train: examples.digits:DigitsMLP",
    "space": "space: {lr: 'loguniform(1e-5, 1e-1)'}",
    "goal": "goal: min loss",
    "strategy": "strategy: TPE() + ASHA(max_epochs=27)",
}


def _told(problem: Any, place: Callable[[tuple[Any, ...]], str]) -> str:
    """One of pydantic's findings as `file:line key: what was seen. Mend.`"""
    path = tuple(problem["loc"])
    key = ".".join(map(str, path))
    match problem["type"]:
        case "missing":
            return f"{place(())} {key}: it is missing. Add it: {EXAMPLES.get(key, key)}"
        case "extra_forbidden":
            return f"{place(path)} {key}: this key is unknown. {did_you_mean(key, Sheet.model_fields)}"
        case "dict_type":
            return f"{place(path)} {key}: it is {problem['input']!r}. Write names and domains: {EXAMPLES['space']}"
    return f"{place(path)} {key}: {problem['msg'].removeprefix('Value error, ')}"


def _set(data: dict[str, Any], setting: str) -> tuple[str, ...]:
    """Carries out one `key.path=value`; the value is read as YAML, or as text where it is notation."""
    path, equals, value = setting.partition("=")
    keys = tuple(path.strip().split("."))
    if not equals or not all(keys):
        raise ValueError(f"--set {setting!r} sets nothing. Write a key and a value: --set space.lr='uniform(0, 1)'")
    inner = data
    for key in keys[:-1]:
        deeper = inner.setdefault(key, {})
        if not isinstance(deeper, dict):
            raise ValueError(f"--set {setting!r}: {key} is {deeper!r} and holds no keys. Set {key} itself.")
        inner = deeper
    try:
        inner[keys[-1]] = strict_yaml.read(f"value: {value}", "--set").data["value"]
    except strict_yaml.YamlError:
        inner[keys[-1]] = value
    return keys
