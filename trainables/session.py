"""One worker's session: it trains leg after leg, and answers with batches of reports.

A *leg* is a stretch of a trial on one actor. Its terms come as a plain dict:

    trial      "t00007"
    params     nested params
    seed       of this trial, whatever the order in which trials run
    upto       the last epoch that the ledger knows; checkpoints after it are not trusted
    after      the epoch at which the trial took over another's weights, else 0
    source     {"trial", "epoch"} to take them from, or None
    seconds    training seconds before this leg
    best       the goal's best value before this leg, or None; best_epoch its epoch

Fast epochs are reported together, slow ones each by itself; checkpoints are written after every
epoch unless that would take more than a tenth of the time. No Ray here.
"""

import random
import sys
import time
import traceback
from collections.abc import Callable, Container, Mapping
from pathlib import Path
from typing import Any

from trainables import checkpoint
from trainables.contract import Training
from trainables.firewall import BadReportError, clean, missing
from trainables.log import captured

BATCH_S = 0.1  # reports of this many seconds travel together
SAVE_SHARE = 0.1  # of the training time

Start = Callable[[dict[str, Any], int], Training]


class LostError(Exception):
    """The process can no longer be trusted (out of memory, a CUDA error): the leg is to go on in another."""


class Session:
    """A worker at work for one study.

    Args:
        start: makes a training from params and a seed.
        folder: the study's folder, as this host sees it.
        metric: the goal's metric.
        mode: `min` or `max`.
        judged: epochs at which the scheduler may act: a batch of reports ends there.
        must_save: whether a judged epoch needs a checkpoint, for a trial to be taken up again there.
        last_epoch: the epoch after which a trial is over, or None.
    """

    def __init__(
        self,
        start: Start,
        folder: Path,
        metric: str,
        mode: str,
        judged: Container[int] = (),
        must_save: bool = False,
        last_epoch: int | None = None,
    ):
        self._start, self._folder, self._metric = start, folder, metric
        self._judged, self._must_save, self._last_epoch = judged, must_save, last_epoch
        self._sign = 1.0 if mode == "min" else -1.0
        self._leg: Mapping[str, Any] | None = None
        self._training: Training | None = None

    def begin(self, leg: Mapping[str, Any]) -> None:
        """Takes a leg's terms; nothing is built before the first `advance`."""
        self.end()
        self._leg = leg
        self._epoch = self._saved_epoch = 0
        self._seconds = float(leg["seconds"])
        self._best: float | None = leg["best"]
        self._best_epoch = int(leg["best_epoch"])
        self._save_s, self._since_save_s = 0.0, 0.0
        self._judged_saves: list[int] = []

    def advance(self) -> dict[str, Any]:
        """Trains until there is something to say.

        Returns:
            `reports` (epoch, seconds, metrics), `saved` epochs, `notes`, and `end`: None, or how the
            trial ended by itself, with `status`, `reason` and `traceback`.

        Raises:
            LostError: the process cannot be trusted any more.
        """
        assert self._leg is not None
        said: dict[str, Any] = {"reports": [], "saved": [], "notes": [], "end": None}
        with captured(self._trial_folder / "log.txt"):
            try:
                self._advance(said)
            except BadReportError as error:
                said["end"] = _end("failed", str(error))
            except SystemExit as error:
                said["end"] = _end("lost", f"the training code called sys.exit({error.code})")
            except Exception as error:  # noqa: BLE001 - a trial's failure is an answer, told with its traceback
                _refuse_to_go_on(error)
                said["end"] = _end("failed", _reason(error), traceback.format_exc())
                traceback.print_exc()
        if said["end"] is not None:
            self.end()
        return said

    def keep(self) -> int:
        """Writes a checkpoint of the newest epoch if there is none; returns the newest saved epoch."""
        if self._training is not None and self._training.saves and self._epoch > self._saved_epoch:
            self._save()
        return self._saved_epoch

    def end(self) -> None:
        """Ends the leg."""
        if self._training is not None:
            self._training.close()
        self._training = None

    @property
    def _trial_folder(self) -> Path:
        assert self._leg is not None
        return self._folder / "trials" / self._leg["trial"]

    def _advance(self, said: dict[str, Any]) -> None:
        assert self._leg is not None
        if self._training is None:
            self._open(said)
        assert self._training is not None
        deadline = time.monotonic() + BATCH_S
        while said["end"] is None:
            began = time.perf_counter()
            outcome = self._training.step()
            spent = time.perf_counter() - began
            if outcome is None:
                self._finish(said)
                return
            self._report(outcome, spent, said)
            if self._epoch in self._judged or self._epoch == self._last_epoch:
                return
            if time.monotonic() >= deadline:
                return

    def _report(self, outcome: Any, spent: float, said: dict[str, Any]) -> None:
        assert self._leg is not None
        metrics = clean(outcome, self._leg["trial"], self._metric)
        self._epoch += 1
        self._seconds += spent
        self._since_save_s += spent
        said["reports"].append({"epoch": self._epoch, "seconds": round(self._seconds, 6), "metrics": metrics})
        value = self._sign * metrics[self._metric]
        if self._best is None or value < self._sign * self._best:
            self._best, self._best_epoch = metrics[self._metric], self._epoch
        if self._is_due():
            self._save()
            said["saved"].append(self._epoch)

    def _is_due(self) -> bool:
        assert self._leg is not None
        assert self._training is not None
        if not self._training.saves:
            return False
        at_the_end = self._epoch == self._last_epoch
        judged = self._must_save and self._epoch in self._judged
        return at_the_end or judged or self._save_s <= SAVE_SHARE * self._since_save_s or self._saved_epoch == 0

    def _save(self) -> None:
        assert self._leg is not None
        assert self._training is not None
        began = time.perf_counter()
        root = self._trial_folder / "checkpoints"
        checkpoint.write(root, self._epoch, self._training.save)
        if self._epoch in self._judged:
            self._judged_saves = [*self._judged_saves[-1:], self._epoch]
        newest = [epoch for epoch in checkpoint.epochs(root) if epoch <= self._epoch][:2]
        checkpoint.prune(root, {*newest, self._best_epoch, *self._judged_saves})
        self._saved_epoch, self._since_save_s = self._epoch, 0.0
        self._save_s = time.perf_counter() - began

    def _open(self, said: dict[str, Any]) -> None:
        """Builds the training, from the newest checkpoint that can be trusted."""
        leg = self._leg
        assert leg is not None
        random.seed(leg["seed"])
        if "numpy" in sys.modules:
            sys.modules["numpy"].random.seed(leg["seed"] % 2**32)
        training = self._start(leg["params"], leg["seed"])
        self._training = training
        if not training.saves:
            return
        epoch, folder, passed = checkpoint.newest(self._trial_folder / "checkpoints", leg["upto"], leg["after"])
        if folder is None and leg["source"] is not None:
            root = self._folder / "trials" / leg["source"]["trial"] / "checkpoints"
            _, folder, more = checkpoint.newest(root, leg["source"]["epoch"])
            passed += more
        if folder is not None:
            training.load(folder)
        start = str(folder.relative_to(self._folder)) if folder else "its beginning"
        said["notes"] += [f"{leg['trial']} goes on from {start}: {wrong}" for wrong in passed]
        self._epoch = self._saved_epoch = epoch

    def _finish(self, said: dict[str, Any]) -> None:
        """The trainable says that it has nothing left to train."""
        assert self._leg is not None
        assert self._training is not None
        if self._epoch == 0:
            raise missing(self._leg["trial"], self._metric)
        if self._training.saves and self._saved_epoch < self._epoch:
            self._save()
            said["saved"].append(self._epoch)
        said["end"] = _end("ended", "the trainable finished")


def _end(status: str, reason: str, trace: str | None = None) -> dict[str, Any]:
    return {"status": status, "reason": reason, "traceback": trace}


def _reason(error: BaseException) -> str:
    """An exception in one line, with the user's own line that raised it."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "/trainables/" not in f.filename]
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}{where}" if text else f"{type(error).__name__}{where}"


def _refuse_to_go_on(error: Exception) -> None:
    """Raises LostError for failures that poison a process: its memory or its CUDA context."""
    name, text = type(error).__name__, str(error)
    if name == "OutOfMemoryError" or "CUDA out of memory" in text:
        raise LostError(f"out of GPU memory: {text[:200]}") from error
    if isinstance(error, MemoryError):
        raise LostError(f"out of memory: {text[:200]}") from error
    if "CUDA error" in text:
        raise LostError(f"the GPU reported an error: {text[:200]}") from error
