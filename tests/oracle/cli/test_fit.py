"""`oracle fit` on devices that state their memory, and on those that do not."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

import oracle

Run = Callable[..., Any]

WORDS = ("--mode", "inference", "--dtype", "float16")


def test_rows_are_those_of_python(run: Run) -> None:
    done = run("fit", "R-56", "-d", "t4", *WORDS, "--format", "csv")
    (row,) = csv.DictReader(io.StringIO(done.out))
    (found,) = oracle.fit("R-56", ["t4"], modes=["inference"], dtype="float16")
    assert (done.code, done.err) == (0, "")
    assert (int(row["batch_size"]), int(row["peak_memory_bytes"])) == (found.batch_size, found.peak_memory_bytes)


@pytest.mark.parametrize("flags", [(), ("--keep-going",)])
def test_a_device_without_a_memory_size_is_named_beside_the_rows_of_the_others(
    run: Run, flags: tuple[str, ...]
) -> None:
    done = run("fit", "R-56", "R-110", "-d", "raspberry-pi-4", "-d", "t4", *WORDS, *flags, "--format", "json")
    assert done.code == 2
    assert [(item["network"], item["device"]) for item in json.loads(done.out)["fits"]] == [
        ("R-56", "t4"),
        ("R-110", "t4"),
    ]
    assert done.err.startswith("oracle: error: device='raspberry-pi-4' states no memory size: it has no row; ")
    assert done.err.count("\n") == 1


def test_a_microcontroller_says_whether_both_its_memories_hold_the_network(run: Run) -> None:
    done = run("fit", "R-56", "R-110", "-d", "stm32f746", "--dtype", "int8", "--runtime", "engine")
    assert (done.code, done.err) == (0, "")
    lines = [line.split() for line in done.out.splitlines() if "stm32f746" in line]
    assert [(line[0], line[3], line[5], line[-1]) for line in lines] == [
        ("R-56", "320.0", "1024", "both"),
        ("R-110", "320.0", "1024", "only"),
    ]
    assert "SRAM only" in done.out


def test_both_kinds_of_devices_have_a_table_each(run: Run) -> None:
    done = run("fit", "R-56", "-d", "t4", "-d", "stm32f746", "--dtype", "int8", "--runtime", "engine")
    assert (done.code, done.out.count("\nNetwork")) == (0, 2)


def test_where_no_device_states_one_nothing_is_printed(run: Run) -> None:
    done = run("fit", "R-56", "-d", "raspberry-pi-4", *WORDS)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert "device='raspberry-pi-4' states no memory size" in done.err


def test_the_arena_of_a_planner(run: Run) -> None:
    """TFLite-Micro allocates 65,536 bytes for one image of this network."""
    words = ("--dtype", "int8", "--engine", "litert", "-d", "stm32f746")
    (planned,) = json.loads(run("fit", "NB201-ResNet", *words, "--arena", "--format", "json").out)["fits"]
    assert (planned["batch_size"], planned["peak_memory_bytes"], planned["arena"]) == (5, 5 * 65536, True)
    refused = run("fit", "NB201-ResNet", "-d", "t4", "--arena", "--dtype", "int8", "--runtime", "engine")
    assert (refused.code, refused.out) == (2, "")
    assert "expected a device with SRAM_KIB and FLASH_KIB, got 't4'" in refused.err


def test_the_longest_sequences_of_a_decoder(run: Run) -> None:
    words = ("-d", "rtx-4090", "--context", "-b", "8", "--reserve", "2")
    done = run("fit", "Llama-3.1-8B", *words, "--format", "csv")
    (row,) = csv.DictReader(io.StringIO(done.out))
    assert (done.code, done.err) == (0, "")
    assert (row["context"], row["limit"], row["batch_size"]) == ("7200", "131072", "8")
    assert int(row["peak_memory_bytes"]) <= 22 * 2**30
    assert "7,200" in run("fit", "Llama-3.1-8B", *words).out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("R-56", "--context"), "only decoders have phases"),
        (("Llama-3.2-1B", "--context", "--mode", "training"), "--context is about decoding"),
        (("Llama-3.2-1B", "--context", "--arena"), "--context is about decoding"),
    ],
)
def test_a_context_is_of_a_decoder_that_decodes(run: Run, words: tuple[str, ...], said: str) -> None:
    done = run("fit", *words, "-d", "h100-sxm")
    assert done.code != 0
    assert said in done.err


def test_a_batch_of_a_decoder_is_of_sequences(run: Run) -> None:
    found = run("fit", "Llama-3.2-1B", "-d", "t4", "--dtype", "float16", "--set", "COST.PARALLEL.TP", "2")
    assert "sequences" in found.out
    assert "images" not in found.out
    assert "nchw" not in found.out
    assert "Note: every number is of one GPU of 2 (TP 2)." in found.out


def test_what_does_not_fit_at_any_length_is_said(run: Run) -> None:
    found = run("fit", "Llama-3.1-70B", "-d", "rtx-4090", "--context")
    assert "Llama-3.1-70B alone, with sequences of two tokens, takes" in found.out


def test_images_and_sequences_are_counted_in_tables_of_their_own(run: Run) -> None:
    heads = [line for line in run("fit", "R-56", "GPT-2", "-d", "t4", *WORDS).lines if "GiB" in line][:2]
    assert [line.split() for line in heads] == [["GiB", unit, "GiB", unit, "GiB"] for unit in ("images", "sequences")]
