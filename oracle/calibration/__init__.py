"""Calibration: what share of its roofs a device reaches, learnt from measured latencies, and how far to trust it.

    rows = [roof_times(kinds, matrix, vector, traffic, device) for each measured network]
    calibration = fit(device.name, rows, measured_s, general_prior(device.kind), workload, families=families)
    save_calibration(calibration, "my.yaml")
    predict(calibration, rows)  # seconds per call

`calibration.efficiency` is what `oracle.roofline` takes. The classes in `kinds` are those of `kernel_class`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oracle._lazy import lazy

if TYPE_CHECKING:
    from oracle.calibration.calibration import Calibration, Carried, Origin, fit, predict
    from oracle.calibration.classes import CLASSES, kernel_class
    from oracle.calibration.files import load_calibration, save_calibration
    from oracle.calibration.model import RoofTimes, roof_times
    from oracle.calibration.prior import GENERAL, Prior, general_prior, prior_from
    from oracle.calibration.shipped import calibration_of, prior_calibration
    from oracle.calibration.transfer import transfer
    from oracle.calibration.validation import conformal

__all__ = [
    "CLASSES",
    "GENERAL",
    "Calibration",
    "Carried",
    "Origin",
    "Prior",
    "RoofTimes",
    "calibration_of",
    "conformal",
    "fit",
    "general_prior",
    "kernel_class",
    "load_calibration",
    "predict",
    "prior_calibration",
    "prior_from",
    "roof_times",
    "save_calibration",
    "transfer",
]

# The imports above once more, for the interpreter: files are read without what fits them, and the other way round.
lazy(
    __name__,
    {
        "oracle.calibration.calibration": "Calibration Carried Origin fit predict",
        "oracle.calibration.classes": "CLASSES kernel_class",
        "oracle.calibration.files": "load_calibration save_calibration",
        "oracle.calibration.shipped": "calibration_of prior_calibration",
        "oracle.calibration.model": "RoofTimes roof_times",
        "oracle.calibration.prior": "GENERAL Prior general_prior prior_from",
        "oracle.calibration.transfer": "transfer",
        "oracle.calibration.validation": "conformal",
    },
)
