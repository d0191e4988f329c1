"""Figures for papers: the same facts as on the page, drawn by matplotlib as SVG, PNG or PDF.

`pip install 'nas-cost-oracle[plot]'`. Every function returns a figure of matplotlib's, which can be changed further;
`write_figure` makes a file of it, the same one every time.
"""

from __future__ import annotations

from oracle.report.plot.bars import memory_figure, split_figure
from oracle.report.plot.files import FORMATS, format_of, write_figure
from oracle.report.plot.flips import flips_figure
from oracle.report.plot.fronts import front_figure
from oracle.report.plot.knobs import knobs_figure
from oracle.report.plot.parity import parity_figure
from oracle.report.plot.roofline import roofline_figure
from oracle.report.plot.study import growth_figure, limits_figure, parallel_figure

__all__ = [
    "FORMATS",
    "flips_figure",
    "format_of",
    "front_figure",
    "growth_figure",
    "knobs_figure",
    "limits_figure",
    "memory_figure",
    "parallel_figure",
    "parity_figure",
    "roofline_figure",
    "split_figure",
    "write_figure",
]
