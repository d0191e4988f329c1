"""Quality by a short, real training."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from oracle.errors import ConfigError, MissingDependencyError
from oracle.spec import NetSpec

from .call import imported

if TYPE_CHECKING:
    from ..space import Space
    from . import Builder, Quality

_HELD_OUT = 0.25


class Data(NamedTuple):
    """Images (N, channels, height, width) as float32 and labels (N,) as int64, to learn from and to be judged by."""

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor


def quality(section: Mapping[str, Any], space: Space) -> Quality:  # noqa: ARG001 - every type is made alike
    """A function that trains with SGD, momentum and a cosine schedule, and returns the accuracy on held-out images.

    DATA is `digits`, or names a function without arguments that returns the four tensors of `Data`. Images are
    stretched to the network's input, grey ones repeated over its channels. Accuracy is reported after every
    epoch, with the number of epochs trained, from 1; a training that has come to its last epoch is not stopped.

    Raises:
        ConfigError: DATA cannot be imported.
        MissingDependencyError: digits needs scikit-learn, the extra `train`.
    """
    data = digits() if section["DATA"] == "digits" else Data(*imported(section["DATA"], "QUALITY.DATA")())

    def evaluate(spec: NetSpec, builder: Builder, evaluation: Any) -> float:
        fitted = _fitted(data, spec.input_shape)
        module = builder()
        accuracy = 0.0
        with _threads(section["THREADS"]):
            for epoch in _epochs(module, fitted, section, evaluation.seed):
                accuracy = _accuracy(module, fitted)
                (evaluation.check if epoch < section["EPOCHS"] else evaluation.report)(accuracy, epoch)
        return accuracy

    return evaluate


@lru_cache(maxsize=1)
def digits() -> Data:
    """scikit-learn's 1,797 handwritten digits of 8 x 8 pixels, every fourth held out.

    Raises:
        MissingDependencyError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise MissingDependencyError(
            "QUALITY.DATA: digits needs scikit-learn; pip install 'nas-cost-oracle[train]'"
        ) from None
    bunch = load_digits()
    images = torch.from_numpy(bunch.images).float()[:, None] / 16
    labels = torch.from_numpy(bunch.target).long()
    held_out = torch.zeros(len(labels), dtype=torch.bool)
    held_out[:: round(1 / _HELD_OUT)] = True
    return Data(images[~held_out], labels[~held_out], images[held_out], labels[held_out])


def _fitted(data: Data, shape: tuple[int, ...]) -> Data:
    """Images in a network's shape, with zero mean and unit variance over those to learn from."""
    channels, *size = shape
    given = data.train_images.shape[1]
    if given not in (1, channels):
        raise ConfigError(f"images with {given} channels: expected 1 or {channels}", key="QUALITY.DATA")
    mean, deviation = data.train_images.mean(), data.train_images.std()

    def fit(images: Tensor) -> Tensor:
        images = (images.float() - mean) / deviation
        if list(images.shape[2:]) != size:
            images = F.interpolate(images, size=size, mode="bilinear")
        return images.expand(-1, channels, -1, -1)

    return Data(fit(data.train_images), data.train_labels, fit(data.test_images), data.test_labels)


def _epochs(module: nn.Module, data: Data, section: Mapping[str, Any], seed: int) -> Iterator[int]:
    """Train; yields how many epochs are done, after each."""
    batch, epochs = section["BATCH_SIZE"], section["EPOCHS"]
    optimiser = torch.optim.SGD(
        module.parameters(),
        lr=section["LR"],
        momentum=section["MOMENTUM"],
        weight_decay=section["WEIGHT_DECAY"],
        nesterov=section["MOMENTUM"] > 0,
    )
    count = len(data.train_labels)
    steps = max(1, count // batch)  # a last part of a batch is left out: batch norm needs more than a few images
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * steps)
    order = torch.Generator().manual_seed(seed)
    for epoch in range(1, epochs + 1):
        module.train()
        for rows in torch.split(torch.randperm(count, generator=order)[: steps * batch], batch):
            loss = F.cross_entropy(module(data.train_images[rows]), data.train_labels[rows])
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()
        yield epoch


@contextmanager
def _threads(count: int) -> Generator[None, None, None]:
    """With so many threads of torch, 0 for as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _accuracy(module: nn.Module, data: Data) -> float:
    """The share of held-out images that get their label."""
    module.eval()
    with torch.no_grad():
        found = torch.cat([module(images).argmax(1) for images in torch.split(data.test_images, 256)])
    return float((found == data.test_labels).double().mean())
