"""The largest batch: the edge itself, whatever the peaks of small batches say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from oracle.config import load_cfg
from oracle.errors import ConfigError, TraceError, WorkloadError
from oracle.query import fit, score
from oracle.query.capacity import largest_batch


def test_a_microcontroller_has_two_budgets() -> None:
    """R-56 as int8: 0.85 M weights into 1 MiB of flash, 48 KiB of tensors an image into 320 KiB of SRAM."""
    words = {"dtype": "int8", "runtime": "engine"}
    (found,) = fit("R-56", ["stm32f746"], **words)  # nothing trains as int8, and nobody asked for it
    cost = score("R-56", ["stm32f746"], **words)  # type: ignore[arg-type]
    assert cost.sram_bytes == 3 * 16 * 32 * 32  # a block's input is kept for the sum while its branch makes 16 channels
    assert (found.flash_bytes, found.flash_memory_bytes) == (cost.flash_bytes, 1024 * 1024)
    assert (found.batch_size, found.peak_memory_bytes) == (320 * 1024 // cost.sram_bytes, 6 * cost.sram_bytes)
    assert found.next_peak_memory_bytes == 7 * cost.sram_bytes > found.memory_bytes == 320 * 1024
    assert found.fits_flash
    assert cost.times["stm32f746"].fits


def test_a_network_beyond_the_flash_fits_at_no_batch() -> None:
    (found,) = fit("R-110", ["stm32f746"], dtype="int8", runtime="engine")
    cost = score("R-110", ["stm32f746"], dtype="int8", runtime="engine")
    assert found.flash_bytes is not None
    assert found.flash_bytes > 1024 * 1024
    assert (found.fits_flash, found.batch_size, found.next_batch_size) == (False, 0, 1)
    assert found.next_peak_memory_bytes == cost.sram_bytes <= found.memory_bytes  # the SRAM would do
    assert cost.times["stm32f746"].fits is False


def test_what_cannot_train_is_an_error_where_training_was_asked_for() -> None:
    with pytest.raises(WorkloadError, match="needs runtime='engine' and mode='inference'"):
        fit("R-56", ["t4"], modes=["training"], dtype="int8", runtime="engine")


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


def test_types_by_stage_are_those_of_inference() -> None:
    words: dict[str, Any] = {"engine": "tensorrt", "dtypes": {"s3": "int8"}}
    (mixed,) = fit("RegNetX-400MF", ["t4"], **words)
    plain, _ = fit("RegNetX-400MF", ["t4"], engine="tensorrt")
    assert mixed.workload.mode == "inference"
    assert mixed.batch_size >= plain.batch_size
    assert mixed.to_dict()["dtypes"] == {"s3": "int8"}
    assert "s3 in int8" in mixed.notes[0]
    with pytest.raises(WorkloadError, match="need runtime='engine' and mode='inference'"):
        fit("RegNetX-400MF", ["t4"], modes=["training"], **words)


def test_it_says_that_one_of_several_gpus_is_meant() -> None:
    (whole,) = fit("Llama-3.2-1B", ["t4"], modes=["inference"], dtype="float16", weights="float16")
    words: dict[str, Any] = {"parallel": {"TP": 2}, "dtype": "float16", "weights": "float16"}
    (half,) = fit("Llama-3.2-1B", ["t4"], modes=["inference"], **words)
    assert half.batch_size > whole.batch_size
    assert half.tokens == 512
    assert half.notes == ("every number is of one GPU of 2 (TP 2)",)
    assert not whole.notes


@pytest.mark.parametrize("network", ["Gemma-2-9B", "gpt-oss-20b", "GLM-5"])
def test_a_decoder_that_is_not_built_in_training_fits_in_inference(network: str) -> None:
    """Softcaps, sinks and indexers."""
    (found,) = fit(network, ["mi300x"], phase="decode", past=1024)
    assert (found.workload.mode, found.peak_memory_bytes <= found.memory_bytes) == ("inference", True)
    assert (found.batch_size > 0) == (network != "GLM-5")  # 1.5 TB of weights in bfloat16
    with pytest.raises(ConfigError, match="in training"):
        fit(network, ["mi300x"], modes=["training"])


@pytest.mark.parametrize(("phase", "mode"), [("decode", "inference"), ("training", "training")])
def test_a_phase_that_one_mode_has_is_looked_at_in_that_mode(phase: str, mode: str) -> None:
    """Said in the config, or beside it."""
    cfg = load_cfg("GPT-2", ["COST.PHASE", phase])
    for found in (fit(cfg, ["t4"]), fit("GPT-2", ["t4"], phase=phase)):
        assert [item.workload.mode for item in found] == [mode]


def test_of_a_file_that_fixes_its_batch_only_that_one_is_looked_at(tmp_path: Path) -> None:
    file = tmp_path / "net.pt2"
    torch.export.save(torch.export.export(nn.Conv2d(3, 3, 1), (torch.zeros(2, 3, 64, 64),)), file)
    inference, training = fit(str(file), ["t4"])
    cost = score(str(file))
    assert (inference.batch_size, inference.peak_memory_bytes) == (2, cost.peak_memory_bytes)
    assert (inference.next_batch_size, inference.next_peak_memory_bytes) == (None, None)
    assert training.batch_size == 2
    assert inference.notes == ("net.pt2 fixes its batch at 2",)
    words: dict[str, Any] = {"dtype": "int8", "runtime": "engine", "arena": True}
    (small,) = fit(str(file), ["stm32f746"], reserve_bytes=300 * 1024, **words)
    assert (small.batch_size, small.next_batch_size) == (0, 2)
    assert small.next_peak_memory_bytes == 2 * 2 * 3 * 64 * 64  # what comes in and what goes out, in int8


def test_a_file_without_weights_fits_in_inference(tmp_path: Path) -> None:
    file = tmp_path / "net.pt2"
    torch.export.save(torch.export.export(nn.ReLU(), (torch.zeros(2, 8),)), file)
    assert [item.workload.mode for item in fit(str(file), ["t4"])] == ["inference"]
    with pytest.raises(TraceError, match="cannot train"):
        fit(str(file), ["t4"], modes=["training"])
