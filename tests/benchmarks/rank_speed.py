"""How long `oracle rank` takes for folders of YAML files: run `python tests/benchmarks/rank_speed.py [COUNT ...]`.

Whole processes: 100, 1,000 and 10,000 random RegNets, EfficientNets, vision transformers and ResNets, ranked on three
devices, as a table, as JSON and as CSV into files; wall time and the peak of the process's memory. Templates that do
not ship are made by an untimed run before.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from pathlib import Path

import yaml

COUNTS = (100, 1_000, 10_000)
DEVICES = ("t4", "rtx-4090", "jetson-agx-orin")
FORMATS = ("txt", "json", "csv")


def candidates(count: int, seed: int = 0) -> list[dict[str, object]]:
    """Configs of networks, four families in turn."""
    rng = random.Random(seed)
    return [_FAMILIES[number % len(_FAMILIES)](rng) for number in range(count)]


def write_candidates(folder: Path, count: int) -> None:
    """A YAML file for each."""
    for number, values in enumerate(candidates(count)):
        text = yaml.safe_dump(values)
        (folder / f"net-{number:05}.yaml").write_text(text, encoding="utf-8")


def _regnet(rng: random.Random) -> dict[str, object]:
    keys = {
        "DEPTH": rng.randint(12, 28),
        "W0": 8 * rng.randint(2, 12),
        "WA": round(rng.uniform(8, 60), 2),
        "WM": round(rng.uniform(2, 3), 2),
        "GROUP_W": rng.choice((8, 16, 24)),
    }
    return {"MODEL": {"TYPE": "regnet"}, "REGNET": keys, "TRAIN": {"IM_SIZE": rng.choice((192, 224))}}


def _effnet(rng: random.Random) -> dict[str, object]:
    keys = {
        "STEM_W": 8 * rng.randint(2, 6),
        "DEPTHS": [rng.randint(1, 5) for _ in range(7)],
        "WIDTHS": [8 * rng.randint(2, 40) for _ in range(7)],
        "EXP_RATIOS": [1, *(rng.choice((4, 6)) for _ in range(6))],
        "STRIDES": [1, 2, 2, 2, 1, 2, 1],
        "KERNELS": [rng.choice((3, 5)) for _ in range(7)],
        "HEAD_W": 8 * rng.randint(80, 240),
    }
    return {"MODEL": {"TYPE": "effnet", "ACTIVATION_FUN": "silu"}, "EN": keys}


def _vit(rng: random.Random) -> dict[str, object]:
    heads = rng.choice((3, 6, 12))
    keys = {
        "PATCH_SIZE": 16,
        "NUM_LAYERS": rng.randint(4, 16),
        "NUM_HEADS": heads,
        "HIDDEN_DIM": 64 * heads,
        "MLP_DIM": 64 * heads * rng.choice((2, 3, 4)),
    }
    return {"MODEL": {"TYPE": "vit"}, "VIT": keys}


def _resnet(rng: random.Random) -> dict[str, object]:
    keys = {"TRANS_FUN": "bottleneck_transform", "NUM_GROUPS": 1, "WIDTH_PER_GROUP": 8 * rng.randint(4, 16)}
    model = {"TYPE": "resnet", "DEPTH": rng.choice((50, 101)), "NUM_CLASSES": rng.randint(10, 1000)}
    return {"MODEL": model, "RESNET": keys, "TRAIN": {"DATASET": "imagenet"}}


_FAMILIES = (_regnet, _effnet, _vit, _resnet)


def _ranked(folder: Path, output: Path) -> tuple[float, float]:
    """Seconds, and MB of the process at its largest."""
    words = [word for device in DEVICES for word in ("--device", device)]
    command = [sys.executable, "-m", "oracle", "rank", str(folder), *words, "--output", str(output)]
    began = time.perf_counter()
    pid = os.posix_spawn(sys.executable, command, os.environ)
    _, status, usage = os.wait4(pid, 0)
    seconds = time.perf_counter() - began
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return seconds, usage.ru_maxrss / 1e3


def main(counts: tuple[int, ...]) -> None:
    """Print the table."""
    print(f"{'files':>7} {'format':>7} {'seconds':>8} {'ms each':>8} {'peak MB':>8} {'written MB':>11}")
    with tempfile.TemporaryDirectory() as place:
        for count in counts:
            folder = Path(place, str(count))
            folder.mkdir()
            write_candidates(folder, count)
            _ranked(folder, Path(place, "warm.txt"))
            for suffix in FORMATS:
                output = Path(place, f"ranked.{suffix}")
                seconds, peak = _ranked(folder, output)
                size = output.stat().st_size / 1e6
                print(
                    f"{count:>7,} {suffix:>7} {seconds:>8.2f} {seconds / count * 1e3:>8.3f} {peak:>8.0f} {size:>11.1f}"
                )


if __name__ == "__main__":
    main(tuple(int(word) for word in sys.argv[1:]) or COUNTS)
