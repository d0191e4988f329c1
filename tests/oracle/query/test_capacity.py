"""The largest batch: the edge itself, whatever the peaks of small batches say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.errors import WorkloadError
from oracle.query import fit, score
from oracle.query.capacity import largest_batch


@given(floor=st.integers(0, 10**6), fixed=st.integers(0, 10**5), each=st.integers(1, 10**4), room=st.integers(0, 10**9))
def test_it_fits_and_the_next_does_not(floor: int, fixed: int, each: int, room: int) -> None:
    asked = []

    def peak(batch_size: int) -> int:
        asked.append(batch_size)
        return max(floor, fixed + each * batch_size)  # the optimiser's step does not grow with the batch

    most, following = largest_batch(peak, room)
    assert following == most + 1
    assert peak(following) > room
    assert most == 0 or peak(most) <= room
    assert max(asked) <= 16 * max(most, 2)  # no batch so large that its numbers overflow


def test_a_peak_that_does_not_grow_has_no_edge() -> None:
    with pytest.raises(WorkloadError, match="hardly grows"):
        largest_batch(lambda batch_size: 7, 7)


@pytest.mark.parametrize(("network", "optimizer"), [("ResNet-50", "sgd"), ("RegNetX-32GF", "adamw")])
def test_training_beyond_the_step_of_the_optimiser(network: str, optimizer: str) -> None:
    (found,) = fit(network, ["rtx-4090"], modes=["training"], dtype="float16", optimizer=optimizer)
    words = {"mode": "training", "dtype": "float16", "optimizer": optimizer}
    first = score(network, batch_size=found.batch_size, **words)  # type: ignore[arg-type]
    second = score(network, batch_size=found.batch_size + 1, **words)  # type: ignore[arg-type]
    assert first.peak_memory_bytes == found.peak_memory_bytes <= found.memory_bytes < second.peak_memory_bytes
