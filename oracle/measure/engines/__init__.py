"""Engines that deploy networks, as calls to be timed: one adapter per engine, its packages imported when it is used."""

from __future__ import annotations

from oracle.measure.engines.base import Session, check_dtypes, check_engine, engine_of, release_of
from oracle.measure.engines.models import Models

__all__ = ["Models", "Session", "check_dtypes", "check_engine", "engine_of", "release_of"]
