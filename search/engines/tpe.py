"""TPE by HyperOpt, asked and told directly: conditional trees, failures as bad, fidelities apart.

Why not through Ray's `HyperOptSearch`: it forgets failed trials, so that the search walks into a
crashing region again and again; it feeds a trial that was stopped early as if it had finished; and
its state is a pickle. Here the state is what was observed, and is rebuilt by observing it again.

Trials of different lengths are not compared with each other: the model is built on the longest
judged length at which enough trials have a loss, as in BOHB (Falkner et al. 2018, arXiv:1807.01774).
"""

import math
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from search.domains import Choice, Float, Int
from search.engines.draws import draw
from search.samplers import TPE
from search.space import Flat, Leaf, Space

WORST = sys.float_info.max  # ranks behind every real loss; HyperOpt only sorts


class ParzenTrees:
    """`TPE()` at work.

    Args:
        space: what to search.
        settings: the sampler's value.
        seed: with a trial's number it decides the random part of that trial's proposal.
    """

    def __init__(self, space: Space, settings: TPE, seed: int):
        self._space, self._settings, self._seed = space, settings, seed
        self._proposed: dict[int, Flat] = {}
        self._losses: dict[int, dict[int, float]] = {}  # epoch -> trial number -> best loss so far
        self._failed: set[int] = set()
        self._backend: _HyperOpt | None = None

    def propose(self, number: int) -> Flat | None:
        losses = self._evidence()
        if len(losses) + len(self._failed) < self._settings.startup or not losses:
            params = draw(self._space, self._seed, number)
        else:
            if self._backend is None:
                self._backend = _HyperOpt(self._space, self._settings)
            ranked = {**losses, **dict.fromkeys(self._failed, WORST)}
            history = [(n, self._proposed[n], loss) for n, loss in sorted(ranked.items())]
            params = self._backend.suggest(number, history, self._seed, self._gamma(len(losses), len(history)))
        self._proposed[number] = params
        return params

    def adopt(self, number: int, params: Flat) -> None:
        self._proposed[number] = params

    def observe(self, number: int, epoch: int, loss: float) -> None:
        if not math.isfinite(loss):
            self.fail(number)
            return
        self._losses.setdefault(epoch, {})[number] = loss

    def fail(self, number: int) -> None:
        self._failed.add(number)

    def _evidence(self) -> dict[int, float]:
        """Trial number to loss, of sound trials, at the longest length that has enough of them."""
        enough = max(self._settings.startup, len(self._space.leaves) + 1)
        chosen: Mapping[int, float] = {}
        for epoch in sorted(self._losses, reverse=True):
            seen = self._losses[epoch]
            if len(seen) > len(chosen):
                chosen = seen
            if len(seen) >= enough:
                chosen = seen
                break
        return {number: loss for number, loss in chosen.items() if number not in self._failed}

    def _gamma(self, sound: int, trials: int) -> float:
        """The setting, or less: failed trials never count among the good ones, however few are sound."""
        return min(self._settings.gamma, (sound - 0.5) / math.sqrt(trials))


class _HyperOpt:
    """HyperOpt's estimator over our space: points go in and out as flat params."""

    def __init__(self, space: Space, settings: TPE):
        import hyperopt  # 1 s: only when a model is needed
        from hyperopt import tpe

        self._space, self._settings = space, settings
        self._hyperopt, self._suggest = hyperopt, tpe.suggest
        self._domain = hyperopt.Domain(lambda _: 0.0, _tree(space, "", (), hyperopt.hp))
        self._misc: dict[int, tuple[Flat, dict[str, Any]]] = {}

    def suggest(self, number: int, history: list[tuple[int, Flat, float]], seed: int, gamma: float) -> Flat:
        """The params of trial `number`, given `(number, params, loss)` of those before."""
        trials = self._hyperopt.Trials()
        trials._trials = [self._document(*row) for row in history]
        rng_seed = int(np.random.SeedSequence([seed & 0xFFFFFFFF, number]).generate_state(1)[0])
        [document] = self._suggest(
            [number],
            self._domain,
            trials,
            rng_seed,
            n_startup_jobs=0,
            gamma=gamma,
            n_EI_candidates=self._settings.candidates,
            verbose=False,
        )
        return self._params(document["misc"]["vals"])

    def _document(self, number: int, params: Flat, loss: float) -> dict[str, Any]:
        """A finished trial in HyperOpt's words: one value per label, none where a leaf is inactive."""
        known, misc = self._misc.get(number, (None, {}))
        if known is not params:
            vals: dict[str, list[Any]] = {leaf.label: [] for leaf in self._space.leaves}
            for _, leaf in self._space.walk(params):
                vals[leaf.label] = [_inward(leaf, params[leaf.name])]
            idxs = {label: [number] * len(value) for label, value in vals.items()}
            misc = {"tid": number, "idxs": idxs, "vals": vals}
            self._misc[number] = (params, misc)
        return {"tid": number, "misc": misc, "result": {"loss": loss, "status": "ok"}, "state": 2}

    def _params(self, vals: Mapping[str, Any]) -> Flat:
        params: Flat = {}
        for _, leaf in self._space.walk(params):
            params[leaf.name] = _outward(leaf, vals[leaf.label][0])
        return params


def _tree(space: Mapping[str, Any], prefix: str, condition: tuple[tuple[str, int], ...], hp: Any) -> dict[str, Any]:
    """The space as HyperOpt's `hp` tree; every branch's labels are its own."""
    tree: dict[str, Any] = {}
    for name, domain in space.items():
        path = f"{prefix}{name}"
        label = Leaf(path, domain, condition).label
        match domain:
            case Space():
                tree[name] = _tree(domain, f"{path}.", condition, hp)
            case Float(low=low, high=high, log=log):
                tree[name] = hp.loguniform(label, *np.log([low, high])) if log else hp.uniform(label, low, high)
            case Int(low=low, high=high, log=True):
                tree[name] = hp.loguniform(label, *np.log([low - 0.5, high + 0.5]))
            case Int(low=low, high=high):
                tree[name] = hp.uniform(label, low - 0.5, high + 0.5)
            case Choice(spaces=spaces):
                options = [
                    _tree(inner, f"{path}.", (*condition, (path, place)), hp) if inner else place
                    for place, inner in enumerate(spaces)
                ]
                tree[name] = hp.choice(label, options)
    return tree


def _inward(leaf: Leaf, value: Any) -> Any:
    return leaf.domain.index(value) if isinstance(leaf.domain, Choice) else value


def _outward(leaf: Leaf, value: Any) -> Any:
    match leaf.domain:
        case Choice(options=options):
            return options[int(value)]
        case Int():
            return leaf.domain.clip(math.floor(float(value) + 0.5))
        case Float():
            return leaf.domain.clip(float(value))
