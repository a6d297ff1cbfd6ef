"""What an epoch brings one of those that were trained together."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Share:
    """One member's part of an epoch.

    Attributes:
        metrics: of its own weights.
        rows: that it was trained on.
        seconds: of the epoch, divided by its members.
        joules: likewise.
        printed: meanwhile, for the logs of all members.
        error: what the member's own metrics raised.
    """

    metrics: dict[str, Any]
    rows: int
    seconds: float
    joules: float
    printed: str = ""
    error: BaseException | None = None
