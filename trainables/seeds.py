"""The random generators that a training draws from without saying so, sown alike on every worker.

What a neighbour or an earlier trial in the same process left behind must not matter. A library that is
not loaded yet would start from its own seed on a new worker, but not on a used one; so numpy is loaded
here, and torch, which takes a second, is sown in the moment in which the user's code imports it.
"""

import importlib.abc
import importlib.util
import random
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def mix(seed: int, epoch: int) -> int:
    """What the generators are sown with for one epoch of one trial."""
    return (seed * 1_000_003 + epoch) % 2**63


def sow(seed: int, epoch: int) -> None:
    """Seeds `random`, numpy and torch for one epoch of one trial; epoch 0 is its building."""
    import numpy

    mixed = mix(seed, epoch)
    random.seed(mixed)
    numpy.random.seed(mixed % 2**32)
    if "torch" in sys.modules:
        _sow_torch(sys.modules["torch"], mixed)
    else:
        _Arrival.expect(mixed)


def _sow_torch(torch: Any, mixed: int) -> None:
    """Seeds torch on every device; where it has none, it would note for each of them, with a stack, to do so later."""
    seed = torch.manual_seed if torch.accelerator.is_available() else torch.default_generator.manual_seed
    seed(mixed)


class Generators:
    """The state of the generators at one moment, to be gone back to."""

    def __init__(self) -> None:
        import numpy

        self._random, self._numpy = random.getstate(), numpy.random.get_state()
        torch = sys.modules.get("torch")
        self._torch = torch.get_rng_state() if torch is not None else None
        self._cuda = torch.cuda.get_rng_state_all() if torch is not None and torch.cuda.is_initialized() else None

    def restore(self) -> None:
        """Puts all of them back."""
        import numpy

        random.setstate(self._random)
        numpy.random.set_state(self._numpy)
        if self._torch is not None:
            sys.modules["torch"].set_rng_state(self._torch)
        if self._cuda is not None:
            sys.modules["torch"].cuda.set_rng_state_all(self._cuda)


class _Arrival(importlib.abc.MetaPathFinder):
    """Waits for the first import of torch, sows its generator, and is gone."""

    mixed: int

    @classmethod
    def expect(cls, mixed: int) -> None:
        waiting = next((finder for finder in sys.meta_path if isinstance(finder, cls)), None)
        if waiting is None:
            waiting = cls()
            sys.meta_path.insert(0, waiting)
        waiting.mixed = mixed

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "torch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_and_sow(module: ModuleType) -> None:
            execute(module)
            _sow_torch(module, self.mixed)

        spec.loader.exec_module = execute_and_sow  # type: ignore[method-assign]
        return spec
