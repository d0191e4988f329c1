"""Networks as files: real modules with weights, exported and quantised, kept in a folder for the next time."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import nn

from oracle.build import build, initialise
from oracle.errors import OracleError
from oracle.families.fingerprint import fingerprint
from oracle.spec import NetSpec

_SEED = 0
_BOTH = 2  # images: a batch norm needs two where the image is one pixel
_CHATTY = ("torch.onnx", "nncf", "onnxscript", "root")


@dataclass(frozen=True, slots=True)
class Models:
    """A folder of exported networks; files say network, batch size and engine, and are what a device needs."""

    folder: Path

    @classmethod
    @contextmanager
    def of(cls, folder: str | Path | None) -> Iterator[Models]:
        """Those in a folder, which is made; in one that is gone afterwards if None.

        Raises:
            OracleError: there can be no such folder.
        """
        if folder is None:
            with TemporaryDirectory() as temporary:
                yield cls(Path(temporary))
            return
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OracleError(f"models={str(folder)!r}: expected a folder: {error.strerror or error}") from None
        yield cls(Path(folder))

    def made(self, net: NetSpec, batch_size: int, suffix: str, make: Callable[[Path], None]) -> Path:
        """The file of a network with a suffix; whole or not at all, with whatever else is made beside it.

        Args:
            net, batch_size: what is in it.
            suffix: such as `int8.onnx`.
            make: writes it, and perhaps others beside it, at a path in a folder of its own.
        """
        mark = "".join(f"{word:016x}" for word in fingerprint(net))[:12]
        name = "".join(letter if letter.isalnum() or letter in "-._" else "_" for letter in net.name or "network")
        path = self.folder / f"{name}-{mark}-b{batch_size}.{suffix}"
        if not path.exists():
            with TemporaryDirectory(dir=self.folder, prefix=".") as part:
                own = Path(part) / path.name
                make(own)
                for file in sorted(Path(part).iterdir(), key=lambda file: file == own):  # it says that all are there
                    file.replace(self.folder / file.name)
        return path


def module_of(net: NetSpec) -> Any:
    """The network with weights, in inference mode: drawn at random, with activations as large as a trained one's.

    One pass in training mode sets the running statistics of batch norms to those of its images. With those of a fresh
    module activations vanish in deep networks, a quantiser finds nothing to scale, and denormal numbers cost time.
    """
    module: Any = initialise(build(net), "cpu", seed=_SEED)
    norms = [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]  # noqa: SLF001
    if norms:
        for norm in norms:
            norm.momentum = None  # a running average of all there was, which is this one pass
        with torch.random.fork_rng(devices=()), torch.no_grad():
            torch.manual_seed(_SEED)
            module.train()(images_of(net, _BOTH))
    return module.eval()


def images_of(net: NetSpec, batch_size: int, seed: int = _SEED) -> torch.Tensor:
    """Normal noise (batch_size, *net.input_shape), the same for every engine."""
    return torch.randn((batch_size, *net.input_shape), generator=torch.Generator().manual_seed(seed))


@contextmanager
def quietly() -> Iterator[None]:
    """Keep the warnings and messages of exporters to themselves; their errors are raised all the same."""
    loggers = [logging.getLogger(name) for name in _CHATTY]
    before = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere, warnings.catch_warnings(), ExitStack() as muted:
            warnings.simplefilter("ignore")
            for number, redirect in ((1, redirect_stdout), (2, redirect_stderr)):
                muted.enter_context(_muted(number, nowhere.fileno()))
                muted.enter_context(redirect(nowhere))
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


@contextmanager
def _muted(number: int, nowhere: int) -> Iterator[None]:
    """Send a file descriptor elsewhere for a while: compilers of models write to it past Python's streams."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    kept = os.dup(number)
    try:
        os.dup2(nowhere, number)
        yield
    finally:
        os.dup2(kept, number)
        os.close(kept)
