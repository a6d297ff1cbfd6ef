"""A driver's hold on a study: its lease, and for a working copy the lease on its home and the uploads to it."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from orchestrator.folder import Lease, is_held
from orchestrator.home import home_of
from orchestrator.home_lease import HomeLease, is_leased
from orchestrator.mirror import SEGMENT_BYTES, Mirror
from orchestrator.working_copy import refresh
from trainables import store_trouble
from trainables.remote import Remote


@dataclass(frozen=True)
class Hold:
    """The right to write into a study's folder, while the block of `held` lasts.

    Attributes:
        lease: on the folder.
        home_lease: on its home, or None.
        mirror: what uploads to the home, or None.
        told: what was found when the working copy was brought up to date.
    """

    lease: Lease
    home_lease: HomeLease | None = None
    mirror: Mirror | None = None
    told: tuple[str, ...] = ()

    @property
    def lost(self) -> bool:
        """Whether another driver has taken over."""
        return self.lease.lost or (self.home_lease is not None and self.home_lease.lost)

    @property
    def segment_bytes(self) -> int | None:
        """How large a segment of the ledger may grow; None where it does not matter."""
        return None if self.mirror is None else SEGMENT_BYTES

    @property
    def hurry(self) -> Callable[[], None]:
        """What to call after an event that must not be lost."""
        return _nothing if self.mirror is None else self.mirror.hurry

    def news(self) -> Iterator[str]:
        """What is to be noted since the last call."""
        while self.mirror is not None and self.mirror.news:
            yield self.mirror.news.popleft()


@contextmanager
def held(folder: Path) -> Iterator[Hold]:
    """Holds a study's folder; a working copy is brought up to date first, and its home at the end.

    Raises:
        BusyError: another driver holds it.
        ConnectionError: its home cannot be reached.
    """
    lease = Lease(folder)
    try:
        home = home_of(folder)
        if home is None:
            yield Hold(lease)
        else:
            with _held_home(folder, home, lease) as hold:
                yield hold
    finally:
        lease.release()


def is_at_work(folder: Path) -> bool:
    """Whether a driver on this host or another one is at work on a study, as far as can be told from here."""
    if is_held(folder):
        return True
    home = home_of(folder)
    with suppress(OSError):
        return home is not None and is_leased(home, folder)
    return False


@contextmanager
def _held_home(folder: Path, home: Remote, lease: Lease) -> Iterator[Hold]:
    try:
        home_lease = HomeLease(home, folder)
    except OSError as error:
        raise ConnectionError(store_trouble.told(home.uri, error)) from error
    try:
        told = refresh(folder, ours=True)
        mirror = Mirror(folder, home, home_lease)
        try:
            yield Hold(lease, home_lease, mirror, tuple(told))
        finally:
            if left := mirror.close():
                warnings.warn(left, stacklevel=4)
    finally:
        with suppress(OSError):
            home_lease.release()


def _nothing() -> None:
    """A folder that needs no uploads."""
