"""Descends the gradients that trials report, from several starts at once.

A trial that reports `grad/lr` says how its loss changes with lr: by implicit differentiation, unrolling, or forward
mode, whatever its code does (Bengio 2000, Gradient-based optimization of hyperparameters; Franceschi et al. 2017,
arXiv:1703.01785). Each descent goes on from its last trial by the signs of these gradients, with a step per parameter
that grows while the sign stays and halves when it turns (Rprop, Riedmiller & Braun 1993); a trial that is worse than
the one before is taken back. In coordinates of the unit cube, so over orders of magnitude it is the logarithm that
descends.

A descent begins at the best trial that none has passed, so after `Grid(5) >>` at the grid's best points, and at
random while there is none. It never waits: where all descents are under way, another one begins.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from search.domains import Float
from search.engines.cube import Cube
from search.engines.draws import draw, generator
from search.engines.history import History, Past
from search.samplers import Hypergradient
from search.space import Flat, Space

GROWS, SHRINKS = 1.2, 0.5  # Rprop's eta+ and eta-
SMALLEST, LARGEST = 1e-3, 0.5  # of a step; a descent whose steps are all smaller has arrived
ENOUGH = 5  # trials without a gradient, after which there is none to hope for
JUMPS = 4  # attempts after which a descent that would only go where another has been starts afresh

Known = Callable[[Past], bool]  # whether a trial was over in time to be looked at


@dataclass
class Descent:
    """One path.

    Attributes:
        at: the best trial on it.
        steps: `[D]` of its coordinates.
        signs: `[D]` of the last gradient.
        tried: the trial that was asked for last.
    """

    at: Past | None
    steps: np.ndarray
    signs: np.ndarray
    tried: Past | None = None
    passed: list[int] = field(default_factory=list)


class Descents:
    """`Hypergradient()` at work.

    Its state is worked out from the history: for each of its trials, what was known when it was asked for.

    Args:
        space: what to search.
        settings: the sampler's value.
        seed: of the random starts.
    """

    def __init__(self, space: Space, settings: Hypergradient, seed: int):
        self._space, self._settings, self._seed = space, settings, seed
        self._cube = Cube(space)
        self._smooth = np.array([
            isinstance(leaf.domain, Float) and leaf.domain.step is None for leaf in space.leaves
        ])  # fmt: skip
        self._paths: list[Descent] = []
        self._followed = 0

    def propose(self, number: int, history: History, attempt: int) -> Flat | None:
        for past in history.mine[self._followed :]:
            self._next(_Before(past), history).tried = past
        self._followed = len(history.mine)
        self._check(history)
        paths = [_copied(path) for path in self._paths]
        path = self._next(_is_over, history)
        self._paths = paths  # asking again changes nothing
        if path.at is None or attempt >= JUMPS:
            return draw(self._space, self._seed, number, attempt)
        rng = generator(self._seed, number, attempt)
        moved = self._moved(path, history.units(path.at), 1 if attempt == 0 else rng.uniform(0.5, 1.5, self._cube.size))
        return self._cube.point(moved, path.at.params)

    def _moved(self, path: Descent, units: np.ndarray, pace: np.ndarray | float = 1.0) -> np.ndarray:
        """`[D]` one step down from a trial, as far as the walls."""
        moved: np.ndarray = np.clip(units - path.signs * path.steps * pace, 0, 1)
        return moved

    def _has_arrived(self, path: Descent, history: History) -> bool:
        """Whether its next step is too small to matter: it was halved often, or a wall is in the way."""
        if path.at is None:
            return bool((path.steps < SMALLEST).all())
        units = history.units(path.at)
        return bool(np.nanmax(np.abs(self._moved(path, units) - units), initial=0.0) < SMALLEST)

    def _next(self, known: Known, history: History) -> Descent:
        """The descent that goes on, given which trials are known; its state is brought up to date."""
        for path in self._paths:
            if path.tried is not None and known(path.tried):
                self._judge(path)
        under_way = [path for path in self._paths if not self._has_arrived(path, history)]
        free = [path for path in under_way if path.tried is None and path.at is not None]
        if len(under_way) < self._settings.starts or not free:
            return self._begun(known, history)
        return min(free, key=lambda path: _loss(path.at))

    def _check(self, history: History) -> None:
        over = [past for past in history.pasts.values() if past.last is not None]
        if len(over) >= ENOUGH and not any(past.last.slopes for past in over if past.last):
            smooth = (leaf.name for leaf, smooth in zip(self._space.leaves, self._smooth, strict=True) if smooth)
            names = " or ".join(f"grad/{name}" for name in list(dict.fromkeys(smooth))[:3])
            raise LookupError(f"no trial has reported a gradient; report {names} beside the loss")

    def _judge(self, path: Descent) -> None:
        """Takes in a path's last trial: on from there, or back with half the step."""
        tried, path.tried = path.tried, None
        assert tried is not None
        path.passed.append(tried.number)
        signs = self._signs(tried)
        if path.at is None and not signs.any():
            path.steps = path.steps * 0  # a start that failed, or told no gradient, leads nowhere
        elif _loss(tried) < _loss(path.at) and signs.any():
            turned = signs * path.signs < 0
            path.steps = np.clip(path.steps * np.where(turned, SHRINKS, GROWS), 0, LARGEST)
            path.at, path.signs = tried, signs
        else:
            path.steps = path.steps * SHRINKS

    def _begun(self, known: Known, history: History) -> Descent:
        """A new descent: from the best trial that no other has passed, or from a random point."""
        taken = {number for path in self._paths for number in (*path.passed, _number(path.at), _number(path.tried))}
        found = [
            past
            for past in history.pasts.values()
            if past.number not in taken and known(past) and self._signs(past).any()
        ]
        steps = np.where(self._smooth, self._settings.step, 0.0)
        if found:
            best = history.order(found)[0]
            path = Descent(best, steps, self._signs(best))
        else:
            path = Descent(None, steps, np.zeros(len(steps)))
        self._paths.append(path)
        return path

    def _signs(self, past: Past) -> np.ndarray:
        """`[D]` signs of the gradient that a trial reported; 0 where it reported none."""
        signs = np.zeros(self._cube.size)
        if past.last is None:
            return signs
        for place, leaf in self._space.walk(past.params):
            slope = past.last.slopes.get(leaf.name, 0.0)
            if self._smooth[place] and math.isfinite(slope):
                signs[place] = math.copysign(1.0, slope) if slope else 0.0
        return signs


@dataclass(frozen=True)
class _Before:
    """Whether a trial was over when `asked` was asked for."""

    asked: Past

    def __call__(self, past: Past) -> bool:
        return past.was_known_to(self.asked)


def _is_over(past: Past) -> bool:
    return not past.is_pending


def _loss(past: Past | None) -> float:
    return math.inf if past is None or past.last is None else past.last.losses[0]


def _number(past: Past | None) -> int:
    return 0 if past is None else past.number


def _copied(path: Descent) -> Descent:
    return Descent(path.at, path.steps.copy(), path.signs.copy(), path.tried, list(path.passed))
