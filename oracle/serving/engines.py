"""What inference engines add to the kernels of a step, as data: `configs/serving/{vllm,tensorrt-llm,sglang}.yaml`.

OVERLAPS: false                  # whether the host prepares a step while the GPU computes the one before
MIXES: true                      # whether a step may hold decoding sequences and pieces of prompts at once
CHUNK_TOKENS: 8192               # tokens of prompts in a step at most
MEMORY_SHARE: 0.9                # of a GPU's memory that weights, activations and the cache may take
SHARE_OF_FREE: false             # or of what weights and activations leave, which the cache takes then
OUTPUT_RESERVED: 1.0             # share of a request's output that the cache keeps free from the start
KV_FLOAT8: true                  # whether the cache is float8 where weights are
STEP_US: 900                     # of the host per step
SEQUENCE_US: 15                  # of the host per sequence and step
REQUEST_MS: 20                   # of the host per request, before its first step
STEPS_WAITED: 2                  # from the arrival of a request to its first step, and from its token to the client
BURST: 0.1                       # share of requests in step that come all at once, see `oracle.serving.latency`
QUEUE: 1.5                       # prompts that wait before one of those in step
IN_STEP_TPOT: 0.75               # share of requests in step, where a question does not say, for TPOT
IN_STEP_TTFT: 0.75               # and for TTFT

The rest is as in `oracle.fitted`; ERROR.DENSE_TPOT and its like are of questions that say how many requests are in
step, ERROR.DEFAULT_DENSE_TPOT and its like of those that do not. What kernels reach in all engines is
`configs/serving/gpu.yaml`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from oracle._resources import closest
from oracle.errors import ConfigError
from oracle.fitted import Origin, numbers_in, read_serving, shared_keys
from oracle.serving.steps import Reach

ENGINES = ("vllm", "tensorrt-llm", "sglang")
ERRORS = ("TPOT", "TPOT_MEDIAN", "TTFT", "TTFT_MEDIAN")
KINDS = ("DENSE_", "EXPERTS_", "DEFAULT_DENSE_", "DEFAULT_EXPERTS_")  # of networks; and where nobody says `in_step`


@dataclass(frozen=True, slots=True)
class Engine:
    """An inference engine; the module says what each value is."""

    name: str
    overlaps: bool
    mixes: bool
    kv_float8: bool
    share_of_free: bool
    chunk_tokens: int
    memory_share: float
    output_reserved: float
    step_s: float
    sequence_s: float
    request_s: float
    steps_waited: float
    queue: float
    burst: float
    in_step_tpot: float
    in_step_ttft: float
    origin: Origin

    def paced_s(self, computing_s: float, running: float) -> float:
        """From step to step of so many sequences, of which the GPU computes so many seconds; it waits for the host."""
        host_s = self.step_s + self.sequence_s * running
        return max(computing_s, host_s) if self.overlaps else computing_s + host_s


_NUMBERS = {
    "MEMORY_SHARE": ("memory_share", 1.0),
    "OUTPUT_RESERVED": ("output_reserved", 1.0),
    "STEP_US": ("step_s", 1e-6),
    "SEQUENCE_US": ("sequence_s", 1e-6),
    "REQUEST_MS": ("request_s", 1e-3),
    "STEPS_WAITED": ("steps_waited", 1.0),
    "QUEUE": ("queue", 1.0),
    "BURST": ("burst", 1.0),
    "IN_STEP_TPOT": ("in_step_tpot", 1.0),
    "IN_STEP_TTFT": ("in_step_ttft", 1.0),
}
_WHOLE = {"CHUNK_TOKENS": ("chunk_tokens", 1.0)}
_FLAGS = {"OVERLAPS": "overlaps", "MIXES": "mixes", "KV_FLOAT8": "kv_float8", "SHARE_OF_FREE": "share_of_free"}
_REACH = {
    "PRODUCT": ("product", 1.0),
    "NARROW": ("narrow", 1.0),
    "SKEW": ("skew", 1.0),
    "PREFILLING": ("prefilling", 1.0),
    "DECODING": ("decoding", 1.0),
    "MEMORY": ("memory", 1.0),
    "CACHE": ("cache", 1.0),
    "GAP_US": ("gap_s", 1e-6),
    "REDUCE": ("reduce", 1.0),
}
_DIVISORS = ("PRODUCT", "NARROW", "SKEW", "PREFILLING", "DECODING", "MEMORY", "CACHE")


@lru_cache(maxsize=8)
def engine_named(name: str) -> Engine:
    """The values of an engine.

    Raises:
        ConfigError: none of that name; a broken file.
    """
    if name not in ENGINES:
        raise ConfigError(f"engine={name!r}: expected one of {', '.join(ENGINES)}{closest(str(name), ENGINES)}")
    content, place = read_serving(name)
    origin = shared_keys(content, place, (*_NUMBERS, *_WHOLE, *_FLAGS))
    for key in (f"{kind}{name}" for kind in KINDS for name in ERRORS):
        if key not in origin.error:
            raise ConfigError(f"{place}: ERROR.{key} is missing")
    found: dict[str, Any] = numbers_in(content, place, _NUMBERS)
    for key, field in _FLAGS.items():
        if not isinstance(content.get(key), bool):
            raise ConfigError(f"{place}: {key}={content.get(key)!r}: expected true or false")
        found[field] = content[key]
    for field, value in numbers_in(content, place, _WHOLE).items():
        if value < 1 or value != int(value):
            raise ConfigError(f"{place}: {field.upper()}={value:g}: expected a whole number, 1 or more")
        found[field] = int(value)
    return Engine(name, **found, origin=origin)


@lru_cache(maxsize=1)
def reach_in_engines() -> tuple[Reach, Origin]:
    """What kernels of GPUs reach in engines, and on what that was fitted."""
    content, place = read_serving("gpu")
    origin = shared_keys(content, place, tuple(_REACH))
    return Reach(**numbers_in(content, place, _REACH, _DIVISORS)), origin
