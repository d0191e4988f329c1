"""What inference engines report of their own runs: one reader for each format, recognised by content.

Reading a report needs no torch: it is names and numbers.
"""

from __future__ import annotations

from oracle.imports.engines.reading import read_report
from oracle.imports.engines.report import Layer, Report, Timing

__all__ = ["Layer", "Report", "Timing", "read_report"]
