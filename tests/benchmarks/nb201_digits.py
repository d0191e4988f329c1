"""A table of true qualities: every cell of NAS-Bench-201 that can learn something of its own, trained on digits.

OMP_NUM_THREADS=1 nice python tests/benchmarks/nb201_digits.py [SEEDS]     # makes data/nb201_digits.npz

What it is. The 15,625 cells are 5,044 functions (`oracle.families.canonical`), one of which is no path at all. The
other 5,043 are trained, each as the benchmark's macro-skeleton at a tiny size: a stem of 8 channels with stride 2, a
cell of 8 channels at 4 x 4, a reduction, a cell of 16 at 2 x 2, batch norm, ReLU, mean, linear. 599 of
scikit-learn's 1,797 digits (every third) are learnt from, 1,198 are held out: the accuracy on them after the last
epoch is the quality, in percent. SGD with Nesterov momentum .9, weight decay 5e-4, learning rate .1 by a cosine to 0,
EPOCHS epochs in batches of 60, one thread, float32. Networks share the initial weights of what they have in common
and the order of the images, so that cells differ by their edges alone; with several SEEDS, their mean.

What it is not: the accuracies of the benchmark on CIFAR-10. A sampler that is good on the one need not be good on the
other. Latencies and counts in the benchmarks that read this table are the oracle's for the real cells, at the
benchmark's own width on 32 x 32 images.

Networks are trained 64 at a time as one network of grouped convolutions; sums, normalisation and losses are kept apart.
"""

from __future__ import annotations

import itertools
import sys
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from oracle.families.nasbench201 import OPERATIONS, STRING, canonical

TABLE = Path(__file__).parent / "data" / "nb201_digits.npz"
EPOCHS = 4
_TOGETHER, _BATCH, _LR = 64, 60, 0.1
_STAGES = ((8, 4), (16, 2))  # channels, pixels a side
_EDGES = ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))  # target, source: in the order of the string


def distinct() -> list[tuple[int, ...]]:
    """The first cell, in the order of the space, of each function; as six positions in OPERATIONS."""
    found: dict[str, tuple[int, ...]] = {}
    for ops in itertools.product(range(len(OPERATIONS)), repeat=len(_EDGES)):
        found.setdefault(canonical(STRING.format(*(OPERATIONS[op] for op in ops))), ops)
    found.pop("")
    return list(found.values())


def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images (n, 1, 8, 8) and labels to learn from, and those held out."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images, labels = torch.from_numpy(bunch.images).float()[:, None], torch.from_numpy(bunch.target).long()
    learnt = torch.zeros(len(labels), dtype=torch.bool)
    learnt[::3] = True
    images = (images - images[learnt].mean()) / images[learnt].std()
    return images[learnt], labels[learnt], images[~learnt], labels[~learnt]


class Networks:
    """Some cells as one network: activations are (images, networks x channels, side, side)."""

    def __init__(self, cells: NDArray[np.int64], seed: int) -> None:
        self.cells, self.count = cells, len(cells)
        self.weights: dict[str, Tensor] = {}
        self.stats: dict[str, tuple[Tensor, Tensor]] = {}
        self.seed = seed
        self.training = True

    def forward(self, images: Tensor) -> Tensor:
        """(networks, images, 10) logits."""
        everyone = torch.arange(self.count)
        width = _STAGES[0][0]
        x = self._conv_bn("stem", images.expand(-1, self.count, -1, -1), everyone, 1, width, 3, stride=2)
        for stage, (channels, side) in enumerate(_STAGES):
            if channels != width:
                name = f"reduction {stage}"
                main = self._conv_bn(f"{name} a", F.relu(x), everyone, width, channels, 3, stride=2)
                main = self._conv_bn(f"{name} b", F.relu(main), everyone, channels, channels, 3)
                pooled = F.avg_pool2d(x, 2)
                x = main + self._conv(f"{name} c", pooled, everyone, width, channels, 1)
                width = channels
            x = self._cell(stage, x, channels, side)
        x = F.relu(self._norm("head", x, everyone, width)).mean((2, 3)).view(-1, self.count, width)
        weight = self._weight("fc", everyone, (10, width), width**-0.5)
        bias = self._weight("fc bias", everyone, (10,), 0.0)
        return torch.einsum("nkc,koc->kno", x, weight) + bias[:, None]

    def _cell(self, stage: int, x: Tensor, channels: int, side: int) -> Tensor:
        nodes: list[Tensor] = [x]
        for target in (1, 2, 3):
            total = torch.zeros_like(x)
            for edge, (to, source) in enumerate(_EDGES):
                if to == target:
                    total = self._edge(f"{stage} {edge}", total, nodes[source], self.cells[:, edge], channels, side)
            nodes.append(total)
        return nodes[-1]

    def _edge(
        self, name: str, total: Tensor, source: Tensor, ops: NDArray[np.int64], channels: int, side: int
    ) -> Tensor:
        shape = (-1, self.count, channels, side, side)
        for op in np.unique(ops[ops > 0]):
            rows = torch.from_numpy(np.flatnonzero(ops == op))
            everyone = len(rows) == self.count
            x = source if everyone else source.view(shape).index_select(1, rows).flatten(1, 2)
            if OPERATIONS[op] == "avg_pool_3x3":
                x = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
            elif OPERATIONS[op] != "skip_connect":
                x = self._conv_bn(f"{name} {op}", F.relu(x), rows, channels, channels, 1 if op == 2 else 3)
            if everyone:
                total = total.add_(x)
            else:
                total.view(shape).index_add_(1, rows, x.view(-1, len(rows), channels, side, side))
        return total

    def _conv(self, name: str, x: Tensor, rows: Tensor, w_in: int, w_out: int, kernel: int, stride: int = 1) -> Tensor:
        deviation = (2 / (w_out * kernel**2)) ** 0.5
        weight = self._weight(name, rows, (w_out, w_in, kernel, kernel), deviation)
        return F.conv2d(x, weight.flatten(0, 1), padding=kernel // 2, stride=stride, groups=len(rows))

    def _conv_bn(
        self, name: str, x: Tensor, rows: Tensor, w_in: int, w_out: int, kernel: int, stride: int = 1
    ) -> Tensor:
        return self._norm(name, self._conv(name, x, rows, w_in, w_out, kernel, stride), rows, w_out)

    def _norm(self, name: str, x: Tensor, rows: Tensor, channels: int) -> Tensor:
        scale = self._weight(f"{name} scale", rows, (channels,), 0.0, 1.0)
        shift = self._weight(f"{name} shift", rows, (channels,), 0.0)
        size = len(rows) * channels
        mean, variance = self.stats.setdefault(name, (torch.zeros(size), torch.ones(size)))
        return F.batch_norm(x, mean, variance, scale.flatten(), shift.flatten(), self.training)

    def _weight(self, name: str, rows: Tensor, shape: tuple[int, ...], deviation: float, start: float = 0.0) -> Tensor:
        """(rows, *shape) made on first use: the same for each network, whoever it is trained with."""
        if name not in self.weights:
            own = torch.Generator().manual_seed(self.seed * 100_003 + sum(map(ord, name)) * 31 + len(name))
            first = torch.randn(shape, generator=own) * deviation + start
            self.weights[name] = first.expand(len(rows), *shape).clone().requires_grad_()
        return self.weights[name]


def accuracies(cells: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """(n,) percent of the held-out images that get their label, after training."""
    learnt, labels, held_out, truth = digits()
    nets = Networks(cells, seed)
    nets.forward(learnt[:2])  # makes the weights
    for mean, variance in nets.stats.values():
        mean.zero_()
        variance.fill_(1.0)
    optimiser = torch.optim.SGD(nets.weights.values(), lr=_LR, momentum=0.9, nesterov=True, weight_decay=5e-4)
    steps = -(-len(labels) // _BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS * steps)
    order = torch.Generator().manual_seed(seed)
    for _ in range(EPOCHS):
        for rows in torch.split(torch.randperm(len(labels), generator=order), _BATCH):
            logits = nets.forward(learnt[rows])
            losses = F.cross_entropy(logits.flatten(0, 1), labels[rows].repeat(len(cells)), reduction="sum")
            optimiser.zero_grad()
            (losses / len(rows)).backward()
            optimiser.step()
            schedule.step()
    nets.training = False
    with torch.no_grad():
        right = sum(
            (nets.forward(images).argmax(2) == known).sum(1)
            for images, known in zip(torch.split(held_out, 200), torch.split(truth, 200), strict=True)
        )
    return (100.0 * right.double() / len(truth)).numpy()  # type: ignore[union-attr]


def make(seeds: str = "1") -> None:
    """Train them all, and write the table: cells (n, 6) as uint8, accuracy (n, seeds) in percent as float32.

    What is trained so far lies beside it in a file of its own, from which the next run goes on.
    """
    torch.set_num_threads(1)
    cells, unfinished = np.array(distinct(), dtype=np.int64), TABLE.with_suffix(".part.npy")
    done = np.load(unfinished) if unfinished.exists() else np.full((len(cells), int(seeds)), np.nan)
    began = time.perf_counter()
    while len(left := np.flatnonzero(np.isnan(done).any(axis=1))):
        rows = left[:_TOGETHER]
        done[rows] = np.stack([accuracies(cells[rows], seed) for seed in range(int(seeds))], axis=1)
        np.save(unfinished, done)
        print(
            f"{len(cells) - len(left) + len(rows):,} of {len(cells):,}, {time.perf_counter() - began:.0f} s", flush=True
        )
    np.savez_compressed(TABLE, cells=cells.astype(np.uint8), accuracy=done.astype(np.float32))
    unfinished.unlink()
    print(f"{done.mean(axis=1).max():.2f} % at best; {TABLE.stat().st_size:,} bytes")


if __name__ == "__main__":
    make(*sys.argv[1:])
