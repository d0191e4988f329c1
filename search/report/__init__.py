"""What pages and figures show of sweeps and studies: populations and fronts as facts of `oracle.report.facts`."""

from __future__ import annotations

from search.report.studies import study_page
from search.report.sweeps import sweep_page

__all__ = ["study_page", "sweep_page"]
