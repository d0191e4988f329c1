"""A table of true qualities: every RegNet of a small grid that is fast enough, trained on digits.

OMP_NUM_THREADS=1 nice -n 19 python -m tests.benchmarks.regnet_digits [SEEDS]     # makes data/regnet_digits.json

What it is. The grid of `SETUP` has 2,880 members of one to three stages, 1,173 of them distinct networks. Those whose
latency on a Raspberry Pi 4 is at most the median over the distinct ones are trained, all of them, by the quality of
studies (`search.objectives.train`): EPOCHS epochs on 599 of scikit-learn's 1,797 digits (every third), SGD with
Nesterov momentum .9, weight decay 5e-4, learning rate .05 by a cosine to 0, batches of 60, one thread. The accuracy on
the other 1,198 after the last epoch is the quality; with several SEEDS (of weights and order), their mean.

What it is not: accuracies of RegNets on ImageNet, or those of trainings to the end. Images of 8 x 8 pixels are far from
what the device was measured on, so that latencies are lower bounds (MODEL roofline): a cost that orders networks.
"""

from __future__ import annotations

import json
import sys
import time
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from search import PoolSampler
from search.space import space_of

if TYPE_CHECKING:
    from search.objectives.train import Data
    from search.pool import Members

TABLE = Path(__file__).parent / "data" / "regnet_digits.json"
LATENCY = "latency_ms@raspberry-pi-4"
EPOCHS = 5


def _grid(*values: float) -> dict[str, Any]:
    return {"TYPE": "grid_sampler", "VALUES": list(values)}


SETUP: dict[str, Any] = {
    "SAMPLERS": {
        "REGNET.DEPTH": _grid(1, 2, 3, 4, 5, 6),
        "REGNET.W0": _grid(8, 16, 24, 32),
        "REGNET.WA": _grid(4.0, 8.0, 12.0, 16.0, 24.0),
        "REGNET.WM": _grid(1.5, 2.0, 2.5, 3.0),
        "REGNET.GROUP_W": _grid(8, 16),
        "REGNET.STEM_W": _grid(8, 16, 24),
    },
    "CONSTRAINTS": {"REGNET": {"NUM_STAGES": [1, 3]}},
    "BASE_CFG": {
        "MODEL": {"TYPE": "regnet", "NUM_CLASSES": 10},
        "REGNET": {"STEM_TYPE": "res_stem_cifar"},
        "TRAIN": {"IM_SIZE": 8},
    },
}


@lru_cache(maxsize=1)
def limit() -> str:
    """At most the median latency of distinct networks."""
    latencies = PoolSampler(space_of({"SETUP": SETUP}, "regnets"), objectives=[LATENCY], model="roofline").pool.scores
    return f"{LATENCY} <= {float(np.median(latencies[LATENCY]))!r}"


def sampler(**words: Any) -> PoolSampler:
    """Of the feasible networks."""
    return PoolSampler(space_of({"SETUP": SETUP}, "regnets"), limit(), model="roofline", **words)


@lru_cache(maxsize=1)
def members() -> Members:
    """The feasible networks."""
    return sampler().pool


def data() -> Data:
    """Every third digit to learn from, the others held out: little to learn from leaves networks apart."""
    import torch

    from search.objectives.train import Data, digits

    whole = digits()
    order = torch.empty(len(whole.train_labels) + len(whole.test_labels), dtype=torch.long)
    held_out = torch.zeros(len(order), dtype=torch.bool)
    held_out[::4] = True  # as `digits` parts them; put together again, in the order of scikit-learn
    order[~held_out] = torch.arange(len(whole.train_labels))
    order[held_out] = torch.arange(len(whole.train_labels), len(order))
    images = torch.cat([whole.train_images, whole.test_images])[order]
    labels = torch.cat([whole.train_labels, whole.test_labels])[order]
    learnt = torch.zeros(len(order), dtype=torch.bool)
    learnt[::3] = True
    return Data(images[learnt], labels[learnt], images[~learnt], labels[~learnt])


def accuracies(epoch: int = EPOCHS) -> dict[tuple[float, ...], float]:
    """Values of the keys of `SETUP` -> accuracy in percent after some epochs of training, of every feasible network."""
    return {
        tuple(config): sum(curve[epoch - 1] for curve in curves) / len(curves)
        for config, curves in json.loads(TABLE.read_text())
    }


class _Training:
    """An evaluation that stops nothing; percent after each epoch."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.curve: list[float] = []

    def report(self, value: float, step: int) -> None:
        """Keep it."""
        self.curve.append(round(100 * value, 2))

    check = report


def make(seeds: str = "2") -> None:
    """Train what the table lacks, network by network; a row is [values of the keys, [percents by epoch, per seed]]."""
    from oracle.families import to_spec
    from search.objectives import Builder, check_quality, quality_of

    space, feasible = sampler().space, members()
    section = {"TYPE": "train", "DATA": "tests.benchmarks.regnet_digits:data", "EPOCHS": EPOCHS, "BATCH_SIZE": 60}
    train = quality_of(check_quality({**section, "THREADS": 1}, Path()), space)
    assert train is not None
    rows: list[Any] = json.loads(TABLE.read_text()) if TABLE.exists() else []
    began = time.process_time()
    for row in range(len(feasible)):
        if row == len(rows):
            rows.append([list(feasible.config(row).values()), []])
        spec, curves = to_spec(space.cfg(feasible.columns, row)), rows[row][1]
        assert rows[row][0] == list(feasible.config(row).values())
        for seed in range(len(curves), int(seeds)):
            training = _Training(seed)
            train(spec, Builder(spec, seed), training)
            curves.append(training.curve)
        if row % 20 == 19 or row == len(feasible) - 1:
            TABLE.write_text("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n")
            print(f"{row + 1} of {len(feasible)}, {time.process_time() - began:.0f} s of the processor", flush=True)


if __name__ == "__main__":
    make(*sys.argv[1:])
