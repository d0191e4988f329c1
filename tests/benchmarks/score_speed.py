"""How fast one network is scored: run `python -m tests.benchmarks.score_speed [--networks 1000] [--growth 20000]`.

Networks that were never seen before, of every family: medians of `load_cfg` (a shipped network with ten overrides),
`to_spec`, `score` on one device, on ten, and on one by its calibration, then `cost.times`, which says what bounds them,
and `cost.kernels`; how much the process grows over many of them; and, side by side in the same process, one cold score
against building the network on meta with plain torch.nn modules and running torch's FlopCounterMode, which gives FLOPs
only.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import oracle
from oracle.closedform import desk

_TEN = ("t4", "v100-sxm2-16gb", "rtx-2080-ti", "rtx-3090", "rtx-4090", "a10", "l4", "l40s", "a100-sxm-40gb", "h100-sxm")
_CALIBRATED: dict[str, Any] = {"devices": ["rtx-4090"], "dtype": "float16", "model": "calibrated"}
_AGAINST = ("ResNet-50", "RegNetX-4.0GF", "EfficientNet-B0", "ViT-B-16")
_ROUNDS = 7

Overrides = list[Any]


def regnet(draw: random.Random) -> tuple[str, Overrides]:
    """A RegNet; draws that lead to no network are drawn again."""
    keys = {
        "REGNET.DEPTH": draw.randrange(12, 28),
        "REGNET.W0": 8 * draw.randrange(3, 14),
        "REGNET.WA": round(draw.uniform(8, 64), 1),
        "REGNET.WM": round(draw.uniform(2, 3), 3),
        "REGNET.GROUP_W": 8 * draw.randrange(1, 7),
    }
    return "RegNetX-200MF", _flat(keys, draw)


def effnet(draw: random.Random) -> tuple[str, Overrides]:
    """An EfficientNet."""
    keys = {
        "EN.DEPTHS": [draw.randrange(1, 5) for _ in range(7)],
        "EN.WIDTHS": [8 * draw.randrange(2, 40) for _ in range(7)],
        "EN.EXP_RATIOS": [draw.choice([1, 3, 4, 6]) for _ in range(7)],
        "EN.KERNELS": [draw.choice([3, 5, 7]) for _ in range(7)],
        "EN.STEM_W": 8 * draw.randrange(2, 6),
    }
    return "EfficientNet-B0", _flat(keys, draw)


def vit(draw: random.Random) -> tuple[str, Overrides]:
    """A vision transformer."""
    heads = draw.randrange(2, 17)
    keys = {
        "VIT.NUM_HEADS": heads,
        "VIT.HIDDEN_DIM": heads * 8 * draw.randrange(4, 13),
        "VIT.MLP_DIM": 64 * draw.randrange(4, 64),
        "VIT.NUM_LAYERS": draw.randrange(4, 25),
        "VIT.CLASSIFIER_TYPE": draw.choice(["token", "pooled"]),
    }
    return "ViT-S-16", _flat(keys, draw)


def resnet(draw: random.Random) -> tuple[str, Overrides]:
    """A ResNet."""
    keys = {
        "MODEL.DEPTH": draw.choice([50, 101, 152]),
        "RESNET.NUM_GROUPS": draw.choice([1, 2, 4, 8, 16, 32]),
        "RESNET.WIDTH_PER_GROUP": draw.randrange(2, 129),
        "RESNET.STRIDE_1X1": draw.random() < 0.5,
        "MODEL.ACTIVATION_FUN": draw.choice(["relu", "silu"]),
    }
    return "ResNet-50", _flat(keys, draw)


def _flat(keys: dict[str, Any], draw: random.Random) -> Overrides:
    more = {
        "MODEL.NUM_CLASSES": draw.randrange(2, 2000),
        "TRAIN.IM_SIZE": 32 * draw.randrange(4, 12),
        "COST.NAME": f"network-{draw.randrange(10**9)}",
        "BN.EPS": draw.choice([1e-5, 1e-3]),
        "COST.BATCH_SIZE": draw.choice([1, 2, 8]),
    }
    return [item for pair in (keys | more).items() for item in pair]


FAMILIES: dict[str, Callable[[random.Random], tuple[str, Overrides]]] = {
    "RegNet": regnet,
    "EffNet": effnet,
    "ViT": vit,
    "ResNet": resnet,
}


def members(family: str, count: int, seed: int = 0) -> Iterator[tuple[str, Overrides]]:
    """So many configs of which there are networks."""
    draw = random.Random(f"{family} {seed}")
    while count:
        name, overrides = FAMILIES[family](draw)
        try:
            oracle.to_spec(oracle.load_cfg(name, overrides))
        except oracle.OracleError:
            continue
        count -= 1
        yield name, overrides


def timed(function: Callable[[Any], Any], items: list[Any]) -> tuple[float, list[Any]]:
    """The median of a call in milliseconds, and what the calls returned."""
    times, results = [], []
    for item in items:
        start = time.perf_counter()
        results.append(function(item))
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3, results


def forget() -> None:
    """Forget the cells of networks seen before; templates stay."""
    for remembered in (desk.desk_of, desk._any_batch):
        remembered.cache_clear()


def speeds(count: int) -> None:
    """Medians per family."""
    titles = ("load_cfg", "to_spec", "1 device", "10 devices", "calibrated", "+ times", "+ kernels")
    print(f"{'ms, medians':<12}" + "".join(f"{title:>12}" for title in titles))
    for family in FAMILIES:
        asked = list(members(family, count))
        for name, overrides in members(family, 20, seed=1):  # templates, roofs and compiled functions
            cfg = oracle.load_cfg(name, overrides)
            oracle.score(cfg, ["t4"]).kernels("t4")
            oracle.score(cfg, _TEN)
            oracle.score(cfg, **_CALIBRATED)
        load_ms, cfgs = timed(lambda item: oracle.load_cfg(*item), asked)
        spec_ms, specs = timed(oracle.to_spec, cfgs)
        pairs = list(zip(specs, (cfg.COST.BATCH_SIZE for cfg in cfgs), strict=True))
        forget()
        one_ms, costs = timed(lambda pair: oracle.score(pair[0], ["t4"], batch_size=pair[1]), pairs)
        times_ms, _ = timed(lambda cost: cost.times["t4"], costs)
        kernels_ms, _ = timed(lambda cost: cost.kernels("t4"), costs)
        forget()
        ten_ms, _ = timed(lambda pair: oracle.score(pair[0], _TEN, batch_size=pair[1]), pairs)
        forget()
        calibrated_ms, _ = timed(lambda pair: oracle.score(pair[0], batch_size=pair[1], **_CALIBRATED), pairs)
        found = (load_ms, spec_ms, one_ms, ten_ms, calibrated_ms, times_ms, kernels_ms)
        print(f"{family:<12}" + "".join(f"{ms:>12.3f}" for ms in found))


def growth(count: int) -> None:
    """Megabytes that the process grows by over so many networks of all families."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for family in FAMILIES:
        for name, overrides in members(family, count // len(FAMILIES), seed=2):
            oracle.score(oracle.load_cfg(name, overrides), ["t4"])
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"peak RSS grew by {grown:.0f} MB over {count} networks")


def against_flop_counter() -> None:
    """One cold score, its cells and their sums forgotten, against FlopCounterMode on meta."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from oracle.build import build

    def counted(name: str) -> None:
        with torch.device("meta"):
            module = build(oracle.to_spec(oracle.load_cfg(name)))
            for child in module.modules():  # as users build it: initialisation runs, and computes nothing
                reset = getattr(child, "reset_parameters", None)
                if reset is not None:
                    reset()
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            module.eval()(torch.empty(1, 3, 224, 224, device="meta"))
        counter.get_total_flops()

    def cold(name: str) -> None:
        forget()
        oracle.score(oracle.load_cfg(name), ["rtx-4090"])

    print(f"{'network':<16}{'cold score':>12}{'FlopCounterMode':>17}{'ratio':>8}")
    for name in _AGAINST:
        for function in (cold, counted):  # imports and operator look-ups are nobody's
            function(name)
        ours, theirs = (timed(function, [name] * _ROUNDS)[0] for function in (cold, counted))
        print(f"{name:<16}{ours:>9.2f} ms{theirs:>14.1f} ms{theirs / ours:>7.0f}x")


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=1000)
    parser.add_argument("--growth", type=int, default=20_000)
    arguments = parser.parse_args()
    speeds(arguments.networks)
    growth(arguments.growth)
    against_flop_counter()


if __name__ == "__main__":
    main()
