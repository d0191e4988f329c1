"""Results as tables that fit 100 columns. Every function returns what rich can print, and prints nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oracle._lazy import lazy

if TYPE_CHECKING:
    from oracle.report.table.calibrations import calibration_tables
    from oracle.report.table.comparisons import comparison_tables, measurement_tables
    from oracle.report.table.costs import cost_tables
    from oracle.report.table.curves import curve_tables
    from oracle.report.table.devices import device_tables, devices_tables
    from oracle.report.table.fits import context_tables, fit_tables
    from oracle.report.table.kernels import kernel_tables
    from oracle.report.table.knobs import knob_tables
    from oracle.report.table.networks import networks_tables
    from oracle.report.table.ranking import ranking_tables
    from oracle.report.table.scores import score_tables
    from oracle.report.table.servings import serving_tables

__all__ = [
    "calibration_tables",
    "comparison_tables",
    "context_tables",
    "cost_tables",
    "curve_tables",
    "device_tables",
    "devices_tables",
    "fit_tables",
    "kernel_tables",
    "knob_tables",
    "measurement_tables",
    "networks_tables",
    "ranking_tables",
    "score_tables",
    "serving_tables",
]

# The imports above once more, for the interpreter: a table of devices needs nothing that one of scores does.
lazy(
    __name__,
    {
        "oracle.report.table.calibrations": "calibration_tables",
        "oracle.report.table.comparisons": "comparison_tables measurement_tables",
        "oracle.report.table.costs": "cost_tables",
        "oracle.report.table.curves": "curve_tables",
        "oracle.report.table.devices": "device_tables devices_tables",
        "oracle.report.table.fits": "context_tables fit_tables",
        "oracle.report.table.kernels": "kernel_tables",
        "oracle.report.table.knobs": "knob_tables",
        "oracle.report.table.networks": "networks_tables",
        "oracle.report.table.ranking": "ranking_tables",
        "oracle.report.table.scores": "score_tables",
        "oracle.report.table.servings": "serving_tables",
    },
)
