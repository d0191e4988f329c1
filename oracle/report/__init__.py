"""Results for people and for programs. The only room that knows how a number looks.

Tables (`table/`) for terminals and notebooks, JSON, CSV and data frames; pages (`page/`) for browsers and figures
(`plot/`) for papers, which both draw from `facts/`.
"""

from __future__ import annotations
