"""What tables, pages and figures show of sweeps and studies, in the shapes of `oracle.report`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oracle._lazy import lazy

if TYPE_CHECKING:
    from .studies import study_page
    from .sweeps import sweep_page

__all__ = ["study_page", "sweep_page"]

lazy(__name__, {f"{__name__}.studies": "study_page", f"{__name__}.sweeps": "sweep_page"})
