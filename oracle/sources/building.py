"""Build a module on meta, whatever its constructor does with numbers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from oracle.errors import OracleError
from oracle.trace import isolated


class _ParametersOnMeta(TorchFunctionMode):
    """Memory that nobody has written is on meta, which is what layers make their parameters of; numbers are real."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in (torch.empty, torch.empty_strided):
            kwargs = {**kwargs, "device": "meta"}
        return func(*args, **kwargs)


def built(make: Callable[[], Any], what: str) -> tuple[nn.Module, str]:
    """What a constructor makes, and where it made it: `meta` or `cpu`.

    Some constructors look at numbers (`torch.linspace(...).tolist()`), which meta has none of. They get a second
    chance with parameters alone on meta, and a third on the CPU, where they make their weights; who asks is told.

    Args:
        make: called up to three times.
        what: the network, for errors.

    Raises:
        OracleError: it fails on the CPU, too, or makes no module.
    """
    places: tuple[tuple[str, Callable[[], Any]], ...] = (
        ("meta", lambda: torch.device("meta")),
        ("meta", _ParametersOnMeta),
        ("cpu", nullcontext),
    )
    failure: Exception | None = None
    for place, context in places:
        with guest(), isolated():
            try:
                with context():
                    made = make()
            except OracleError:
                raise
            except Exception as error:  # noqa: BLE001 - a user's constructor may raise anything
                failure = error
                continue
        if not isinstance(made, nn.Module):
            raise OracleError(f"network={what!r}: expected an nn.Module, got {type(made).__name__}")
        return made, place
    raise OracleError(f"network={what!r} cannot be built: {reason(failure)}") from failure


@contextmanager
def guest() -> Iterator[None]:
    """Other people's code runs: what it prints is no result, its random draws are undone, its `exit` ends nothing."""
    try:
        with redirect_stdout(sys.stderr), torch.random.fork_rng(devices=()):
            yield
    except SystemExit as error:
        raise OracleError(f"the network's code called exit({error.code!r})") from None


def reason(error: BaseException | None) -> str:
    """An error of somebody else in one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
