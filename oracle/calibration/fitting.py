"""Parameters from measurements: the most probable ones, by damped Gauss-Newton steps on robust relative errors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from oracle.calibration.model import Floats, RoofTimes, Stack
from oracle.calibration.prior import Prior

__all__ = ["NOISE", "fit_vector"]

NOISE = 0.08
"""Spread of log(predicted / measured) that the model is taken to have; it weighs measurements against the prior."""

_OUTLIER = 0.06  # from here on an error counts by its size, not by its square (Huber)
_STEPS = 60
_LONGEST = 1.0  # of one step, in any parameter
_CONVERGED = 1e-5  # relative decrease of the objective


def fit_vector(networks: Sequence[RoofTimes], measured_s: Floats, prior: Prior) -> Floats:
    """The parameters of a device from the latencies of networks on it.

    Args:
        networks: what they are at the device's roofs; none at all is fine, the prior's mean is the answer then.
        measured_s: seconds per call of each, above 0.
        prior: what is believed beforehand.
    """
    if not networks:
        return prior.mean
    stack, target = Stack(networks), np.log(measured_s)
    mean, precision = prior.mean, prior.precision

    def objective(seconds: Floats, vector: Floats) -> float:
        error = np.abs(np.log(seconds) - target)
        loss = np.where(error <= _OUTLIER, error**2, 2 * _OUTLIER * error - _OUTLIER**2)
        away = vector - mean
        return float(loss.sum() / NOISE**2 + away @ precision @ away)

    vector: Floats = mean.copy()
    damping = 1e-3
    seconds, slopes = stack.slopes(vector)
    value = objective(seconds, vector)
    for _ in range(_STEPS):
        error = np.log(seconds) - target
        weight = np.minimum(1.0, _OUTLIER / np.maximum(np.abs(error), 1e-12)) / NOISE**2
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
    return vector
