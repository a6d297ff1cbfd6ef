"""A policy gradient over the decisions of a tree.

REINFORCE, Williams 1992, Simple statistical gradient-following algorithms; as a controller of architectures Zoph & Le
2017, Neural architecture search with reinforcement learning (arXiv:1611.01578); with one softmax per decision, as
Ying et al. 2019 (NAS-Bench-101, arXiv:1902.09635) found it to do as well.

The reward of a trial is where it stands among all (normal scores), so that losses of any scale may be learned from,
and the baseline is zero by construction. The policy is made anew from the history for each proposal: trials teach in
the order of their numbers, whatever the order in which they finished.
"""

import numpy as np

from search.engines.decisions import Decisions
from search.engines.draws import generator
from search.engines.history import History, normal_scores
from search.samplers import Reinforce
from search.space import Flat, Space

WORST = -2.5  # the reward of a failure, in standard deviations
MOST = 2_000  # newest trials that teach


class Policy:
    """`Reinforce()` at work.

    Args:
        space: what to search.
        settings: the sampler's value.
        seed: with a trial's number it decides that trial's proposal.
    """

    def __init__(self, space: Space, settings: Reinforce, seed: int):
        self._space, self._settings, self._seed = space, settings, seed
        self._decisions = Decisions(space, settings.bins)
        most = int(self._decisions.actions.max())
        self._valid = np.arange(most) < self._decisions.actions[:, None]  # [D, A]
        self._first = self._logits = self._believed()
        self._taught = -1  # the version of the history that the logits are made from

    def propose(self, number: int, history: History, attempt: int) -> Flat | None:
        rng = generator(self._seed, number, attempt)
        if self._taught != history.version:
            self._logits, self._taught = self._learned(history), history.version
        chances = self._chances(self._logits)
        units = np.empty(len(chances))
        for place, row in enumerate(chances):
            units[place] = self._decisions.unit(place, int(rng.choice(len(row), p=row)), rng)
        return self._decisions.cube.point(units)

    def _learned(self, history: History) -> np.ndarray:
        """`[D, A]` logits after all trials have taught."""
        evidence, failed = history.evidence(), history.failed()
        rewards = np.empty(len(evidence))
        rewards[evidence.order()] = np.arange(len(evidence), dtype=float)
        rewards = -normal_scores(rewards[:, None])[:, 0]
        lessons = [(past, reward) for past, reward in zip(evidence.pasts, rewards.tolist(), strict=True)]
        lessons += [(past, WORST) for past in failed]
        lessons.sort(key=lambda lesson: lesson[0].number)
        lessons = lessons[-MOST:]
        logits = self._first.copy()
        if not lessons:
            return logits
        taken = self._decisions.taken(history.stacked([past for past, _ in lessons]))
        for actions, (_, reward) in zip(taken, lessons, strict=True):
            active = np.flatnonzero(actions >= 0)
            chances = self._chances(logits)[active]
            gradient = -reward * chances
            gradient[np.arange(len(active)), actions[active]] += reward
            logs = np.log(np.maximum(chances, 1e-12))
            gradient -= self._settings.entropy * chances * (logs - (chances * logs).sum(axis=1, keepdims=True))
            logits[active] += self._settings.rate * gradient
        return logits

    def _chances(self, logits: np.ndarray) -> np.ndarray:
        """`[D, A]` a softmax per decision."""
        powers = np.where(self._valid, np.exp(logits - logits.max(axis=1, keepdims=True)), 0.0)
        chances: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
        return chances

    def _believed(self) -> np.ndarray:
        """`[D, A]` logits that follow the beliefs."""
        logits = np.zeros(self._valid.shape)
        for place, actions in enumerate(self._decisions.actions):
            density = self._space.prior.density(place)
            if density is not None:
                logits[place, :actions] = [density.log((k + 0.5) / actions) for k in range(actions)]
        return logits
