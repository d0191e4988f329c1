"""Calibration: what share of its roofs a device reaches, learnt from measured latencies, and how far to trust it.

prior = GENERAL                                   # or what the device's kind teaches: `prior_of`
rows = [roof_times(kinds, matrix, vector, traffic, device) for each measured network]
calibration = fit(device.name, rows, measured_s, prior, workload, families=families)
save_calibration(calibration, "my.yaml")
predict(calibration, rows)                        # seconds per call
"""

from __future__ import annotations

from oracle.calibration.calibration import Calibration, Origin, fit, predict
from oracle.calibration.classes import CLASSES, kernel_class
from oracle.calibration.files import calibration_of, load_calibration, prior_calibration, save_calibration
from oracle.calibration.measurements import COLUMNS, Measurement, read_measurements
from oracle.calibration.model import RoofTimes, roof_times
from oracle.calibration.prior import GENERAL, Prior, prior_from
from oracle.calibration.transfer import transfer
from oracle.calibration.validation import conformal

__all__ = [
    "CLASSES",
    "COLUMNS",
    "GENERAL",
    "Calibration",
    "Measurement",
    "Origin",
    "Prior",
    "RoofTimes",
    "calibration_of",
    "conformal",
    "fit",
    "kernel_class",
    "load_calibration",
    "predict",
    "prior_calibration",
    "prior_from",
    "read_measurements",
    "roof_times",
    "save_calibration",
    "transfer",
]
