"""Decoders served by several GPUs: shards, collectives, steps of an engine, and the latencies that users see."""

from __future__ import annotations

from oracle.collectives import OPERATIONS, collective_s
from oracle.families.sharding import Parallel, sharded
from oracle.serving.latency import Serving, ServingPoint, serve_latency
from oracle.serving.memory import TrainingMemory, training_memory

__all__ = [
    "OPERATIONS",
    "Parallel",
    "Serving",
    "ServingPoint",
    "TrainingMemory",
    "collective_s",
    "serve_latency",
    "sharded",
    "training_memory",
]
