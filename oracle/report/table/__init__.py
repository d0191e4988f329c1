"""Results as tables that fit 100 columns. Every function returns what rich can print, and prints nothing."""

from __future__ import annotations
