"""Parameters from measurements: the most probable ones, by damped Gauss-Newton steps on robust relative errors.

Few measurements settle few parameters. Up to `FEW` of them, what is fitted has to show on each one left out that it
predicts better than the prior alone, or than the prior times one factor; else the simpler answer stands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from oracle.calibration.factors import factored, scaled
from oracle.calibration.model import Floats, RoofTimes, Stack
from oracle.calibration.prior import Prior

FEW = 40
"""Measurements up to which a fit is compared with simpler answers."""

NOISE = 0.08
"""Spread of log(predicted / measured) that the model is taken to have; it weighs measurements against the prior."""

_OUTLIER = 0.06  # from here on an error counts by its size, not by its square (Huber)
_FAR = 0.4  # and from here on by its logarithm: one odd network among ten must not bend what nine agree on
_NO_HOST_S = 1e-8  # per kernel
_FEWEST = 3  # measurements that a factor rests on
_PAYS = 0.97  # a richer answer has to err by that much less
_CERTAIN, _LIKELY = 2.5, 1.0
# Standard errors by which an answer has to beat the prior to replace it, or to be met half-way. Of 160 draws of ten
# networks, 40 on each of four devices, 2 are then worse than the prior, by .8 points at most; without this rule 13, by
# up to 2.1 points. Medians differ by .5 points at most.
_NOISES = (0.3, NOISE)  # of a model that fits the networks badly, and well
_STEPS = 60
_LONGEST = 1.0  # of one step, in any parameter
_CONVERGED = 1e-5  # relative decrease of the objective


def fit_vector(networks: Sequence[RoofTimes], measured_s: Floats, prior: Prior, noise: float = NOISE) -> Floats:
    """The parameters of a device from the latencies of networks on it.

    Args:
        networks: what they are at the device's roofs; none at all is fine, the prior's mean is the answer then.
        measured_s: seconds per call of each, above 0.
        prior: what is believed beforehand.
        noise: spread of log(predicted / measured) that the model is taken to have.
    """
    if not networks:
        return prior.mean
    stack, target, mean = Stack(networks, prior.efficiency.overlap), np.log(measured_s), prior.mean
    few = _FEWEST <= len(networks) <= FEW
    start = scaled(mean, _factor(stack.seconds(mean), measured_s)) if few else mean
    near = [_descended(stack, target, prior, start, noise, np.inf)]
    if few or prior.efficiency.dispatch_s > _NO_HOST_S:
        # What small networks show may be launches on the device or by the host, and each hides the other: try both.
        other = _without_host(prior)
        near.append(_descended(stack, target, other, other.mean, noise, np.inf))
    found = [_descended(stack, target, prior, vector, noise, _FAR) for vector, _ in near] if few else near
    vector: Floats = min(found, key=lambda one: one[1])[0]
    return vector


def _descended(
    stack: Stack, target: Floats, prior: Prior, start: Floats, noise: float, far: float
) -> tuple[Floats, float]:
    """The parameters downhill from some, and the objective there.

    Args:
        stack: the networks.
        target: logarithms of the measured seconds.
        prior, noise: as in `fit_vector`.
        start: parameters.
        far: an error that from there on counts by its logarithm.
    """
    mean, precision = prior.mean, prior.precision

    def objective(seconds: Floats, vector: Floats) -> float:
        error = np.abs(np.log(seconds) - target)
        near = np.minimum(error, far)
        loss = np.where(near <= _OUTLIER, near**2, 2 * _OUTLIER * near - _OUTLIER**2)
        if far < np.inf:
            loss += 2 * _OUTLIER * far * np.log(np.maximum(error / far, 1.0))
        away = vector - mean
        return float(loss.sum() / noise**2 + away @ precision @ away)

    vector: Floats = start.copy()
    damping = 1e-3
    seconds, slopes = stack.slopes(vector)
    value = objective(seconds, vector)
    for _ in range(_STEPS):
        error = np.log(seconds) - target
        size = np.maximum(np.abs(error), 1e-12)
        weight = np.minimum(1.0, _OUTLIER / size) * np.minimum(1.0, far / size) / noise**2
        relative = slopes / seconds[:, None]
        hessian = (relative * weight[:, None]).T @ relative + precision
        gradient = relative.T @ (weight * error) + precision @ (vector - mean)
        for _ in range(10):
            step = np.linalg.solve(hessian + damping * np.diag(np.diag(hessian)), -gradient)
            tried: Floats = vector + np.clip(step, -_LONGEST, _LONGEST)
            reached = objective(stack.seconds(tried), tried)
            if reached < value:
                break
            damping *= 4
        else:
            break
        gain, value, vector, damping = value - reached, reached, tried, max(damping / 6, 1e-7)
        if gain < _CONVERGED * value:
            break
        seconds, slopes = stack.slopes(vector)
    return vector, value


def _without_host(prior: Prior) -> Prior:
    """A prior whose launches take on the device what they took on the host."""
    own = prior.efficiency
    launches = {name: max(own.dispatch_s, launch) for name, launch in own.launches.items()}
    return replace(prior, efficiency=replace(own, launches=launches, dispatch_s=0.0))


def settled_vector(networks: Sequence[RoofTimes], measured_s: Floats, prior: Prior) -> Floats:
    """As `fit_vector`; but where there are few measurements, a simpler answer if that predicts as well.

    The simplest is the prior, or, of a processor's relatives, the prior times its most probable `Factors`. Each
    measurement is predicted by what the others say; the mean of the errors decides, the largest tenth aside. What beats
    the simplest by less than the errors' scatter explains is averaged with it, or left.
    """
    answers, everyone = _Answers(networks, measured_s, prior), list(range(len(networks)))
    if prior.factors is not None and 0 < len(networks) <= _FEWEST:
        return answers.simplest(everyone)
    if not _FEWEST < len(networks) <= FEW:
        return fit_vector(networks, measured_s, prior)
    errors = [answers.errors(candidate) for candidate in answers.candidates]
    best, least = 0, np.inf
    for index, error in enumerate(map(_trimmed, errors)):
        if error < _PAYS * least:
            best, least = index, error
    gain = errors[0] - errors[best]
    certain = float(gain.mean() / (gain.std(ddof=1) / np.sqrt(len(gain)) + 1e-12))
    simple = answers.simplest(everyone)
    if certain < _LIKELY:
        return simple
    found = answers.candidates[best](everyone)
    return found if certain >= _CERTAIN else np.asarray((found + simple) / 2)


class _Answers(NamedTuple):
    """What may be made of some of the measurements, given by their places."""

    networks: Sequence[RoofTimes]
    measured_s: Floats
    prior: Prior

    @property
    def candidates(self) -> tuple[Callable[[list[int]], Floats], ...]:
        """The simplest first."""
        fits = (partial(self.fit, noise=noise) for noise in _NOISES)
        return (self.simplest, *([self.multiple] if self.prior.factors is None else []), *fits)

    def simplest(self, kept: list[int]) -> Floats:
        mean, factors = self.prior.mean, self.prior.factors
        return mean if factors is None else factored(self._stack(kept), self.measured_s[kept], mean, factors)

    def multiple(self, kept: list[int]) -> Floats:
        mean = self.prior.mean
        return scaled(mean, _factor(self._stack(kept).seconds(mean), self.measured_s[kept]))

    def fit(self, kept: list[int], noise: float) -> Floats:
        prior = self.prior if self.prior.factors is None else self.prior.at(self.simplest(kept))
        return fit_vector([self.networks[index] for index in kept], self.measured_s[kept], prior, noise)

    def errors(self, candidate: Callable[[list[int]], Floats]) -> Floats:
        """Of each measurement, as the others predict it."""
        everyone = range(len(self.networks))
        found = [self._stack([out]).seconds(candidate([i for i in everyone if i != out]))[0] for out in everyone]
        return np.asarray(np.abs(np.log(np.array(found) / self.measured_s)))

    def _stack(self, kept: list[int]) -> Stack:
        return Stack([self.networks[index] for index in kept], self.prior.efficiency.overlap)


def _factor(predicted_s: Floats, measured_s: Floats) -> float:
    return float(np.median(measured_s / predicted_s))


def _trimmed(errors: Floats) -> float:
    """Their mean without the largest tenth."""
    errors = np.sort(errors)
    return float(errors[: max(1, len(errors) - round(len(errors) / 10))].mean())
