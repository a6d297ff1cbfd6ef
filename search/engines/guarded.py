"""A sampler that raises, leaves the bounds or repeats itself: random points instead, and one warning.

A study of days shall not end because a model could not be fitted to its trials.
"""

import json
import warnings
from collections.abc import Callable

from search.engines.draws import draw
from search.protocol import SamplerEngine
from search.space import Flat, Space

ATTEMPTS = 16  # at a point that was not tried; in a small space there may be none left


class Guarded:
    """An engine behind which stands random search.

    Args:
        engine: proposes as long as its proposals are sound.
        space: what they are checked against.
        seed: of the random points.
        name: of the sampler, for the warning.
        warn: is told once.
    """

    def __init__(
        self, engine: SamplerEngine, space: Space, seed: int, name: str, warn: Callable[[str], None] = warnings.warn
    ):
        self.engine = engine
        self._warn_once = warn
        self._space, self._seed, self._name = space, seed, name
        self._tried: set[str] = set()
        self._warned = False

    def propose(self, number: int) -> Flat | None:
        try:
            point = self.engine.propose(number)
            point = None if point is None else self._space.check(point)
        except Exception as error:  # noqa: BLE001 - whatever a model may raise
            self._warn(f"failed at trial {number} ({type(error).__name__}: {error})")
            return self._random(number)
        if point is None or self._key(point) not in self._tried:
            return point
        self._warn(f"proposed for trial {number} what had been tried before")
        return self._random(number)

    def adopt(self, number: int, params: Flat) -> None:
        self._tried.add(self._key(params))
        self._tell("adopt", number, params)

    def observe(self, number: int, epoch: int, loss: float) -> None:
        self._tell("observe", number, epoch, loss)

    def fail(self, number: int) -> None:
        self._tell("fail", number)

    def _tell(self, event: str, *details: object) -> None:
        try:
            getattr(self.engine, event)(*details)
        except Exception as error:  # noqa: BLE001
            self._warn(f"could not learn of trial {details[0]} ({type(error).__name__}: {error})")

    def _random(self, number: int) -> Flat:
        """A random point that was not tried, if one is found soon."""
        point: Flat = {}
        for attempt in range(1, ATTEMPTS + 1):
            point = draw(self._space, self._seed, number, attempt)
            if self._key(point) not in self._tried:
                break
        return point

    def _key(self, point: Flat) -> str:
        return json.dumps(self._space.encode(point))

    def _warn(self, what: str) -> None:
        if not self._warned:
            self._warned = True
            self._warn_once(f"{self._name} {what}. Random points take its place where that happens.")
