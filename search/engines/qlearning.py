"""Tabular Q-learning through the decisions of a tree.

Baker et al. 2017, Designing neural network architectures using reinforcement learning (MetaQNN, arXiv:1611.02167): a
state is the decision at hand together with the action taken just before it, an action is an option; a trial's reward
comes after its last decision, undiscounted, and Q(s, u) moves by `rate` towards max Q(s', u') (their eq. 3). Their
replay memory is the history, from which the table is made anew for each proposal; their epsilon falls from 1 to 0.1.

The reward is the share of all trials that a trial beats; what was never tried is worth a half.
"""

import numpy as np

from search.engines.decisions import Decisions
from search.engines.draws import generator
from search.engines.history import History
from search.samplers import QLearning
from search.space import Flat, Space

UNKNOWN = 0.5
LEAST_RANDOM = 0.1  # their last epsilon
PASSES = 5  # over the replay memory
MEMORY = 500  # newest trials in it

State = tuple[int, int]  # a leaf, and the action taken before it


class QTable:
    """`QLearning()` at work.

    Args:
        space: what to search.
        settings: the sampler's value.
        seed: with a trial's number it decides that trial's proposal.
    """

    def __init__(self, space: Space, settings: QLearning, seed: int):
        self._space, self._settings, self._seed = space, settings, seed
        self._decisions = Decisions(space, settings.bins)
        self._values: dict[State, np.ndarray] = {}
        self._taught = -1  # the version of the history that the values are made from

    def propose(self, number: int, history: History, attempt: int) -> Flat | None:
        rng = generator(self._seed, number, attempt)
        epsilon = max(LEAST_RANDOM, 1 - (1 - LEAST_RANDOM) * len(history) / self._settings.explore)
        if self._taught != history.version:
            self._values, self._taught = self._learned(history), history.version
        values = self._values
        point: Flat = {}
        before = 0
        for place, leaf in self._space.walk(point):
            actions = int(self._decisions.actions[place])
            known = values.get((place, before))
            if known is None or rng.random() < epsilon:
                unit = self._space.prior.draw(place, float(rng.random()))
                before = min(int(unit * actions), actions - 1)
            else:
                before = int(rng.choice(np.flatnonzero(known == known.max())))
                unit = self._decisions.unit(place, before, rng)
            point[leaf.name] = leaf.domain.at(unit)
        return point

    def _learned(self, history: History) -> dict[State, np.ndarray]:
        """Q of every state that was seen, per action."""
        evidence, failed = history.evidence(), history.failed()
        rewards = np.empty(len(evidence))
        rewards[evidence.order()] = 1 - (np.arange(len(evidence)) + 0.5) / max(len(evidence), 1)
        lessons = [(past, reward) for past, reward in zip(evidence.pasts, rewards.tolist(), strict=True)]
        lessons += [(past, 0.0) for past in failed]
        lessons.sort(key=lambda lesson: lesson[0].number)
        lessons = lessons[-MEMORY:]
        values: dict[State, np.ndarray] = {}
        if not lessons:
            return values
        taken = self._decisions.taken(history.stacked([past for past, _ in lessons]))
        steps = [self._steps(row) for row in taken]
        for _ in range(PASSES):
            for path, (_, reward) in zip(steps, lessons, strict=True):
                self._update(values, path, reward)
        return values

    def _steps(self, actions: np.ndarray) -> list[tuple[State, int]]:
        """The states of a trial and the action taken in each."""
        steps, before = [], 0
        for place in np.flatnonzero(actions >= 0):
            steps.append(((int(place), before), int(actions[place])))
            before = int(actions[place])
        return steps

    def _update(self, values: dict[State, np.ndarray], path: list[tuple[State, int]], reward: float) -> None:
        """One trial, from its last decision to its first."""
        target = reward
        for state, action in reversed(path):
            row = values.setdefault(state, np.full(int(self._decisions.actions[state[0]]), UNKNOWN))
            row[action] += self._settings.rate * (target - row[action])
            target = float(row.max())
