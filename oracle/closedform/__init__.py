"""Closed forms: a cell traced once with symbols answers for a million candidates, with the trace's very integers."""

from __future__ import annotations

from functools import lru_cache

from oracle.closedform.calibrated import CalibratedDevice
from oracle.closedform.network import Described, Launch, costs_of, main_dtype
from oracle.closedform.sharing import cost_population, network_form
from oracle.closedform.store import TemplateStore
from oracle.closedform.totals import PopulationCosts

__all__ = [
    "CalibratedDevice",
    "Described",
    "Launch",
    "PopulationCosts",
    "TemplateStore",
    "cost_population",
    "costs_of",
    "main_dtype",
    "network_form",
    "shared_store",
]


@lru_cache(maxsize=1)
def shared_store() -> TemplateStore:
    """The templates of this process: those that ship, those of the user's cache, and those that it makes."""
    return TemplateStore.everything()
