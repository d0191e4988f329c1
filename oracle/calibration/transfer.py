"""A network measured on one device, predicted on another."""

from __future__ import annotations

import numpy as np

from oracle.calibration.model import Floats


def transfer(
    measured_s: Floats, predicted_there_s: Floats, predicted_here_s: Floats, roofline_here_s: Floats
) -> Floats:
    """Seconds here: what is predicted here, times how far the prediction there was off.

    What a model gets wrong about a network it mostly gets wrong on every device alike, so the residual travels.

    Args:
        measured_s: latency of each network where it was measured.
        predicted_there_s, predicted_here_s: what the same model says for both devices.
        roofline_here_s: the textbook's bound here, which the answer respects.
    """
    return np.asarray(np.maximum(predicted_here_s * (measured_s / predicted_there_s), roofline_here_s))
