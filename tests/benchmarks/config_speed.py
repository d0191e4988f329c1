"""How fast configs are read and become specs: run `python tests/benchmarks/config_speed.py`.

Medians over networks never seen before, each with ten overrides of its own, in one process without torch; then files
by path, each read once, devices, and what the imports cost in processes of their own.
"""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import oracle
from oracle.config import load_cfg, to_yaml
from oracle.devices import list_devices
from oracle.families import to_spec

_COUNT = 1000
_IMPORTS = ("oracle", "oracle.config", "oracle.families", "oracle.devices")


def _shared(rng: random.Random, number: int) -> list[Any]:
    """Four overrides that every family knows; the number makes each network a new one."""
    return [
        "MODEL.NUM_CLASSES",
        10 + number,
        "TRAIN.IM_SIZE",
        rng.choice((160, 192, 224, 256)),
        "COST.BATCH_SIZE",
        rng.randint(1, 256),
        "COST.DTYPE",
        rng.choice(("float32", "float16")),
    ]


def _regnet(rng: random.Random) -> list[Any]:
    return [
        *("REGNET.DEPTH", rng.randint(12, 28), "REGNET.W0", 8 * rng.randint(2, 12)),
        *("REGNET.WA", rng.uniform(8, 60), "REGNET.WM", rng.uniform(2, 3)),
        *("REGNET.GROUP_W", rng.choice((8, 16, 24, 32)), "REGNET.SE_ON", rng.choice((True, False))),
    ]


def _effnet(rng: random.Random) -> list[Any]:
    return [
        *("EN.DEPTHS", [rng.randint(1, 5) for _ in range(7)]),
        *("EN.WIDTHS", [8 * rng.randint(2, 40) for _ in range(7)]),
        *("EN.EXP_RATIOS", [float(rng.choice((1, 4, 6))) for _ in range(7)]),
        *("EN.KERNELS", [rng.choice((3, 5)) for _ in range(7)]),
        *("EN.STEM_W", 8 * rng.randint(2, 6), "EN.HEAD_W", 8 * rng.randint(80, 240)),
    ]


def _vit(rng: random.Random) -> list[Any]:
    heads = rng.choice((3, 4, 6, 8, 12))
    return [
        *("VIT.NUM_HEADS", heads, "VIT.HIDDEN_DIM", 64 * heads, "VIT.NUM_LAYERS", rng.randint(4, 24)),
        *("VIT.MLP_DIM", 64 * rng.randint(4, 64), "VIT.PATCH_SIZE", rng.choice((16, 32))),
        *("VIT.CLASSIFIER_TYPE", rng.choice(("token", "pooled"))),
    ]


def _resnet(rng: random.Random) -> list[Any]:
    return [
        *("MODEL.DEPTH", rng.choice((50, 101, 152)), "RESNET.NUM_GROUPS", rng.choice((1, 2, 4, 8, 32))),
        *("RESNET.WIDTH_PER_GROUP", rng.randint(4, 64), "RESNET.STRIDE_1X1", rng.choice((True, False))),
        *("MODEL.ACTIVATION_FUN", rng.choice(("relu", "silu")), "BN.EPS", rng.uniform(1e-6, 1e-3)),
    ]


_FAMILIES: dict[str, tuple[str, Callable[[random.Random], list[Any]]]] = {
    "RegNet": ("RegNetX-200MF", _regnet),
    "EffNet": ("EfficientNet-B0", _effnet),
    "ViT": ("ViT-B-16", _vit),
    "ResNet": ("ResNet-50", _resnet),
}


def milliseconds(function: Callable[[Any], Any], asked: Iterable[Any]) -> tuple[float, list[Any]]:
    """The median of a call, and what the calls return."""
    times, answers = [], []
    for one in asked:
        start = time.perf_counter()
        answers.append(function(one))
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3, answers


def _write(cfg: Any, path: Path) -> Path:
    path.write_text(to_yaml(cfg, cost=True), encoding="utf-8")
    return path


def networks(folder: Path) -> None:
    print(f"{'family':<8}{'load_cfg(name, ten)':>22}{'to_spec':>11}{'load_cfg(path)':>17}")
    for family, (name, drawn) in _FAMILIES.items():
        rng = random.Random(family)
        overrides = [[*_shared(rng, number), *drawn(rng)] for number in range(_COUNT)]
        load_ms, cfgs = milliseconds(lambda ten, name=name: load_cfg(name, ten), overrides)  # type: ignore[misc]
        spec_ms, _ = milliseconds(to_spec, cfgs)
        files = [_write(cfg, folder / f"{family}-{number}.yaml") for number, cfg in enumerate(cfgs)]
        path_ms, _ = milliseconds(load_cfg, files)
        print(f"{family:<8}{load_ms:>19.3f} ms{spec_ms:>8.3f} ms{path_ms:>14.3f} ms")


def devices() -> None:
    names = list_devices()
    cold_ms, _ = milliseconds(oracle.load_device, names)
    again_ms, _ = milliseconds(oracle.load_device, names)
    print(f"\nload_device, {len(names)} by name: first time {cold_ms:.3f} ms, again {again_ms:.3f} ms")


def imports() -> None:
    def started(statement: str) -> float:
        code = f"import time; start = time.perf_counter(); {statement}; print(time.perf_counter() - start)"
        seconds = [
            float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
            for _ in range(9)
        ]
        return statistics.median(seconds) * 1e3

    for name in _IMPORTS:
        print(f"import {name:<16}{started(f'import {name}'):>7.1f} ms")
    first = "from oracle import load_cfg, to_spec; to_spec(load_cfg('RegNetX-200MF'))"
    print(f"a first config and spec{started(first):>7.1f} ms")
    device = "from oracle import load_device; load_device('t4')"
    print(f"a first device{started(device):>16.1f} ms")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        networks(Path(folder))
    devices()
    imports()


if __name__ == "__main__":
    main()
