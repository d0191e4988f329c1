"""Facts of training: parts of memory add up to each phase's peak."""

from __future__ import annotations

import oracle
from oracle.report.facts import training_facts


def test_memory_of_phases_is_their_peak() -> None:
    step = oracle.score("R-56", ["t4"], batch_size=8, mode="training", optimizer="adamw")
    fits = oracle.fit("R-56", ["t4"], optimizer="adamw")
    found = training_facts(step, fits, ["x"])
    for part, phase in zip(found.memory, step.phases(), strict=True):
        assert part.name == phase.name
        assert part.weights_bytes + part.states_bytes + part.rest_bytes == phase.peak_memory_bytes
        assert part.states_bytes == 2 * 4 * step.params  # two moments of each parameter
        assert part.rest_bytes > 0
    assert [(row["mode"], row["batch_size"]) for row in found.fits] == [(f.workload.mode, f.batch_size) for f in fits]
    assert found.missing == ["x"]


def test_a_step_that_cannot_be_counted_says_why() -> None:
    found = training_facts(None, [], ["engines do not train"])
    assert (found.phases, found.memory, found.missing) == ({}, (), ["engines do not train"])
