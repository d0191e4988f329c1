"""Closed forms: a cell traced once with symbols answers for a million candidates, with the trace's very integers."""

from __future__ import annotations

from oracle.closedform.places import Fitted, Place
from oracle.closedform.population import cost_population
from oracle.closedform.single import cost_few
from oracle.closedform.store import TemplateStore, default_cache_file
from oracle.closedform.totals import PopulationCosts

__all__ = ["Fitted", "Place", "PopulationCosts", "TemplateStore", "cost_few", "cost_population", "default_cache_file"]
