"""What figures show, as plain frozen values: the page and the plots draw from the same ones.

One file for each subject. Numbers are in the units that their names say, columns have one entry per kernel, candidate
or trial, and nothing here knows how anything looks.
"""

from __future__ import annotations

from oracle.report.facts.decoding import DecodingFacts, decoding_facts
from oracle.report.facts.devices import DeviceFacts, device_facts
from oracle.report.facts.knobs import Knob, knob_of
from oracle.report.facts.networks import NetworkFacts, OnDevice, Runtimes, network_facts, runtime_facts
from oracle.report.facts.population import WORTH, PairFacts, Population, PopulationValue, population_of
from oracle.report.facts.run import RunFacts, run_facts
from oracle.report.facts.study import ConstraintFacts, ObjectiveFacts, StudyFacts
from oracle.report.facts.training import MemoryParts, TrainingFacts, training_facts

__all__ = [
    "WORTH",
    "ConstraintFacts",
    "DecodingFacts",
    "DeviceFacts",
    "Knob",
    "MemoryParts",
    "NetworkFacts",
    "ObjectiveFacts",
    "OnDevice",
    "PairFacts",
    "Population",
    "PopulationValue",
    "RunFacts",
    "Runtimes",
    "StudyFacts",
    "TrainingFacts",
    "decoding_facts",
    "device_facts",
    "knob_of",
    "network_facts",
    "population_of",
    "run_facts",
    "runtime_facts",
    "training_facts",
]
