"""`study.yaml` in a study's folder: the study as it ran, so that it can be resumed and compared."""

import contextlib
import difflib
import hashlib
import inspect
import json
import os
import platform
import re
import shlex
import sys
import time
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator import ledger, strict_yaml
from orchestrator.home import address_of
from search import Sampler, Space
from search.domains import Choice
from trainables.families import looks_like_an_estimator
from trainables.parcel import own_sources

if TYPE_CHECKING:
    from orchestrator.study import Study

FILE = "study.yaml"
SAME = ("train", "space", "limits", "goal", "repeats", "data", "whole")  # without which it is another study
SETTINGS = ("strategy", "seed", "start", "prior", "learn_from")  # which may change where that is accepted


def save(study: "Study", folder: Path) -> None:
    """Writes the study as it runs, with its versions and the digest of its code."""
    write(folder, document(study))


def write(folder: Path, words: Mapping[str, Any]) -> None:
    """Writes a study that is in the words of a study file."""
    draft = folder / f".{FILE}"
    draft.write_text(strict_yaml.write(words), encoding="utf-8")
    draft.replace(folder / FILE)


def opening(study: "Study", picked: Sampler | None, **ran: Any) -> dict[str, Any]:
    """What the first event of a driver tells of its study; `picked` is what its sampler was settled to, if it was."""
    return {
        "format": ledger.FORMAT,
        "name": study.name,
        "goal": str(study.goal),
        "strategy": str(study.strategy),
        "budget": str(study.budget),
        "study": document(study, **ran),
        "at": time.time(),
        **({"picked": str(picked)} if picked is not None else {}),
        **({"by_last": True} if study.by_last else {}),
        **({"lineage": dict(study.lineage)} if study.lineage else {}),
    }


def document(study: "Study", **ran: Any) -> dict[str, Any]:
    """The study in the words of a study file, and under `ran` what it ran with."""
    budget = {k: getattr(study.budget, k) for k in ("trials", "hours", "trial_minutes")}
    return {
        "name": study.name,
        "train": name_of(study.train),
        "space": _written(study.space),
        "goal": str(study.goal),
        "strategy": str(study.strategy),
        "bundle": str(study.bundle),
        "budget": {k: v for k, v in budget.items() if v is not None},
        "seed": study.seed,
        "retries": study.retries,
        **({"fuse": study.fuse} if study.fuse else {}),
        "start": [study.space.encode(point) for point in study.start],
        "limits": [str(limit) for limit in study.space.limits],
        "prior": [str(belief) for belief in study.space.prior.beliefs],
        "learn_from": list(study.learn_from),
        "repeats": study.repeats,
        **({"data": str(study.data)} if study.data is not None else {}),
        **({"whole": True} if study.whole else {}),
        **({"lineage": dict(study.lineage)} if study.lineage else {}),
        "ran": {
            "python": platform.python_version(),
            **{name: _version(name) for name in ("a440", "ray", "torch", "hyperopt", "optuna")},
            "folder": str(Path.cwd()),
            "code": digest(study.train),
            **ran,
        },
    }


def read(folder: Path) -> dict[str, Any]:
    """The study of a folder in the words of a study file: from its ledger, or from `study.yaml` where that is damaged.

    Raises:
        FileNotFoundError: neither is there.
    """
    for event in reversed(ledger.read(folder / "ledger").events):
        if event["event"] == "study_started" and isinstance(event.get("study"), dict):
            return dict(event["study"])
    try:
        return strict_yaml.read((folder / FILE).read_text(encoding="utf-8"), str(folder / FILE)).data
    except (OSError, ValueError):
        raise FileNotFoundError(
            f"{address_of(folder)} holds no study that can be read. List those there are: a440 list"
        ) from None


def changes(old: Mapping[str, Any], new: Mapping[str, Any], parts: Iterable[str]) -> list[str]:
    """The lines that differ in some parts of two documents, marked with + and -."""
    unset = {"limits": [], "prior": [], "learn_from": [], "repeats": 1, "whole": False}  # in what older versions wrote
    before, after = (strict_yaml.write({k: d.get(k, unset.get(k)) for k in parts}).splitlines() for d in (old, new))
    return [line for line in difflib.ndiff(before, after) if line[:1] in "+-"]


def changed_code(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The modules of the user's whose text is not what it was."""
    before, after = (d.get("ran", {}).get("code") or {} for d in (old, new))
    return sorted(name for name in before if name in after and before[name] != after[name])


def check_owner(folder: Path, verb: str = "resume") -> None:
    """Raises ValueError where the study is another user's: its code and its checkpoints would be loaded in our name."""
    if folder.exists() and folder.stat().st_uid != os.getuid():
        raise ValueError(
            f"{folder} belongs to the user {folder.stat().st_uid}, and to {verb} it runs the code that it names. "
            f"If you trust them: a440 {verb} {folder} --trust"
        )


def check_same(study: "Study", folder: Path, *, accept_changes: bool = False) -> None:
    """Raises ValueError with the difference where `study` is not what runs in `folder`."""
    old, new = read(folder), document(study)
    if old.get("ran", {}).get("simulated"):
        raise ValueError(
            f"{folder.name} was simulated, and trials that never trained cannot go on. "
            f"Begin a real study of the same settings: a440 run {shlex.quote(address_of(folder))}/{FILE}"
        )
    if old.get("train") is None:  # of `__main__` then, and perhaps of a module now; the code's digest tells more
        new["train"] = None
    if difference := changes(old, new, SAME):
        raise ValueError(
            f"{folder.name} is another study than the one given:\n" + "\n".join(difference) + "\n"
            "Start a new one with `a440 run`, or resume with what it was."
        )
    if accept_changes:
        return
    if difference := changes(old, new, SETTINGS):
        raise ValueError(
            f"{folder.name} ran with other settings than those given:\n" + "\n".join(difference) + "\n"
            f"Resume with what they were, or go on all the same: a440 resume {address_of(folder)} --accept-changes"
        )
    if modules := changed_code(old, new):
        raise ValueError(
            f"the code of {', '.join(modules)} is not what it was when {folder.name} began. "
            f"Put it back, or go on all the same: a440 resume {address_of(folder)} --accept-changes"
        )


def total_trials(folder: Path, trials: int | str | None, default: int | None) -> int | None:
    """The new total of trials: a number, `+32` for so many more than there are to be, or what it was."""
    before = read(folder).get("budget", {}).get("trials", default)
    if trials is None:
        return before if before is None else int(before)
    form = re.fullmatch(r"(\+?)([0-9]{1,9})", str(trials).strip())
    if form is None:
        raise ValueError(f"--trials is {trials!r}. Give a total, or how many more: --trials +32")
    total = int(form[2]) + (int(before or 0) if form[1] else 0)
    if before is not None and total < int(before):
        raise ValueError(f"{folder.name} is to have {before} trials already. Give more than that: --trials +{form[2]}")
    return total


def name_of(train: Any) -> str | None:
    """`module:name` where the trainable can be found again by it, else None."""
    module, name = getattr(train, "__module__", None), getattr(train, "__qualname__", "")
    if not name:
        return _name_of_object(train)
    if module in (None, "__main__") or "<" in name or "." in name:
        return None
    return f"{module}:{name}"


def _name_of_object(train: Any) -> str | None:
    """The name of an object, such as a Pipeline, in one of the user's modules."""
    for module in own_sources():
        for name, value in vars(sys.modules[module]).items():
            if value is train:
                return f"{module}:{name}"
    return None


def digest(train: Any) -> dict[str, str]:
    """Twelve digits per module of the user's that travels with the trainable; they change with its text."""
    texts = {name: source.text for name, source in own_sources().items()}
    if not texts or getattr(train, "__module__", None) == "__main__":
        with contextlib.suppress(OSError, TypeError):
            texts[getattr(train, "__qualname__", "train")] = inspect.getsource(train)
    if looks_like_an_estimator(train) and not inspect.isclass(train):
        texts[type(train).__name__] = _described(train)
    return {name: hashlib.sha256(text.encode()).hexdigest()[:12] for name, text in sorted(texts.items())}


def _written(space: Space) -> dict[str, Any]:
    return {name: _domain(domain) for name, domain in space.items()}


def _domain(domain: Any) -> Any:
    if isinstance(domain, Space) and domain.form == "dict":
        return _written(domain)
    plain = isinstance(domain, Choice) and not any(domain.spaces) and not domain.ordered and len(domain.options) > 1
    return _options(domain) if plain else str(domain)


def _options(domain: Choice) -> list[Any] | str:
    """A plain choice as a YAML list; options that JSON does not have, by their text."""
    try:
        return list(json.loads(json.dumps(domain.options, allow_nan=False)))
    except (TypeError, ValueError):
        return str(domain)


def _described(estimator: Any) -> str:
    """All params of an estimator, which scikit-learn's `repr` cuts at 700 characters."""
    whole = inspect.signature(type(estimator).__repr__).parameters
    return str(estimator.__repr__(N_CHAR_MAX=10**6) if "N_CHAR_MAX" in whole else repr(estimator))


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def reopen(folder: Path) -> "Study":
    """The study of a folder, from its `study.yaml`.

    Raises:
        ValueError: its trainable cannot be found by name.
    """
    from orchestrator.spec import parse_text

    data = read(folder)
    if data.get("train") is None:
        raise ValueError(
            f"{folder.name} trains a function that cannot be found by name. "
            f"Resume it from Python: study.resume({address_of(folder)!r})"
        )
    return parse_text(strict_yaml.write(data), str(folder / FILE), folders=[data.get("ran", {}).get("folder")])
