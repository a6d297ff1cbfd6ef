"""Which epochs of a trial are saved, and which checkpoints are kept."""

import time
from collections.abc import Container

from trainables.contract import Training
from trainables.shelf import Shelf

SAVE_SHARE = 0.1  # of the training time
RECORD_SHARE = 1.0  # for the best model of the study, which is wanted: it may double the time, and no more
SETTLED_S = 2.0  # after which the driver's ledger is on disk, and survives its host's end


class Saver:
    """The checkpoints of one leg.

    Saved are the first epoch (unless it is known to take too long) and the last one, judged ones where a trial may be
    taken up again there, of those that are the best of the whole study as many as half of the time allows, and of the
    others as many as a tenth of it allows. Kept are the two newest, the best epoch's, the last two judged ones, which
    other trials may still want to copy, and the newest that the driver knows of: a worker is ahead of its driver, and
    if that is killed now, later epochs will not be trusted.

    Args:
        shelf: of the trial's checkpoints.
        epoch: of the one that the leg began from.
        known: the last epoch that the ledger knows.
        musts: judged epochs that are to be saved whatever it takes.
        last_epoch: after which a trial is over, or None.
    """

    def __init__(self, shelf: Shelf, epoch: int, known: int, musts: Container[int], last_epoch: int | None):
        self.saved_epoch = epoch
        self._shelf, self._musts, self._last_epoch = shelf, musts, last_epoch
        self.cost_s, self._since_s = 0.0, 0.0
        self._known = self._soon_settled = self._settled = known
        self._told_at = time.monotonic()

    def knows(self, epoch: int) -> None:
        """The driver has written all epochs up to this one into its ledger."""
        self._known, now = epoch, time.monotonic()
        if now - self._told_at > SETTLED_S:
            self._settled, self._soon_settled, self._told_at = self._soon_settled, epoch, now

    def trained(self, seconds: float) -> None:
        """So much more was trained since the last checkpoint."""
        self._since_s += seconds

    def is_due(self, epoch: int, record: bool = False, likely_s: float = 0.0) -> bool:
        """Whether an epoch that has just been trained is to be saved.

        Args:
            epoch: that one.
            record: whether it is the study's best.
            likely_s: what a checkpoint takes, as long as the leg has written none.
        """
        cheap = (self.cost_s or likely_s) <= (RECORD_SHARE if record else SAVE_SHARE) * self._since_s
        return cheap or epoch == self._last_epoch or epoch in self._musts

    def save(self, training: Training, epoch: int, best_epoch: int) -> None:
        """Writes a checkpoint and removes those that are not needed any more.

        Raises:
            OSError: it could not be written; the ones before it are as they were.
        """
        began = time.perf_counter()
        try:
            self._shelf.write(epoch, training.save)
        finally:  # a failed attempt takes its time too
            self.cost_s, self._since_s = time.perf_counter() - began, 0.0
        self.saved_epoch = epoch
        there = [other for other in self._shelf.epochs() if other <= epoch]
        judged = [other for other in there if other in self._musts]
        bounds = (self._known, self._soon_settled, self._settled)
        safe = [next((other for other in there if other <= bound), 0) for bound in bounds]
        self._shelf.prune({*there[:2], *judged[:2], *safe, best_epoch})
        self.cost_s = time.perf_counter() - began
