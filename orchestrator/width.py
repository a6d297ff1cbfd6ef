"""How many trials share a process: one, a fixed number, or as many as pay.

Networks of one kind are trained together, as many as a process has measured to be quickest; other trials take turns, as
many as it takes to keep a process busy.

Ray Tune carries some hundred legs a second, whatever they are. Trials that take less time than that are worth more
together. But who proposes many at once knows less of each: a sampler that learns is asked for no more than a tenth of
the budget before it hears of their outcome.
"""

from typing import Any, Literal

Fuse = int | Literal["auto"] | None

CALL_S = 0.25  # of training that a call to a process is worth
QUICK_S = 0.1  # a trial that trains for longer has a process of its own
WIDEST = 64
LARGEST = 1024
KNOWN = 3  # trials that have ended before their length counts as known
SHARE = 10


def fuse_of(value: Any) -> Fuse:
    """A setting as it was given; raises ValueError with the mend where it means nothing."""
    if value in (None, 1) and not isinstance(value, bool):
        return None
    if value == "auto":
        return "auto"
    if isinstance(value, int) and not isinstance(value, bool) and 1 < value <= LARGEST:
        return value
    raise ValueError(
        f"fuse is {value!r}. Write fuse='auto', or how many trials share a process, up to {LARGEST}: fuse=32"
    )


def fuse_told(fuse: Fuse) -> str:
    """What a setting means, for whoever reads the outlook of a study."""
    return "as many trials share a process as pay" if fuse == "auto" else f"{fuse} trials share a process"


class Width:
    """Decides how many trials the next process trains together.

    Args:
        fuse: a number, `"auto"` for as many as pay, None for one.
        at_once: how many processes there are to be.
        trials: the budget, None for none.
        learns: whether the sampler does.
    """

    def __init__(self, fuse: Fuse, at_once: int, trials: int | None, learns: bool):
        self._fuse = fuse
        share = LARGEST if trials is None else max(1, trials // (SHARE if learns else 2) // max(1, at_once))
        self._most = 8 if learns and trials is None else share
        self._ended, self._trial_s, self._room = 0, 0.0, 0

    def stacks(self, room: int) -> None:
        """A process has measured that so many networks are trained soonest together; 1 for none, 0 for not known."""
        self._room = max(self._room, room)

    def slow(self) -> None:
        """A trial held up those that shared its process: from now on each has its own, or what `"auto"` finds."""
        if self._fuse == "auto":
            self._ended, self._trial_s = KNOWN, 1.0
        else:
            self._fuse = None

    def ended(self, seconds: float) -> None:
        """Takes in how long a trial trained that is over."""
        self._ended += 1
        share = max(0.1, 1 / self._ended)
        self._trial_s += share * (seconds - self._trial_s)

    def now(self) -> int:
        """For a process that has none yet."""
        if self._fuse is None:
            return 1
        if self._fuse != "auto":
            return self._fuse
        if self._room > 1:
            return max(1, min(self._most, self._room))
        if self._ended < KNOWN or self._trial_s > QUICK_S:
            return 1
        return max(1, min(WIDEST, self._most, int(CALL_S / max(self._trial_s, 1e-4))))
