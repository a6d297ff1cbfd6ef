"""A request for machines that the autoscaler keeps to, in steps that it can take.

Ray's autoscaler takes such a request as a whole or not at all, and machines that it has just asked of a provider count
against the cluster's bound, also those that are refused a moment later. So a request for all of them may find no room
at any look, for ever, because spot machines are asked for again and again: a smaller one gets in between.
"""

from collections.abc import Callable

PATIENCE_S = 15.0  # Ray looks every 5 s, and a machine takes two looks from being wanted to being asked for


class StandingRequest:
    """Machines for so many trials, all at once if that works, otherwise some first and the others behind them.

    Args:
        ask: has the autoscaler hold machines for so many trials; 0 takes the request back.
        patience_s: how long a request may do nothing before a smaller one is tried.

    Attributes:
        wanted: for how many trials in the end.
        asked: and for how many now.
    """

    def __init__(self, ask: Callable[[int], None], patience_s: float = PATIENCE_S):
        self._ask, self._patience_s = ask, patience_s
        self.wanted, self.asked, self._at = 0, 0, 0.0

    def want(self, trials: int, now: float) -> None:
        """From now on so many are wanted; fewer than before is said at once, more when what was asked for has come."""
        self.wanted = trials
        if trials < self.asked or not self.asked:
            self._say(trials, now)

    def see(self, there: int, now: float) -> None:
        """Takes in for how many trials machines are there or on their way, and asks for more or for fewer."""
        if there >= self.asked:
            self._say(min(self.wanted, 2 * max(1, self.asked)), now)
        elif there + 1 < self.asked and now - self._at >= self._patience_s:
            self._say(there + (self.asked - there) // 2, now)

    def _say(self, trials: int, now: float) -> None:
        if trials != self.asked:
            self._ask(trials)
            self.asked, self._at = trials, now
