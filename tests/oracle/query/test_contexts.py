from __future__ import annotations

import pytest

import oracle
from oracle.errors import WorkloadError
from oracle.query.contexts import fit_context


def test_the_answer_fits_and_a_page_more_does_not() -> None:
    (found,) = fit_context("Llama-3.1-8B", ["rtx-4090"], batch_size=8)
    room = found.memory_bytes - found.reserve_bytes
    at, beyond = (
        oracle.score("Llama-3.1-8B", phase="decode", past=found.context - 1 + more, batch_size=8) for more in (0, 1)
    )
    assert at.peak_memory_bytes == found.peak_memory_bytes <= room < beyond.peak_memory_bytes
    assert at.kv_cache_bytes == found.kv_cache_bytes
    assert found.context % 16 == 0  # a cache grows by pages


def test_states_leave_room_and_do_not_grow() -> None:
    """Of twelve layers of Qwen3-Next three cache tokens: 6 KiB each, beside 18.9 MB of states per sequence."""
    cfg = oracle.load_cfg("Qwen3-Next-80B-A3B", ["DECODER.LAYERS", 12, "DECODER.CONTEXT", 0])
    few, many = (fit_context(cfg, ["h100-sxm"], batch_size=n)[0] for n in (8, 16))
    states = 9 * (32 * 128 * 128 * 4 + 3 * 8192 * 2)
    for found, sequences in ((few, 8), (many, 16)):
        assert found.kv_cache_bytes == sequences * (states + found.context * 3 * 2 * 2 * 256 * 2)
        assert found.context % 16 == 0
    assert 0.45 < many.context / few.context < 0.5


def test_no_sequence_is_longer_than_the_network_takes() -> None:
    (found,) = fit_context("GPT-2", ["h100-sxm"], batch_size=1)
    assert found.context == found.limit == 1024


def test_a_network_that_does_not_fit_has_no_context() -> None:
    (found,) = fit_context("Llama-3.1-70B", ["rtx-4090"])
    assert (found.context, found.peak_memory_bytes, found.kv_cache_bytes) == (0, 0, 0)


def test_a_byte_per_element_holds_about_twice_as_many_tokens() -> None:
    wide, narrow = (fit_context("Llama-3.1-8B", ["rtx-4090"], kv_dtype=dtype)[0] for dtype in ("", "float8"))
    assert 1.99 < narrow.context / wide.context <= 2.01 or narrow.context == narrow.limit


@pytest.mark.parametrize("words", [{"past": 4}, {"phase": "prefill"}, {"reserve_bytes": -1}])
def test_words_that_it_looks_for_are_refused(words: dict[str, object]) -> None:
    with pytest.raises(WorkloadError):
        fit_context("GPT-2", ["rtx-4090"], **words)  # type: ignore[arg-type]
    with pytest.raises(WorkloadError):
        fit_context("ResNet-50", ["rtx-4090"])


def test_what_is_too_large_is_said() -> None:
    (found,) = fit_context("Llama-3.1-70B", ["rtx-4090"], parallel={"TP": 2})
    assert found.context == 0
    assert found.least_bytes > found.memory_bytes
    assert found.notes == ("every number is of one GPU of 2 (TP 2)",)
