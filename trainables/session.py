"""One worker's session: it trains leg after leg, and answers with batches of reports.

A *leg* is a stretch of a trial on one actor. Its terms come as a plain dict:

    trial      "t00007"
    params     nested params
    seed       of this trial, whatever the order in which trials run
    upto       the last epoch that the ledger knows; checkpoints after it are not trusted
    after      the epoch at which the trial took over another's weights, else 0
    source     {"trial", "epoch"} to take them from, or None
    seconds    training seconds before this leg
    joules     that the trial used before this leg
    best       the rank of the trial's best report before this leg, or None; best_epoch its epoch
    bar        the rank of the whole study's best report when the leg was proposed, or None

Fast epochs are reported together, slow ones each by itself. A report that was made is never lost to what
comes after it: a full disk costs the checkpoint, an exception ends the trial with all that it reported.
No Ray here.
"""

import time
import traceback
from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path
from typing import Any

from trainables.contract import Aim, Rank, Training
from trainables.endings import LostError, ending, line_of, loss_of, reason_of
from trainables.firewall import BadReportError, missing
from trainables.log import Log
from trainables.meter import Meter
from trainables.remote import Remote
from trainables.repeated import cleaned
from trainables.saver import Saver
from trainables.seeds import sow
from trainables.shared import Share
from trainables.store import Store, store_of

BATCH_S = 0.1  # reports of so many seconds travel together; a killed driver costs no more than that

Start = Callable[[dict[str, Any], int], Training]


class Session:
    """A worker at work for one study.

    Args:
        start: makes a training from params and a seed.
        folder: the study's folder, as this host sees it, one in an object store, or what keeps things there.
        aim: the study's goal.
        judged: epochs at which the scheduler may act: a batch of reports ends there.
        musts: epochs that need a checkpoint, for a trial to be taken up again there.
        last_epoch: the epoch after which a trial is over, or None.
        by_last: whether a trial is worth its last report and not its best one.
        meter: measures what every epoch costs; None for no such metrics.
        log: takes what trials print; one serves all sessions of a process.
        neighbour: finds what gives a training the weights of a trial of the same process, where that is at an epoch.
    """

    def __init__(
        self,
        start: Start,
        folder: Path | Remote | Store,
        aim: Aim,
        judged: Container[int] = (),
        musts: Container[int] = (),
        last_epoch: int | None = None,
        by_last: bool = False,
        meter: Meter | None = None,
        log: Log | None = None,
        neighbour: Callable[[str, int], Callable[[Training], None] | None] = lambda trial, epoch: None,
    ):
        self._meter = meter
        self._by_last = by_last
        self._start, self._store, self._aim = start, store_of(folder), aim
        self._judged, self._musts, self._last_epoch = judged, musts, last_epoch
        self._log = log or Log()
        self._neighbour = neighbour
        self._leg: Mapping[str, Any] | None = None
        self._training: Training | None = None
        self._saver: Saver | None = None
        self._notes: list[str] = []
        self._lost: LostError | None = None

    def begin(self, leg: Mapping[str, Any]) -> None:
        """Takes a leg's terms; nothing is built before the first `advance`."""
        self.end()
        self._leg, self._saver = leg, None
        self._epoch = 0
        self._seconds = float(leg["seconds"])
        self._best: Rank | None = _rank(leg["best"])
        self._best_epoch = int(leg["best_epoch"])
        self._disk_is_full = self._is_stacked = False
        if self._meter is not None:
            self._meter.begin(float(leg.get("joules", 0.0)))

    def advance(self) -> dict[str, Any]:
        """Trains until there is something to say.

        Returns:
            `reports` (epoch, seconds, metrics), `saved` epochs, `notes`, and `end`: None, or how the
            trial ended by itself, with `status`, `reason` and `traceback`.

        Raises:
            LostError: the process cannot be trusted any more; what was reported before is answered first.
        """
        return self._say(self._advance)

    def ready(self) -> dict[str, Any]:
        """Builds the training if there is none, and trains nothing; what `advance` returns, and what it raises."""
        return self._say(lambda said: self._ready())

    def epoch(self) -> dict[str, Any]:
        """One epoch after `ready`: what `advance` returns, with `goes_on`, whether another may follow unheard."""
        return self._say(self._one_epoch)

    @property
    def training(self) -> Training | None:
        """What is trained; None before it is built and after it has ended."""
        return self._training

    @property
    def at(self) -> int:
        """The epoch that was trained last."""
        return self._epoch

    @property
    def sown(self) -> tuple[int, int]:
        """The seed, and the epoch that is next."""
        assert self._leg is not None
        return int(self._leg["seed"]), self._epoch + 1

    def _say(self, work: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        if self._lost is not None:
            raise self._lost
        said: dict[str, Any] = {"reports": [], "saved": [], "end": None}
        try:
            self._logged(work, said)
        finally:
            self._ship(at_once=said["end"] is not None or self._lost is not None)
        said["notes"], self._notes = self._notes, []
        return said

    def _logged(self, work: Callable[[dict[str, Any]], Any], said: dict[str, Any]) -> None:
        with self._log.into(self._log_path):
            try:
                work(said)
            except BadReportError as error:
                print(error)
                said["end"] = ending("failed", str(error))
            except SystemExit as error:
                traceback.print_exc()
                said["end"] = ending("lost", f"the training code called sys.exit({error.code})")
            except Exception as error:
                traceback.print_exc()
                self._lost = loss_of(error)
                if self._lost is None:
                    said["end"] = ending("failed", reason_of(error), traceback.format_exc())
                elif not said["reports"]:
                    raise self._lost from error
            if said["end"] is not None:
                self._close()

    @property
    def is_lost(self) -> bool:
        """Whether its trial broke the process, which the next `advance` says."""
        return self._lost is not None

    @property
    def draws_on(self) -> bool:
        """Whether the next epoch draws from where the generators are now, because it is not sown by itself."""
        return self._training is not None and not self._training.saves

    def keep(self) -> int:
        """Writes a checkpoint of the newest epoch if there is none; returns the newest saved epoch."""
        if self._training is None or self._saver is None or not self._training.saves:
            return 0
        if self._epoch > self._saver.saved_epoch:
            with self._log.into(self._log_path):
                try:
                    self._saver.save(self._training, self._epoch, self._best_epoch)
                except Exception:  # noqa: BLE001 - the study is closing, and the epochs before are saved
                    traceback.print_exc()
            self._ship(at_once=True)
        return self._saver.saved_epoch

    def end(self) -> None:
        """Ends the leg."""
        if self._leg is None:
            return
        if self._training is not None:
            with self._log.into(self._log_path):
                self._close()
            self._ship(at_once=True)
        self._store.leave(self._leg["trial"])
        self._leg = None

    def _ship(self, at_once: bool) -> None:
        assert self._leg is not None
        self._store.ship(self._leg["trial"], at_once)

    @property
    def _log_path(self) -> Path:
        assert self._leg is not None
        return self._store.log(self._leg["trial"])

    def _ready(self) -> None:
        if self._training is None:
            self._open()
        elif self._saver is not None:  # whoever asks for more has written down what came before
            self._saver.knows(self._epoch)

    def _one_epoch(self, said: dict[str, Any]) -> None:
        said["goes_on"] = False  # also where it fails
        said["goes_on"] = self._train_epoch(said)

    def _advance(self, said: dict[str, Any]) -> None:
        self._ready()
        assert self._training is not None
        ended = time.monotonic()
        deadline = ended + BATCH_S
        goes_on = True
        while goes_on:
            began = ended
            goes_on = self._train_epoch(said)
            ended = time.monotonic()
            goes_on = goes_on and ended + (ended - began) < deadline  # the next epoch would still fit in

    def _train_epoch(self, said: dict[str, Any]) -> bool:
        """One epoch; the answer says whether the next one may follow before this one is reported."""
        assert self._leg is not None
        assert self._training is not None
        if self._training.saves and getattr(self._training, "share", None) is None:
            sow(*self.sown)
        outcome, spent, costs = self._step()
        if outcome is None:
            self._finish(said)
            return False
        if not self._report(outcome, spent, costs, said):  # as good as over, and its weights are worth nothing
            return False
        if self._training.saves:
            self._save_if_due(spent, said)
        return self._epoch not in self._judged and self._epoch != self._last_epoch

    def _step(self) -> tuple[Any, float, dict[str, float]]:
        """One epoch: what it reported, its seconds, and what it cost."""
        assert self._training is not None
        share: Share | None = getattr(self._training, "share", None)
        if share is not None:  # the epoch has been trained already
            self._is_stacked = True
            if share.printed:
                print(share.printed, end="")
            outcome = self._training.step()
            return outcome, *(self._meter.shared(share) if self._meter is not None else (share.seconds, {}))
        if self._meter is None:
            began = time.perf_counter()
            outcome = self._training.step()
            return outcome, time.perf_counter() - began, {}
        self._meter.start(self._training)
        outcome = self._training.step()
        return outcome, *self._meter.stop(self._training)

    def _report(self, outcome: Any, spent: float, costs: dict[str, float], said: dict[str, Any]) -> bool:
        """Takes in an epoch's metrics; the answer says whether they are sound."""
        assert self._leg is not None
        wanted = [name for name in self._aim.metrics if name not in costs]
        metrics = {**costs, **cleaned(outcome, self._leg["trial"], wanted)}
        self._epoch += 1
        self._seconds += spent
        said["reports"].append({"epoch": self._epoch, "seconds": round(self._seconds, 6), "metrics": metrics})
        rank = self._aim.rank(metrics)
        if rank is not None and (self._by_last or self._best is None or rank < self._best):
            self._best, self._best_epoch = rank, self._epoch
        return rank is not None

    def _save_if_due(self, spent: float, said: dict[str, Any]) -> None:
        assert self._saver is not None
        self._saver.trained(spent)
        # the first checkpoints of all members of a stack would hold it up: there it is known what one takes
        likely_s = self._store.write_s if self._is_stacked else 0.0
        if self._saver.is_due(self._epoch, self._is_record(), likely_s):
            self._save(said)
            self._store.write_s = self._saver.cost_s

    def _is_record(self) -> bool:
        """Whether this epoch is the best of the whole study so far: that model is wanted."""
        assert self._leg is not None
        if self._best is None or self._best_epoch != self._epoch:
            return False
        bar = _rank(self._leg.get("bar"))
        return bar is None or self._best < bar

    def _save(self, said: dict[str, Any]) -> None:
        """Saves this epoch; training goes on without a checkpoint where the disk does not take it."""
        assert self._leg is not None
        assert self._training is not None
        assert self._saver is not None
        try:
            self._saver.save(self._training, self._epoch, self._best_epoch)
        except OSError as error:
            traceback.print_exc()
            if not self._disk_is_full:
                self._notes.append(
                    f"{self._leg['trial']} could not save epoch {self._epoch} ({line_of(error)}) and trains on. "
                    f"{self._store.mend}: what was not saved is trained again when the trial is interrupted."
                )
            self._disk_is_full = True
        else:
            said["saved"].append(self._epoch)

    def _open(self) -> None:
        """Builds the training, from the newest checkpoint that can be trusted."""
        leg = self._leg
        assert leg is not None
        self._training = self._start(leg["params"], leg["seed"])
        shelf = self._store.shelf(leg["trial"])
        donor, source = None, leg["source"]
        try:
            epoch, folder, passed = shelf.newest(leg["upto"], leg["after"])
            if folder is None and source is not None:
                donor = self._neighbour(source["trial"], source["epoch"])
                folder, more = self._source() if donor is None else (None, [])
                passed += more
            elif folder is None and leg["upto"] > 0:
                passed = passed or ["no checkpoint is left"]
            if not self._training.saves:
                return
            shelf.tidy(leg["upto"])
        except OSError as error:  # no fault of the trial's: it is tried again
            raise LostError(f"its checkpoints cannot be read: {line_of(error)}") from error
        if folder is not None:
            self._training.load(folder)
        elif donor is not None:
            donor(self._training)
        start = "/".join(folder.parts[-4:]) if folder else "its beginning"  # trials/t00001/checkpoints/e00009
        self._notes += [f"{leg['trial']} goes on from {start}: {wrong}" for wrong in passed]
        self._epoch = epoch
        self._saver = Saver(shelf, epoch, leg["upto"], self._musts, self._last_epoch)

    def _source(self) -> tuple[Path | None, list[str]]:
        """The other trial's checkpoint whose weights this one takes over, and what is to be told of it.

        The one of the wanted epoch may be gone, where that trial has run on meanwhile: then the next best.
        """
        assert self._leg is not None
        trial, wanted = self._leg["source"]["trial"], self._leg["source"]["epoch"]
        shelf = self._store.shelf(trial)
        epoch, folder, passed = shelf.newest(wanted)
        if folder is None:
            epoch, folder = shelf.next_whole(wanted)
        if epoch != wanted and not passed:
            passed = [f"{trial} has no checkpoint of epoch {wanted}"]
        return folder, passed

    def _finish(self, said: dict[str, Any]) -> None:
        """The trainable says that it has nothing left to train."""
        assert self._leg is not None
        assert self._training is not None
        if self._epoch == 0:
            raise missing(self._leg["trial"], self._aim.metric)
        if self._saver is not None and self._saver.saved_epoch < self._epoch:
            self._save(said)
        said["end"] = ending("ended", "the trainable finished")

    def _close(self) -> None:
        """Ends the training; what goes wrong at it is no failure of the trial, but it is told."""
        assert self._leg is not None
        training, self._training = self._training, None
        if training is None:
            return
        try:
            training.close()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's `finally` blocks
            traceback.print_exc()
            self._notes.append(f"{self._leg['trial']} did not end cleanly: {reason_of(error)}")


def _rank(coded: Sequence[float] | None) -> Rank | None:
    return None if coded is None else tuple(coded)
