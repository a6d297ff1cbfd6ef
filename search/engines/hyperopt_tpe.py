"""TPE by HyperOpt, asked directly: conditional trees, failures as bad, lengths apart.

Bergstra et al. 2011, Algorithms for hyper-parameter optimization. Why not through Ray's `HyperOptSearch`: it forgets
failed trials, so that the search walks into a crashing region again and again; it feeds a trial that was stopped
early as if it had finished; and its state is a pickle. Here the state is the history.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from search.domains import Choice, Float, Int
from search.engines.draws import draw, generator
from search.engines.history import History, Past
from search.repeat import Repeat
from search.samplers import TPE
from search.space import Flat, Leaf, Space
from search.tree import Condition, copy_clause


class HyperOptTPE:
    """`TPE(engine="hyperopt")` at work.

    Args:
        space: what to search.
        settings: the sampler's value.
        seed: with a trial's number it decides the random part of that trial's proposal.
    """

    def __init__(self, space: Space, settings: TPE, seed: int):
        self._space, self._settings, self._seed = space, settings, seed
        self._backend: _HyperOpt | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_backend": None}  # HyperOpt's own objects do not travel; they are made again

    def propose(self, number: int, history: History, attempt: int) -> Flat | None:
        evidence, failed = history.evidence(), history.failed()
        if not evidence.carries(self._settings.startup) or self._is_random(number):
            return draw(self._space, self._seed, number, attempt)
        if self._backend is None:
            self._backend = _HyperOpt(self._space, self._settings)
        places = np.empty(len(evidence))
        places[evidence.order()] = np.arange(len(evidence))
        ranked = [*zip(evidence.pasts, places.tolist(), strict=True), *((past, math.inf) for past in failed)]
        ranked = [(past, min(place, float(len(ranked)))) for past, place in ranked]  # failures share the last place
        ranked.sort(key=lambda row: row[0].number)
        gamma = self._gamma(len(evidence), len(ranked))
        return self._backend.suggest(number, ranked, self._mixed(number, attempt), gamma)

    def _is_random(self, number: int) -> bool:
        return generator(self._seed, number, 1_000).random() < self._settings.random

    def _gamma(self, sound: int, trials: int) -> float:
        """The setting, or less: failed trials never count among the good ones, however few are sound."""
        gamma = 1.0 if self._settings.gamma is None else self._settings.gamma
        return min(gamma, (sound - 0.5) / math.sqrt(trials))

    def _mixed(self, number: int, attempt: int) -> int:
        words = [self._seed & 0xFFFFFFFF, number, *([attempt] if attempt else [])]
        return int(np.random.SeedSequence(words).generate_state(1)[0])


class _HyperOpt:
    """HyperOpt's estimator over our space: points go in and out as flat params."""

    def __init__(self, space: Space, settings: TPE):
        import hyperopt  # 1 s: only when a model is needed
        from hyperopt import tpe

        self._space, self._settings = space, settings
        self._hyperopt, self._suggest = hyperopt, tpe.suggest
        self._counts = _counts(space)
        tree = _Tree(space, hyperopt.hp).of(space, "", ())
        self._domain = hyperopt.Domain(lambda _: 0.0, tree)
        self._misc: dict[int, tuple[Past, dict[str, Any]]] = {}

    def suggest(self, number: int, ranked: list[tuple[Past, float]], rng_seed: int, gamma: float) -> Flat:
        """The params of trial `number`, given the trials before it and their places."""
        trials = self._hyperopt.Trials()
        trials._trials = [self._document(past, place) for past, place in ranked]
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

    def _document(self, past: Past, place: float) -> dict[str, Any]:
        """A finished trial in HyperOpt's words: one value per label, none where a leaf is inactive."""
        number = past.number
        known, misc = self._misc.get(number, (None, {}))
        if known is not past:
            vals: dict[str, list[Any]] = {leaf.label: [] for leaf in self._space.leaves}
            for _, leaf in self._space.walk(past.params):
                vals[leaf.label] = [self._inward(leaf, past.params[leaf.name])]
            idxs = {label: [number] * len(value) for label, value in vals.items()}
            misc = {"tid": number, "idxs": idxs, "vals": vals}
            self._misc[number] = (past, misc)
        return {"tid": number, "misc": misc, "result": {"loss": place, "status": "ok"}, "state": 2}

    def _params(self, vals: Mapping[str, Any]) -> Flat:
        params: Flat = {}
        for _, leaf in self._space.walk(params):
            params[leaf.name] = self._outward(leaf, vals[leaf.label][0])
        return params

    def _inward(self, leaf: Leaf, value: Any) -> Any:
        if leaf.label in self._counts:
            return self._counts[leaf.label].index(value)
        return leaf.domain.index(value) if isinstance(leaf.domain, Choice) else value

    def _outward(self, leaf: Leaf, value: Any) -> Any:
        if leaf.label in self._counts:
            return self._counts[leaf.label][int(value)]
        match leaf.domain:
            case Choice(options=options, ordered=True):
                return options[min(max(math.floor(float(value) + 0.5), 0), len(options) - 1)]
            case Choice(options=options):
                return options[int(value)]
            case Int():
                return leaf.domain.clip(math.floor(float(value) + 0.5))
        return leaf.domain.clip(float(value))


def _counts(space: Space) -> dict[str, list[int]]:
    """The numbers of copies that a repeat may have, by the label of the leaf that says so."""
    parents = [space.leaves[parent] for parent, _ in space.parents.values()]
    return {leaf.label: list(leaf.domain.grid(None)) for leaf in parents if isinstance(leaf.domain, Int)}


class _Tree:
    """The space as HyperOpt's `hp` tree; every branch's labels are its own, and beliefs are its priors."""

    def __init__(self, space: Space, hp: Any):
        self._hp = hp
        self._beliefs = {leaf.label: space.prior.bell(place) for place, leaf in enumerate(space.leaves)}

    def of(self, domain: Any, path: str, condition: Condition) -> Any:
        label = Leaf(path, domain, condition).label
        match domain:
            case Mapping():
                prefix = f"{path}." if path else ""
                return {name: self.of(inner, f"{prefix}{name}", condition) for name, inner in domain.items()}
            case Repeat(n=n, each=each):
                copies = [
                    self.of(each, f"{path}.{copy}", (*condition, *copy_clause(path, domain, copy)))
                    for copy in range(domain.most)
                ]
                if not isinstance(n, Int):
                    return copies
                label = Leaf(path, n, condition).label
                return self._hp.choice(label, [copies[:k] for k in n.grid(None)])  # the copies are shared nodes
            case Choice(ordered=False, spaces=spaces):
                return self._choice(domain, label, [
                    self.of(inner, path, (*condition, (path, (place,)))) if inner else place
                    for place, inner in enumerate(spaces)
                ])  # fmt: skip
        return self._number(domain, label)

    def _choice(self, domain: Choice, label: str, options: list[Any]) -> Any:
        belief = self._beliefs[label]
        if belief is None or len(options) == 1:
            return self._hp.choice(label, options)
        best, chance = domain.index(belief[0]), belief[2]
        others = (1 - chance) / (len(options) - 1)
        return self._hp.pchoice(label, [(chance if k == best else others, node) for k, node in enumerate(options)])

    def _number(self, domain: Any, label: str) -> Any:
        belief = self._beliefs[label]
        if belief is not None:
            center, is_factor, width = belief
            center = domain.index(center) if isinstance(domain, Choice) else center
            if is_factor:
                return self._hp.lognormal(label, math.log(center), math.log(width))
            return self._hp.normal(label, center, width)
        match domain:
            case Choice(options=options):
                return self._hp.uniform(label, -0.5, len(options) - 0.5)
            case Float(bell=bell) if bell is not None:
                return (self._hp.lognormal if bell.log else self._hp.normal)(label, bell.mean, bell.sd)
            case Float(low=low, high=high, log=log):
                return self._hp.loguniform(label, *np.log([low, high])) if log else self._hp.uniform(label, low, high)
            case Int(low=low, high=high, log=True):
                return self._hp.loguniform(label, *np.log([low - 0.5, high + 0.5]))
        return self._hp.uniform(label, domain.low - 0.5, domain.high + 0.5)
