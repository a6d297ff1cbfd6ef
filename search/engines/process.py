"""A Gaussian process: what is known of a function from some of its values, and how sure that is.

Rasmussen & Williams 2006, Gaussian processes for machine learning, algorithm 2.1 and section 5.4. Matern 5/2 with a
length for each parameter; lengths, scale and noise at the mode of their posterior, under the priors of Hvarfner et al.
2024, Vanilla Bayesian optimization performs great in high dimensions (arXiv:2402.02229): lengths grow with the root of
the number of parameters, which keeps a model of many parameters from being too wild.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve, cholesky
from scipy.linalg.lapack import dpotri, dtrtri
from scipy.optimize import minimize

from search.engines.features import Features

ROOT5 = math.sqrt(5.0)
LENGTH_SPREAD = math.sqrt(3.0)  # deviation of a length's logarithm
NOISE = (math.log(1e-4), 2.0)  # mean and deviation of the logarithm of its variance, in units of the values'
SCALE_SPREAD = 0.5  # deviation of the logarithm of the scale
LEAST_NOISE = 1e-6
STEPS = 40  # of a fit
SHAPED_ON = 128  # values at most: a fit on all of 300 takes five times as long


@dataclass(frozen=True)
class Shape:
    """What a kernel is made of.

    Attributes:
        weights: `[G]` one over the square of each parameter's length.
        scale: variance of the function.
        noise: variance of what disturbs its values.
    """

    weights: np.ndarray
    scale: float
    noise: float


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of a function at one point.

    Attributes:
        means: `[M]` of the function.
        deviation: of the function.
        down: `[M, F]` derivatives of the means.
        wider: `[F]` derivatives of the deviation.
    """

    means: np.ndarray
    deviation: float
    down: np.ndarray
    wider: np.ndarray


class Process:
    """What is known of a function.

    Args:
        features: of the space.
        at: `[N, F]` where it was looked at.
        values: `[N]` or `[N, M]` what was seen there: of M functions that share a kernel, where there are several.
        shape: of the kernel.
    """

    def __init__(self, features: Features, at: np.ndarray, values: np.ndarray, shape: Shape):
        self._features, self.at, self.values, self.shape = features, at, values, shape
        self._root = np.sqrt(shape.weights)[features.owner]
        self._scaled = at * self._root
        kernel = self._kernel(self._scaled)
        kernel[np.diag_indices_from(kernel)] += shape.noise
        lower = cholesky(kernel, lower=True, check_finite=False)
        self._alpha = cho_solve((lower, True), values, check_finite=False)
        self._inverse, _ = dtrtri(lower, lower=1)  # of the lower triangle: products are quicker than to solve by it

    def predict(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`[Q]` or `[Q, M]` means and `[Q]` deviations of the function at `[Q, F]`."""
        cross = self._kernel(at * self._root)
        half = self._inverse @ cross.T
        variance = self.shape.scale - np.einsum("nq,nq->q", half, half)
        return cross @ self._alpha, np.sqrt(np.maximum(variance, 1e-12))

    def believe(self, at: np.ndarray) -> np.ndarray:
        """`[Q]` or `[Q, M]` means alone: they take a fraction of the time."""
        means: np.ndarray = self._kernel(at * self._root) @ self._alpha
        return means

    def look(self, at: np.ndarray) -> "Look":
        """What is known at one point `[F]`, and where it leads to."""
        apart = at * self._root - self._scaled
        z = ROOT5 * np.sqrt((apart**2).sum(axis=1))
        decay = self.shape.scale * np.exp(-z)
        cross, along = (1 + z + z * z / 3) * decay, -5 / 3 * (1 + z) * decay
        by_feature = along[:, None] * apart * self._root  # [N, F]
        half = self._inverse @ cross
        deviation = math.sqrt(max(self.shape.scale - half @ half, 1e-12))
        wider = -((half @ self._inverse) @ by_feature) / deviation
        return Look(np.atleast_1d(cross @ self._alpha), deviation, np.atleast_2d(self._alpha.T @ by_feature), wider)

    def imagined(self, at: np.ndarray, rng: np.random.Generator, count: int) -> "Process":
        """The same, as if it had been looked at `[P, F]` too: M = `count` joint draws of what might be seen there.

        Snoek et al. 2012, Practical Bayesian optimization of machine learning algorithms (section 3.2).
        """
        cross = self._kernel(at * self._root)
        half = self._inverse @ cross.T
        among = self._kernel_between(at * self._root, at * self._root) - half.T @ half
        among[np.diag_indices_from(among)] += self.shape.noise + 1e-9
        lower = cholesky(among, lower=True, check_finite=False)
        normal = rng.standard_normal((len(at), count))
        drawn = (cross @ self._alpha)[:, None] + lower @ normal
        values = np.concatenate([np.repeat(self.values[:, None], count, axis=1), drawn])
        return Process(self._features, np.concatenate([self.at, at]), values, self.shape)

    def _kernel(self, scaled: np.ndarray) -> np.ndarray:
        return self._kernel_between(scaled, self._scaled)

    def _kernel_between(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)[None, :] - 2 * one @ other.T
        return self.shape.scale * matern(np.sqrt(np.maximum(squares, 0.0)))


def matern(distance: np.ndarray) -> np.ndarray:
    """Matern's kernel with smoothness 5/2, Rasmussen & Williams eq. 4.17."""
    z = ROOT5 * distance
    kernel: np.ndarray = (1 + z + z * z / 3) * np.exp(-z)
    return kernel


def fitted(features: Features, at: np.ndarray, values: np.ndarray, *, exact: bool = False) -> Process:
    """The process whose shape is the most probable.

    Args:
        features: of the space.
        at: `[N, F]` where the function was looked at.
        values: `[N]` what was seen; of mean 0 and variance 1, or so.
        exact: whether the same point surely gives the same value.
    """
    if not np.isfinite(values).all():
        raise FloatingPointError("a model cannot be fitted to values that are not finite")
    order = np.argsort(values, kind="stable")
    rows = order[some_of(len(order), SHAPED_ON)]
    posterior = _Posterior(features.gaps(at[rows]), values[rows], exact)
    bounds = [(-12.0, 6.0)] * len(features) + [(-4.0, 4.0), (math.log(LEAST_NOISE), 0.0)]
    found = minimize(posterior, posterior.start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": STEPS})
    return Process(features, at, values, posterior.shape(found.x))


def some_of(count: int, most: int) -> np.ndarray:
    """Places of so many in order: all, or the first half of `most` and every so-manieth of the rest."""
    if count <= most:
        return np.arange(count)
    return np.concatenate([np.arange(most // 2), np.linspace(most // 2, count - 1, most - most // 2).astype(int)])


class _Posterior:
    """Minus the log posterior of a kernel's shape, and its derivatives; the mean of the process is zero."""

    def __init__(self, gaps: np.ndarray, values: np.ndarray, exact: bool):
        self._gaps, self._values, self._exact = gaps, values, exact
        self._pairs = np.ravel_multi_index(np.tril_indices(len(values), -1), (len(values), len(values)))
        self._length = math.sqrt(2) + math.log(max(len(gaps), 1)) / 2  # mean of a length's logarithm
        noise = math.log(LEAST_NOISE) if exact else NOISE[0]
        middle = -2 * (self._length - LENGTH_SPREAD**2 / 2)
        self.start = np.array([*np.full(len(gaps), middle), 0.0, noise])

    def shape(self, logs: np.ndarray) -> Shape:
        """From logarithms."""
        noise = LEAST_NOISE if self._exact else math.exp(logs[-1])
        return Shape(np.exp(logs[:-2]), math.exp(logs[-2]), noise)

    def __call__(self, logs: np.ndarray) -> tuple[float, np.ndarray]:
        shape, count = self.shape(logs), len(self._values)
        z = ROOT5 * np.sqrt(np.maximum(shape.weights @ self._gaps, 0.0))
        decay = shape.scale * np.exp(-z)
        kernel = (1 + z + z * z / 3) * decay
        noisy = np.zeros(count * count)  # below its diagonal: each pair of points once
        noisy[self._pairs] = kernel
        noisy[:: count + 1] = shape.scale + shape.noise
        try:
            lower = cholesky(noisy.reshape(count, count), lower=True, check_finite=False)
        except np.linalg.LinAlgError:
            return 1e10, np.zeros_like(logs)
        alpha = cho_solve((lower, True), self._values, check_finite=False)
        inverse, _ = dpotri(lower, lower=1)
        loss = 0.5 * self._values @ alpha + np.log(np.diag(lower)).sum()
        outer = (inverse - np.outer(alpha, alpha)).ravel()[self._pairs]
        trace = 0.5 * float((np.diag(inverse) - alpha**2).sum())
        by_square = -5 / 6 * (1 + z) * decay * outer  # of the kernel by the squared distance
        slopes = np.empty_like(logs)
        slopes[:-2] = shape.weights * (self._gaps @ by_square)
        slopes[-2] = outer @ kernel + trace * shape.scale
        slopes[-1] = 0.0 if self._exact else shape.noise * trace
        return self._with_priors(logs, loss, slopes)

    def _with_priors(self, logs: np.ndarray, loss: float, slopes: np.ndarray) -> tuple[float, np.ndarray]:
        apart = -logs[:-2] / 2 - self._length  # of a length's logarithm from its mean
        loss += (apart**2).sum() / (2 * LENGTH_SPREAD**2) - (logs[:-2] / 2).sum()
        slopes[:-2] += -apart / (2 * LENGTH_SPREAD**2) - 0.5
        loss += logs[-2] ** 2 / (2 * SCALE_SPREAD**2)
        slopes[-2] += logs[-2] / SCALE_SPREAD**2
        if not self._exact:
            loss += (logs[-1] - NOISE[0]) ** 2 / (2 * NOISE[1] ** 2)
            slopes[-1] += (logs[-1] - NOISE[0]) / NOISE[1] ** 2
        return float(loss), slopes
