"""Results for people and for programs. The only package that formats numbers.

Tables (`table/`) for terminals and notebooks, JSON, CSV and data frames; pages (`page/`) for browsers and figures
(`plot/`) for papers, which both draw from `facts/`.
"""

from __future__ import annotations
