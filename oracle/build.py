"""NetSpec -> nn.Module on the meta device: no memory, no initialisation; `initialise` makes it real."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn

from oracle.cells import cell_role, make_cell
from oracle.cells.decoder import DecoderEmbedding, DecoderHead
from oracle.errors import ConfigError, OracleError
from oracle.naming import cell_names
from oracle.spec import NetSpec

if TYPE_CHECKING:
    from oracle.config import CfgNode

_Module = TypeVar("_Module", bound=nn.Module)

_RNG_LOCK = Lock()  # torch's default generator is one per process: two seeded initialisations must not mix


class Network(nn.Module):
    """The cells of a NetSpec in a row: its children, in order, named by `oracle.naming.cell_names`.

    Attributes:
        spec: what the network was built from.
    """

    def __init__(self, spec: NetSpec) -> None:
        super().__init__()
        self.spec = spec
        for name, cell in zip(cell_names(spec, cell_role), spec.cells, strict=True):
            self.add_module(name, make_cell(cell))
        first, last = (list(self.children())[at] for at in (0, -1))
        if isinstance(first, DecoderEmbedding) and isinstance(last, DecoderHead) and first.tied:
            first.tie(last)

    def forward(self, x: Tensor) -> Tensor:
        """Images, or token numbers, (N, *spec.input_shape) -> scores (N, classes)."""
        for cell in self.children():
            x = cell(x)
        return x


def build(net: NetSpec | CfgNode | str | Path) -> Network:
    """Build a network as a real module on the meta device: no memory, no initialisation, in training mode.

    `build(net).to_empty(device="cpu")` gives it storage, `oracle.initialise(build(net))` values as well.

    Args:
        net: a spec, a config, the name of a shipped network, or the path of a YAML file.

    Returns:
        A module that takes images of shape (N, C, H, W) and returns scores of shape (N, classes).

    Raises:
        ConfigError: as `oracle.load_cfg` and `oracle.to_spec`; also no cells, or a cell that cannot be made.

    Examples:
        >>> import oracle, torch
        >>> net = oracle.build("R-56")
        >>> net(torch.empty(2, 3, 32, 32, device="meta")).shape
        torch.Size([2, 10])
    """
    if not isinstance(net, NetSpec):
        from oracle.config import load_cfg
        from oracle.families import to_spec

        net = to_spec(load_cfg(net) if isinstance(net, (str, Path)) else net)
    if not net.cells:
        raise ConfigError(f"network {net.name!r}: expected at least one cell")
    return Network(net)


def initialise(module: _Module, device: str | torch.device = "cpu", seed: int | None = None) -> _Module:
    """Give a module storage and fresh values, by the `reset_parameters` of every submodule.

    All parameters and buffers are replaced. Values are drawn on the CPU and then moved, so that a seed means the same
    weights on every device.

    Args:
        module: as `oracle.build` returns it, or any other.
        device: where the module ends up.
        seed: draws the same values every time, and leaves torch's global random state as it was. Default: draws from
            that state, as torch's own constructors do.

    Returns:
        The same module.

    Raises:
        OracleError: a submodule that holds tensors and has no `reset_parameters`.

    Examples:
        >>> import oracle, torch
        >>> net = oracle.initialise(oracle.build("R-56"), seed=0).eval()
        >>> net(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 10])
    """
    lost = [name or type(part).__name__ for name, part in module.named_modules() if _is_stuck(part)]
    if lost:
        raise OracleError(f"cannot initialise {', '.join(lost)}: expected a method reset_parameters")
    module.to_empty(device="cpu")
    if seed is None:
        _reset(module)
    else:
        with _RNG_LOCK, torch.random.fork_rng(devices=()):
            torch.default_generator.manual_seed(seed)
            _reset(module)
    return module.to(device)


def _is_stuck(part: nn.Module) -> bool:
    own = chain(part.parameters(recurse=False), part.buffers(recurse=False))
    return any(True for _ in own) and not hasattr(part, "reset_parameters")


@torch.no_grad()
def _reset(module: nn.Module) -> None:
    for part in module.modules():
        reset: Callable[[], None] | None = getattr(part, "reset_parameters", None)
        if reset is not None:
            reset()
