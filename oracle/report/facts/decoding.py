"""Facts about a decoder: its prompt and its decode step beside one another, and decoding over sequences at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oracle.devices import Device
from oracle.report.facts.networks import NetworkFacts, network_facts

if TYPE_CHECKING:
    from oracle.query import Cost


@dataclass(frozen=True, slots=True)
class DecodingFacts:
    """A decoder in both of its phases.

    Attributes:
        phases: title -> the network in it.
        kv_bytes_per_token: what a token of one sequence takes in the caches.
        curve: device -> column -> one entry per number of sequences: batch_size, latency_ms (a decode step, the time
            per output token), tokens_per_s, peak_memory_bytes, kv_cache_bytes, fits.
        missing: why something is not there.
    """

    phases: Mapping[str, NetworkFacts]
    kv_bytes_per_token: int
    curve: Mapping[str, Mapping[str, Sequence[Any]]]
    missing: Sequence[str]


def decoding_facts(
    prompt: Cost, step: Cost, batches: Sequence[Cost], devices: Mapping[str, Device], missing: Sequence[str] = ()
) -> DecodingFacts:
    """Facts of a decoder.

    Args:
        prompt: what a prompt costs.
        step: what a decode step costs.
        batches: the step for several numbers of sequences, ascending.
        devices: by name.
        missing: why something is not there.
    """
    titles = f"Prefill: {prompt.tokens:,} tokens", "Decode: one token"
    curve: dict[str, dict[str, Sequence[Any]]] = {
        name: {
            "batch_size": [cost.workload.batch_size for cost in batches],
            "latency_ms": [cost.latency_ms[name] for cost in batches],
            "tokens_per_s": [cost.throughput_per_s[name] for cost in batches],
            "peak_memory_bytes": [cost.peak_memory_bytes for cost in batches],
            "kv_cache_bytes": [cost.kv_cache_bytes for cost in batches],
            "fits": [cost.times[name].fits for cost in batches],
        }
        for name in step.times
    }
    phases = {title: network_facts(cost, devices) for title, cost in zip(titles, (prompt, step), strict=True)}
    return DecodingFacts(phases, step.kv_bytes_per_token, curve, list(missing))
