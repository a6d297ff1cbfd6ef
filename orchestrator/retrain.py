"""Search, then train: the winner of a study, or an ensemble of its best, on all rows and to the end.

A retraining is a study like any other, with its own ledger, checkpoints and table: its trials are the winners' points,
its models are kept, and its lineage names where they came from. Rows that were kept back as a test are scored once,
when the training is over; both ledgers say so.
"""

import dataclasses
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator import ledger
from orchestrator.budget import Budget
from orchestrator.folder import BusyError
from orchestrator.hold import held
from orchestrator.home import absolute, address_of, local, parent_of
from orchestrator.results import Results
from orchestrator.working_copy import refresh
from search import FullLength, Random, Strategy
from trainables.checks import check_can_be_kept, own_metrics
from trainables.contract import Brief
from trainables.data import single
from trainables.families import FUNCTION, called, folds_of
from trainables.metrics import computable, default_metrics, evaluate, settled
from trainables.mixture import mixed
from trainables.spelling import nearest
from trainables.start import family_of, starter

if TYPE_CHECKING:
    from orchestrator.record import Record, TrialRecord
    from orchestrator.study import Study
    from trainables.data import Dealt
    from trainables.metrics import Predictions


def retraining(study: "Study", source: Results, *, epochs: int | None, top: int, trial: str | None) -> "Study":
    """The study that trains a study's winners once more, on all rows.

    Args:
        study: that was run.
        source: its results.
        epochs: how long; None for as long as the winner took to become its best (of what ends by itself and is no
            boosted ensemble: to its end).
        top: how many of the best trials; their mean is what is scored on the test rows.
        trial: the id of one that is to be taken instead of the best.

    Raises:
        ValueError, LookupError: there is no such trial, or none has reported a usable value.
    """
    if family_of(study.train) is FUNCTION:
        raise ValueError(
            f"{called(study.train)} is a function, and keeps no model that could be shipped. "
            f"Derive a class from Trainable, with save(self, folder), and retrain a study of that."
        )
    winners = _winners(source, top, trial)
    points = [study.space.decode(winner.point) for winner in winners]
    check_can_be_kept(study.train, lambda: map(study.space.nest, points))
    lineage = {"study": absolute(source.folder), "trials": [winner.id for winner in winners]}
    return dataclasses.replace(
        study,
        strategy=Strategy(Random(), FullLength(_length(study, winners, points, epochs))),
        budget=Budget(trials=len(points)),
        name=f"{study.name[:54]}-retrained",
        storage=parent_of(source.folder),  # beside the study
        start=tuple(points),
        learn_from=(),
        repeats=1,
        whole=True,
        lineage=lineage,
    )


def predict(study: "Study", results: Results, inputs: Any) -> Any:
    """`[N]` what a retrained study's models say of inputs: classes as the data had them, or numbers.

    Args:
        study: as it was retrained.
        results: its results.
        inputs: `[N, ...]`, as the study's data have them.

    Raises:
        LookupError: no model is trained to its end.
        ValueError: such models are not asked.
    """
    import numpy as np

    columns, classes = _learned(results)
    dealt = _as_learned(study.deal(), classes)
    classes = None if dealt is None else dealt.given.classes
    is_network = family_of(study.train).is_network
    arranged = _arranged(inputs, columns)
    found = _predictions(study, results, dealt, single(arranged) if is_network else arranged)
    if classes is None:
        return np.asarray(found.numbers)
    return np.asarray(classes)[found.labels] if is_network else np.asarray(found.labels)


def _learned(results: Results) -> tuple[list[str] | None, tuple[Any, ...] | None]:
    """The columns and the classes that models were trained on, whatever the study's data have become since."""
    for event in ledger.read(results.folder / "ledger").events:
        if event["event"] == "study_started" and "data" in event:
            classes = event.get("classes")
            return event.get("columns"), None if classes is None else tuple(classes)
    return None, None


def _as_learned(dealt: "Dealt | None", classes: tuple[Any, ...] | None) -> "Dealt | None":
    if dealt is None or classes is None:
        return dealt
    return dataclasses.replace(dealt, given=dataclasses.replace(dealt.given, classes=classes))


def _arranged(inputs: Any, columns: list[str] | None) -> Any:
    """A table with the columns that models were trained on, in their order; all other inputs as they are.

    Raises:
        ValueError: it lacks some.
    """
    if columns is None or not hasattr(inputs, "columns"):
        return inputs
    known = {str(column): column for column in inputs.columns}
    for column in columns:
        if column not in known:
            raise ValueError(
                f"the inputs have no column {column!r}, on which models were trained. {nearest(column, known)}"
            )
    return inputs[[known[column] for column in columns]]


def score_test(study: "Study", results: Results, dealt: "Dealt | None") -> None:
    """Scores a finished retraining on the rows that no trial saw, once; where that is not to be done, does nothing.

    The caller holds the lease of the retraining's folder.
    """
    record = results.record
    if not study.whole or dealt is None or dealt.test is None or record.outcome != "done" or record.tested is not None:
        return
    earlier = _tested_before(study)
    if earlier:
        _append(results.folder, "note", text=f"the test rows were not scored again: {earlier}")
        return
    try:
        found = _scores(study, results, dealt)
    except Exception as error:  # noqa: BLE001 - noted; the models are there, and whoever made them can score them
        _append(results.folder, "note", text=f"the test rows were not scored: {error}")
        return
    trials = [trial.id for trial in record.trials.values() if trial.status == "ended"]
    _append(results.folder, "tested", trials=trials, rows=len(dealt.test), metrics=found)
    _tell_source(study, results.folder, found)


def _scores(study: "Study", results: Results, dealt: "Dealt") -> dict[str, float]:
    """`test_` and the names of the goal's metrics that are known, or of those that are usual."""
    assert dealt.test is not None
    own = own_metrics(study.train)
    wanted = {name: own[name] for name in study.goal.metrics if name in own}
    named = {**settled(computable(study.goal.metrics)), **wanted} or settled(default_metrics(dealt.given.classes))
    said = _predictions(study, results, dealt, dealt.test.inputs)
    found = evaluate(named, dealt.test.targets, said, _classes(study, dealt))
    return {f"test_{name}": value for name, value in found.items()}


def _predictions(study: "Study", results: Results, dealt: "Dealt | None", inputs: Any) -> "Predictions":
    """What the models say of inputs as their family takes them; of several their mean."""
    goal = study.goal
    brief = Brief(goal.metric, goal.metrics, None if dealt is None else dealt.given, whole=True, mode=goal.mode)
    start = starter(study.train, brief)
    found = []
    for trial in results.record.trials.values():
        folder = results.fetch(trial) if trial.status == "ended" else None
        if folder is None:
            continue
        training: Any = start(study.space.nest(study.space.decode(trial.params)), trial.seed)
        if not hasattr(training, "predictions"):
            raise ValueError(
                f"{family_of(study.train).kind} models are not asked for predictions. "
                f"Load the checkpoint yourself: {folder}"
            )
        training.load(folder)
        found.append(training.predictions(inputs))
        training.close()
    if not found:
        raise LookupError(
            f"{results.folder.name} has no model that is trained to its end. "
            f"Go on: a440 resume {address_of(results.folder)}"
        )
    return mixed(found, _classes(study, dealt))


def _classes(study: "Study", dealt: "Dealt | None") -> Sequence[Any] | None:
    """Those of the targets, as models of the study's family know them; None where they are none."""
    if dealt is None:
        return None
    return dealt.given.codes if family_of(study.train).is_network else dealt.given.classes


def _winners(source: Results, top: int, trial: str | None) -> "list[TrialRecord]":
    record: Record = source.record
    if isinstance(top, bool) or not isinstance(top, int) or top < 1:
        raise ValueError(f"top={top!r} trains nothing. Write top=1, or more for an ensemble.")
    if trial is not None:
        found = [one for one in record.ranked(longest=False) if one.id == trial]
        if not found:
            raise ValueError(
                f"{source.folder.name} has no trial {trial!r} with a usable value. "
                f"See them: a440 table {address_of(source.folder)}"
            )
        if top > 1:
            raise ValueError(f"one trial, {trial}, and the {top} best are two wishes. Leave one of them out.")
        return found
    if record.best() is None:
        _ = source.best  # raises, and says why there is none
    return record.ranked()[:top]


def _length(study: "Study", winners: "list[TrialRecord]", points: list[Any], epochs: int | None) -> int | None:
    """Epochs of the retraining; None for what ends by itself."""
    family = family_of(study.train)
    if epochs is not None:
        return epochs
    if folds_of(study.train) is not None:
        lengths = [point.get("epochs", getattr(study.train, "fold_epochs", None)) for point in points]
        known = [length for length in lengths if length is not None]
        return max(known) if known and family.deals_folds else None
    return None if family.ends and not family.grows else max(winner.best_epoch for winner in winners)


def _tested_before(study: "Study") -> str | None:
    """Who was scored on these test rows already, in words."""
    source = _source(study)
    if source is None:
        return None
    for event in ledger.read(source / "ledger").events:
        if event["event"] == "tested":
            scores = ", ".join(f"{name} {value:g}" for name, value in event["metrics"].items())
            return f"{event['by']} was ({scores}). A model that is chosen by them twice needs new ones."
    return None


def _tell_source(study: "Study", by: Path, metrics: dict[str, float]) -> None:
    """Writes into the searched study's ledger that its test rows have been looked at."""
    source = _source(study)
    if source is not None:
        try:
            with held(source):
                _append(source, "tested", by=by.name, metrics=metrics, trials=(study.lineage or {}).get("trials", []))
        except (BusyError, ConnectionError) as error:
            _append(by, "note", text=f"{source.name} was not told that its test rows have been scored: {error}")


def _source(study: "Study") -> Path | None:
    """The folder of the searched study, up to date; None where it is gone."""
    place = str((study.lineage or {}).get("study", ""))
    if not place:
        return None
    folder = local(place)
    with suppress(ConnectionError):  # then as it was when it was last read
        refresh(folder)
    return folder if (folder / "ledger").is_dir() else None


def _append(folder: Path, event: str, **fields: Any) -> None:
    """One more event after a study's end."""
    events = ledger.read(folder / "ledger").events
    last_s = max((known["t"] for known in events), default=0.0)
    book = ledger.Ledger(folder / "ledger", lambda: last_s, events[-1]["seq"] + 1 if events else 1)
    try:
        book.append(event, **fields)
    finally:
        book.close()
