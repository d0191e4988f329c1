"""What published analytic tools say of served decoders: none models continuous batching, so each has its own batch.

TPOT is the time of a decoding step of the whole batch, TTFT that of a prompt (of the whole batch for GenZ, which batches
prompts). The plain roofline and GenZ's formulas are evaluated on our kernels, so that they differ in the model only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import oracle
from oracle.collectives import link_between
from oracle.errors import OracleError
from oracle.serving.latency import Seconds
from oracle.serving.steps import OTHER, Figures, Kernels
from tests.benchmarks._serving_rows import NETWORKS, Row

__all__ = ["genz", "llm_analysis", "roofline"]

Floats = np.ndarray[Any, np.dtype[np.float64]]


def _operators(kernels: Kernels, figures: Figures, share: float) -> Floats:
    """Seconds of each kernel: the longer of computing and moving, at a share of both roofs; experts reached evenly."""
    peak, narrow, vector, bandwidth, *_ = figures
    dims = kernels.dims
    flops = np.where(kernels.kinds == OTHER, 0.0, 2.0 * np.prod(dims, axis=0))
    attends = np.isin(kernels.kinds, (3, 4))
    flops = np.where(attends, 2.0 * flops, flops)
    traffic = kernels.traffic_bytes
    experts = kernels.chosen > 0.0
    busy = dims[0] * (1.0 - (1.0 - kernels.chosen) ** dims[1])
    traffic = traffic + np.where(experts, busy * kernels.expert_bytes, 0.0)
    flops = np.where(experts, flops * kernels.chosen, flops)
    compute_s = np.maximum(flops / np.where(kernels.narrow, narrow, peak), kernels.vector_flops / vector)
    longest: Floats = np.maximum(compute_s, traffic / bandwidth) / share
    return longest


def _by_step(data: Any, each: Floats) -> Seconds:
    """Sums over the kernels of each step; arrays of one entry per row."""
    count = len(Seconds._fields)
    return Seconds(*np.bincount(data.owner, each, count * len(data.rows)).reshape(-1, count).T)


def roofline(data: Any) -> Floats:
    """(2, rows) TPOT and TTFT by the plain roofline: all roofs reached, links free."""
    each = _operators(data.kernels, data.figures, 1.0) * data.kernels.counts
    total = _by_step(data, each)
    pieces = np.array([steps.pieces for steps in data.steps])
    return np.stack([total.decode, total.prompt * pieces])


def genz(data: Any, share: float = 0.8) -> Floats:
    """(2, rows) the same by GenZ's formulas (arXiv 2406.01698): roofs at a share, rings at the link's bandwidth."""
    each = _operators(data.kernels, data.figures, share) * data.kernels.counts
    total = _by_step(data, each)
    found = []
    for row, steps, decode_s, prompt_s in zip(data.rows, data.steps, total.decode, total.prompt, strict=True):
        device = oracle.load_device(row.device)
        sending = []
        for work in (steps.decode, steps.prompt):
            seconds = 0.0
            for count, operation, message, ranks, _ in work.collectives:
                _, bandwidth = link_between(device, ranks)
                twice = 2.0 if operation == "all_reduce" else 1.0
                seconds += count * twice * (ranks - 1) / ranks * message / (share * bandwidth)
            sending.append(seconds)
        found.append((decode_s + sending[0], (prompt_s + sending[1]) * steps.pieces * steps.running))
    return np.array(found).T


def llm_analysis(rows: Sequence[Row]) -> Floats | None:
    """(2, rows) the same by llm-analysis from PyPI, with the efficiencies that its readme recommends; nan where it
    has no such network, None where it is not installed."""
    try:
        from llm_analysis.analysis import LLMAnalysis  # type: ignore[import-not-found]
        from llm_analysis.config import (  # type: ignore[import-not-found]
            DtypeConfig,
            GPUConfig,
            ModelConfig,
            ParallelismConfig,
        )
    except ImportError:
        return None
    found = np.full((2, len(rows)), math.nan)
    for at, row in enumerate(rows):
        network, device = NETWORKS[row.network], oracle.load_device(row.device)
        if "EXPERTS" in network or "HEAD_DIM" in network:  # its experts are as wide as FF, its heads WIDTH / HEADS
            continue
        bits = 8 if row.weights == "float8" else 16
        model = ModelConfig(
            name=row.network,
            num_layers=network["LAYERS"],
            n_head=network["HEADS"],
            hidden_dim=network["WIDTH"],
            vocab_size=network["VOCAB"],
            max_seq_len=131072,
            num_key_value_heads=network["KV_HEADS"],
            num_key_value_groups=network["HEADS"] // network["KV_HEADS"],
            ffn_embed_dim=network["FF"],
            expansion_ratio=network["FF"] / network["WIDTH"],
            model_type="llama",
        )
        gpu = GPUConfig(
            name=row.device,
            mem_per_GPU_in_GB=_value(device.memory) / 2**30,
            hbm_bandwidth_in_GB_per_sec=device.peak_bandwidth() / 1e9,
            intra_node_bandwidth_in_GB_per_sec=_value(device.links.nvlink) / 1e9,
            intra_node_min_message_latency=8e-6,
            peak_fp16_TFLOPS=device.peak_flops("matrix", "float16") / 1e12,
            peak_i8_TFLOPS=device.peak_flops("matrix", "int8") / 1e12,
            peak_i4_TFLOPS=2 * device.peak_flops("matrix", "int8") / 1e12,
        )
        analysis = LLMAnalysis(
            model,
            gpu,
            DtypeConfig(f"w{bits}a{bits}e16", bits, bits, 16),
            ParallelismConfig(tp_size=row.parallel.tp),
            flops_efficiency=0.7,
            hbm_memory_efficiency=0.9,
        )
        try:
            one = analysis.inference(1, row.mix.input_tokens, row.mix.output_tokens)
            all_ = analysis.inference(row.mix.concurrency, row.mix.input_tokens, row.mix.output_tokens)
        except (AssertionError, OracleError, ZeroDivisionError):  # does not fit its memory
            continue
        found[:, at] = all_["decode_latency"], one["prefill_latency"]
    return found


def _value(figure: Any) -> float:
    return float(figure.value)


PEERS: dict[str, Callable[[Any], Floats | None]] = {
    "plain roofline": roofline,
    "GenZ's formulas": genz,
    "llm-analysis": lambda data: llm_analysis(data.rows),
}
"""Name -> (2, rows) TPOT and TTFT in seconds of prepared rows."""
