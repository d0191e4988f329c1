"""How fast one network is scored: run `python tests/benchmarks/score_speed.py`.

Ratios are measured side by side in one process: a cold score from the config to a latency against building the
network on meta with plain torch.nn modules and running torch's FlopCounterMode, which gives FLOPs only.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

from oracle.build import build
from oracle.config import load_cfg
from oracle.counting import chain
from oracle.families import to_spec
from oracle.query import score, score_many, timing

_NETWORKS = ("ResNet-50", "RegNetX-4.0GF", "EfficientNet-B0", "ViT-B-16")
_ROUNDS = 7


def forget() -> None:
    """Empty every cache of counts, so that the next score is cold."""
    for cached in (chain.count_net, chain._count_cell, chain._trace_cell, timing.network_columns):
        cached.cache_clear()


def cold(name: str) -> None:
    forget()
    score(name, ["rtx-4090"])


def initialised_on_meta(name: str) -> torch.nn.Module:
    """The network as users build it: torch.nn modules on meta, whose initialisation runs (and computes nothing)."""
    with torch.device("meta"):
        module = build(to_spec(load_cfg(name)))
        for child in module.modules():
            reset = getattr(child, "reset_parameters", None)
            if reset is not None:
                reset()
    return module.eval()


def flop_counter(name: str) -> None:
    module = initialised_on_meta(name)
    image = torch.empty(1, 3, 224, 224, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(image)
    counter.get_total_flops()


def milliseconds(function: Callable[[str], None], name: str) -> float:
    function(name)  # imports and operator look-ups are nobody's
    times = []
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        function(name)
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


def main() -> None:
    print(f"{'network':<16}{'cold score':>12}{'FlopCounterMode':>17}{'ratio':>8}{'again':>10}{'closed form':>13}")
    for name in _NETWORKS:
        cold_ms, counter_ms = milliseconds(cold, name), milliseconds(flop_counter, name)
        again_ms = milliseconds(lambda network: score(network, ["rtx-4090"]) and None, name)
        spec = [to_spec(load_cfg(name))]
        query_ms = milliseconds(lambda _, spec=spec: score_many(spec, ["rtx-4090"]) and None, name)  # type: ignore[misc]
        print(
            f"{name:<16}{cold_ms:>9.1f} ms{counter_ms:>14.1f} ms{counter_ms / cold_ms:>7.1f}x"
            f"{again_ms * 1e3:>7.0f} us{query_ms * 1e3:>10.0f} us"
        )
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "oracle", "--help"], check=True, capture_output=True)
    print(f"oracle --help: {time.perf_counter() - start:.2f} s")


if __name__ == "__main__":
    main()
