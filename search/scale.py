"""How the unit interval is laid over a range of numbers: evenly, over orders of magnitude, or as a bell.

Every sampler sees a parameter as a share of [0, 1]; what "evenly" means for it is decided here alone.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

_NORMAL = NormalDist()
REACH = 5.0  # standard deviations: six draws in ten million of an endless bell lie beyond


def stretched(low: float, high: float, share: float, log: bool) -> float:
    """The number at `share` of the way from low to high."""
    if share >= 1:
        return high
    return low * (high / low) ** share if log else low + share * (high - low)


def share_of(low: float, high: float, value: float, log: bool) -> float:
    """How far `value` is on the way from low to high, [0, 1]."""
    if value <= low:
        return 0.0
    if value >= high:
        return 1.0
    return math.log(value / low) / math.log(high / low) if log else (value - low) / (high - low)


@dataclass(frozen=True, slots=True)
class Bell:
    """A normal distribution, of the number itself or of its logarithm, cut off at five standard deviations.

    Attributes:
        mean: of the number, or of its natural logarithm.
        sd: standard deviation, likewise; above zero.
        log: whether both are of the logarithm.
    """

    mean: float
    sd: float
    log: bool = False

    @property
    def ends(self) -> tuple[float, float]:
        """The smallest and the largest number."""
        low, high = self.mean - REACH * self.sd, self.mean + REACH * self.sd
        return (math.exp(low), math.exp(high)) if self.log else (low, high)

    def at(self, share: float) -> float:
        """The number below which `share` of all draws lie."""
        tail = _NORMAL.cdf(-REACH)
        z = _NORMAL.inv_cdf(min(max(tail + share * (1 - 2 * tail), 1e-12), 1 - 1e-12))
        number = self.mean + self.sd * z
        return math.exp(number) if self.log else number

    def share_of(self, value: float) -> float:
        """The share of all draws below `value`."""
        if self.log and value <= 0:
            return 0.0
        number = math.log(value) if self.log else value
        tail = _NORMAL.cdf(-REACH)
        share = (_NORMAL.cdf((number - self.mean) / self.sd) - tail) / (1 - 2 * tail)
        return min(max(share, 0.0), 1.0)
