"""Rows of llm_serving.csv (ai-dynamo/aiconfigurator, Apache-2.0) as questions to the oracle."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import oracle
from oracle.families.sharding import Parallel
from oracle.serving.latency import Mix

__all__ = ["NETWORKS", "UNFITTED", "Row", "config_of", "read_rows"]

_QWEN_MOE = {"QK_NORM": True, "EXPERTS_PER_TOKEN": 8, "HEAD_DIM": 128}

NETWORKS: Mapping[str, dict[str, Any]] = {
    "meta-llama/Llama-3.1-8B-Instruct": {
        "VOCAB": 128256, "LAYERS": 32, "WIDTH": 4096, "HEADS": 32, "KV_HEADS": 8, "FF": 14336,
    },
    "meta-llama/Llama-3.1-70B": {
        "VOCAB": 128256, "LAYERS": 80, "WIDTH": 8192, "HEADS": 64, "KV_HEADS": 8, "FF": 28672,
    },
    "Qwen/Qwen3-32B": {
        "VOCAB": 151936, "LAYERS": 64, "WIDTH": 5120, "HEADS": 64, "KV_HEADS": 8, "HEAD_DIM": 128, "FF": 25600,
        "QK_NORM": True,
    },
    "Qwen/Qwen3-235B-A22B-FP8": {
        **_QWEN_MOE, "VOCAB": 151936, "LAYERS": 94, "WIDTH": 4096, "HEADS": 64, "KV_HEADS": 4, "EXPERTS": 128,
        "EXPERT_FF": 1536,
    },
    "MiniMaxAI/MiniMax-M2.5": {
        **_QWEN_MOE, "VOCAB": 200064, "LAYERS": 62, "WIDTH": 3072, "HEADS": 48, "KV_HEADS": 8, "EXPERTS": 256,
        "EXPERT_FF": 1536,
    },
    "openai/gpt-oss-120b": {
        "VOCAB": 201088, "LAYERS": 36, "WIDTH": 2880, "HEADS": 64, "KV_HEADS": 8, "HEAD_DIM": 64, "EXPERTS": 128,
        "EXPERTS_PER_TOKEN": 4, "EXPERT_FF": 2880, "WINDOWS": [128, 0], "SINKS": True, "QKV_BIAS": True,
        "OUT_BIAS": True, "MLP_BIAS": True,
    },
}  # fmt: skip
"""Of each model that the family has, its config.json in the family's words."""

_DEEPSEEK = {
    "WIDTH": 7168, "LAYERS": 61, "FF": 18432, "Q_RANK": 1536, "KV_RANK": 512, "NOPE_DIM": 128, "ROPE_DIM": 64,
    "V_DIM": 128, "EXPERTS_PER_TOKEN": 8, "EXPERT_FF": 2048, "SHARED_FF": 2048, "ROUTER": "sigmoid",
}  # fmt: skip
UNFITTED: Mapping[str, dict[str, Any]] = {
    "deepseek-ai/DeepSeek-V3": {
        **_DEEPSEEK, "VOCAB": 129280, "HEADS": 128, "EXPERTS": 256, "DENSE_LAYERS": 3, "EXPERT_GROUPS": 8,
        "GROUPS_PER_TOKEN": 4,
    },
    "moonshotai/Kimi-K2.5": {**_DEEPSEEK, "VOCAB": 163840, "HEADS": 64, "EXPERTS": 384, "DENSE_LAYERS": 1},
    "zhipuai/GLM-5": {
        **_DEEPSEEK, "VOCAB": 154880, "WIDTH": 6144, "LAYERS": 78, "HEADS": 64, "FF": 12288, "Q_RANK": 2048,
        "NOPE_DIM": 192, "V_DIM": 256, "INDEX_HEADS": 32, "INDEX_DIM": 128, "INDEX_TOPK": 2048, "EXPERTS": 256,
        "DENSE_LAYERS": 3,
    },
    "Qwen/Qwen3.5-397B-A17B": {
        "VOCAB": 248320, "LAYERS": 60, "WIDTH": 4096, "HEADS": 32, "KV_HEADS": 2, "HEAD_DIM": 256, "QK_NORM": True,
        "ROTARY": 0.25, "OUT_GATE": True, "MIXERS": ["linear", "linear", "linear", "full"], "LINEAR_HEADS": 64,
        "LINEAR_KEY_HEADS": 16, "LINEAR_KEY_DIM": 128, "LINEAR_VALUE_DIM": 128, "EXPERTS": 512, "EXPERTS_PER_TOKEN": 10,
        "EXPERT_FF": 1024, "SHARED_FF": 1024, "SHARED_GATE": True,
    },
}  # fmt: skip
"""Those with attention over latents, or with linear attention, which nothing was fitted to."""

_SAME = {"nvidia/Llama-3.1-8B-Instruct-FP8": "meta-llama/Llama-3.1-8B-Instruct"}
_SAME |= {"deepseek-ai/DeepSeek-R1": "deepseek-ai/DeepSeek-V3"}
_ENGINES = {"trtllm": "tensorrt-llm"}
_WEIGHTS = {"": "bfloat16", "fp8": "float8", "fp4": "float4", "int4": "int4"}


@dataclass(frozen=True)
class Row:
    """One measured row.

    Attributes:
        model: as in the file.
        network: key of `NETWORKS`.
        device, engine, weights: words of the oracle.
        version: of the engine.
        parallel, mix: what was asked.
        ttft_s, tpot_s: what was measured.
    """

    model: str
    network: str
    device: str
    engine: str
    version: str
    weights: str
    parallel: Parallel
    mix: Mix
    ttft_s: float
    tpot_s: float

    @property
    def has_cached_prompts(self) -> bool:
        """Whether prompts cost next to nothing beside what their FLOPs take at the peak."""
        return self.mix.cached > 0.0

    @property
    def in_step(self) -> float:
        """0 for rows whose requests were not of equal lengths, as their TTFT says: of versions that drew lengths."""
        return 0.0 if self.version in ("", "gpt-oss-dev", "0.5.6.post2", "0.5.9", "glm5-hopper") else 1.0

    @property
    def kv(self) -> str | None:
        """What the cache must have been stored in; None for what the engine takes.

        Llama 70B and 8B in float8 are checkpoints that say float8 of their cache, too, and vLLM goes by that: 32 prompts
        of 8192 tokens on one H200 and 64 of 1024 with 8192 to come on two H100 ran at once, which bfloat16 leaves no
        room for.
        """
        return "float8" if self.engine == "vllm" and self.weights == "float8" and "Llama" in self.network else None


def read_rows(path: Path, networks: Mapping[str, dict[str, Any]] = NETWORKS) -> tuple[list[Row], dict[str, int]]:
    """The rows of some networks, each once; and how many there are of others, by model."""
    found: dict[Row, None] = {}
    others: dict[str, int] = {}
    with path.open() as file:
        for line in csv.DictReader(file):
            network = _SAME.get(line["model"], line["model"])
            if network not in networks:
                others[line["model"]] = others.get(line["model"], 0) + 1
                continue
            parallel = _parallel_of(line)
            engine = _ENGINES.get(line["backend"], line["backend"])
            row = Row(
                line["model"],
                network,
                line["device"],
                engine,
                line["backend_version"],
                _WEIGHTS[line["precision"]],
                parallel,
                Mix(
                    int(line["input_length"]),
                    int(line["output_length"]),
                    int(line["batch_size"]) * parallel.dp,  # stated per group of attention's data parallelism
                    _cached(networks[network], engine, int(line["input_length"])),
                ),
                float(line["ttft_ms"]) / 1e3,
                float(line["tpot_ms"]) / 1e3,
            )
            found[row] = None
    return list(found), others


_CACHED = 0.9
"""Of prompts that load tests send again and again: about ten requests per place are measured, and the first are read."""


def _cached(section: Mapping[str, Any], engine: str, tokens: int) -> float:
    """The share of a prompt in the cache: dense rows with prompts of whole thousands, but for SGLang's, say it is most."""
    return _CACHED if tokens % 1000 == 0 and engine != "sglang" and "EXPERTS" not in section else 0.0


def _parallel_of(line: dict[str, str]) -> Parallel:
    """GPUs as they must have been: some rows state products of sizes that are no number of GPUs of one machine."""
    tp, dp, expert_tp, ep = (
        max(int(line[key] or 1), 1) for key in ("tp_size", "attention_dp_size", "moe_tp_size", "moe_ep_size")
    )
    if expert_tp == ep > 1 and tp in (expert_tp * ep, expert_tp):  # 16 4 4 and 64 8 8 were 4 and 8 GPUs
        square = expert_tp * ep
        return Parallel(tp=tp if tp == square <= 4 else expert_tp, ep=ep if tp == square <= 4 else 1)
    if dp > 1:  # 1 x 64 8 8 were 8 GPUs, 4 x 4 1 16 were 4
        return Parallel(tp=1, dp=min(dp, 8), ep=min(ep, dp, 8))
    gpus = max(tp, expert_tp * ep)
    return Parallel(tp=tp, dp=gpus // tp, ep=min(ep, gpus))


def config_of(network: str) -> Any:
    """The config of a network."""
    return oracle.cfg_from_dict(
        {"MODEL": {"TYPE": "decoder"}, "DECODER": {**NETWORKS, **UNFITTED}[network], "COST": {"NAME": network}}
    )
