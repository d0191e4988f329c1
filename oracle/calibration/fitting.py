"""Parameters from measurements: the most probable ones, by damped Gauss-Newton steps on robust relative errors.

Few measurements settle few parameters. Up to `FEW` of them, what is fitted has to show on each one left out that it
predicts better than the prior alone, or than the prior times one factor; else the simpler answer stands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from oracle.calibration.model import LAUNCH, Floats, RoofTimes, Stack
from oracle.calibration.prior import Prior

__all__ = ["FEW", "NOISE", "fit_vector", "settled_vector"]

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
    stack, target, mean = Stack(networks), np.log(measured_s), prior.mean
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
    """As `fit_vector`; but where there are few measurements, the prior or a multiple of it if that predicts better.

    Each measurement is predicted by what the others say; the mean of the errors decides, the largest tenth aside. What
    beats the prior by less than the errors' scatter explains is averaged with it, or left.
    """
    if not _FEWEST < len(networks) <= FEW:
        return fit_vector(networks, measured_s, prior)
    mean = prior.mean
    guess = Stack(networks).seconds(mean)
    candidates: tuple[Callable[[list[int]], Floats], ...] = (
        lambda _: mean,
        lambda kept: scaled(mean, _factor(guess[kept], measured_s[kept])),
        *(
            lambda kept, noise=noise: fit_vector([networks[i] for i in kept], measured_s[kept], prior, noise)
            for noise in _NOISES
        ),
    )
    everyone = list(range(len(networks)))
    best, least, errors = candidates[0], np.inf, np.zeros(0)
    priors = np.abs(np.log(guess / measured_s))
    for candidate in candidates:
        left_out = [Stack([networks[out]]).seconds(candidate([i for i in everyone if i != out]))[0] for out in everyone]
        own = np.abs(np.log(np.array(left_out) / measured_s))
        error = _trimmed(own)
        if error < _PAYS * least:
            best, least, errors = candidate, error, own
    gain = priors - errors
    certain = float(gain.mean() / (gain.std(ddof=1) / np.sqrt(len(gain)) + 1e-12))
    if certain < _LIKELY:
        return mean
    found = best(everyone)
    return found if certain >= _CERTAIN else np.asarray((found + mean) / 2)


def scaled(vector: Floats, factor: float) -> Floats:
    """Parameters by which everything takes `factor` times as long, as far as no share exceeds its roof."""
    found: Floats = vector + np.log(factor)
    shares = np.clip(1.0 / (1.0 + np.exp(-vector[:LAUNCH])) / factor, 1e-5, 1 - 1e-5)
    found[:LAUNCH] = np.log(shares / (1.0 - shares))
    return found


def _factor(predicted_s: Floats, measured_s: Floats) -> float:
    return float(np.median(measured_s / predicted_s))


def _trimmed(errors: Floats) -> float:
    """Their mean without the largest tenth."""
    errors = np.sort(errors)
    return float(errors[: max(1, len(errors) - round(len(errors) / 10))].mean())
