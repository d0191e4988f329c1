"""Zero-cost proxies: what a network's initial weights show after one batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from oracle.errors import ConfigError, OracleError
from oracle.spec import NetSpec

from .call import imported

if TYPE_CHECKING:
    from ..space import Space
    from . import Builder, Quality


def synflow(module: nn.Module, images: Tensor, labels: Tensor) -> float:  # noqa: ARG001 - as every proxy
    """Log10(1 + sum of |w * dR/dw|), R being the sum of the outputs for an input of ones under weights |w|.

    Tanaka et al., Pruning neural networks without any data by iteratively conserving synaptic flow, arXiv
    2006.05467; summed over a network as a proxy by Abdelfattah et al., arXiv 2101.08134. Over all parameters, batch
    normalisations running on their initial statistics, which leave values as they are. In double precision, and
    the logarithm because the products of deep networks leave every scale; it keeps the order.
    """
    module = module.double().eval()
    with torch.no_grad():
        for weight in module.parameters():
            weight.abs_()
    torch.autograd.backward(module(torch.ones_like(images[:1], dtype=torch.float64)).sum())
    flow = sum(
        float((weight.detach() * weight.grad).abs().sum()) for weight in module.parameters() if weight.grad is not None
    )
    return float(torch.log10(1 + torch.tensor(flow, dtype=torch.float64)))


def naswot(module: nn.Module, images: Tensor, labels: Tensor) -> float:  # noqa: ARG001 - as every proxy
    """Log |det K|, K[i, j] being how many rectifiers treat images i and j alike.

    Mellor et al., Neural architecture search without training, arXiv 2006.04647. A unit is on where its output is
    above 0, for ReLU and for its smooth relatives SiLU and GELU. Images that no unit distinguishes make it -inf,
    which no study takes for a quality.

    Raises:
        OracleError: a network without such units.
    """
    kernel = torch.zeros(len(images), len(images), dtype=torch.float64)
    units = 0

    def count(_: nn.Module, __: Any, output: Tensor) -> None:
        nonlocal units
        units += 1
        on = (output.detach().reshape(len(images), -1) > 0).double()
        kernel.add_(on @ on.T + (1 - on) @ (1 - on).T)

    rectifiers = [part for part in module.modules() if isinstance(part, (nn.ReLU, nn.SiLU, nn.GELU))]
    handles = [part.register_forward_hook(count) for part in rectifiers]
    try:
        with torch.no_grad():
            module.train()(images)
    finally:
        for handle in handles:
            handle.remove()
    if not units:
        raise OracleError("naswot: the network has no rectifier (ReLU, SiLU, GELU)")
    return float(torch.linalg.slogdet(kernel).logabsdet)


def grad_norm(module: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The sum, over convolution and linear layers, of the norm of the gradient of the cross-entropy by their weights.

    Abdelfattah et al., Zero-cost proxies for lightweight NAS, arXiv 2101.08134.
    """
    torch.autograd.backward(F.cross_entropy(module.train()(images), labels))
    layers = [part for part in module.modules() if isinstance(part, (nn.Conv2d, nn.Linear))]
    return sum(float(part.weight.grad.double().norm()) for part in layers if part.weight.grad is not None)


PROXIES: dict[str, Callable[[nn.Module, Tensor, Tensor], float]] = {
    "synflow": synflow,
    "naswot": naswot,
    "grad_norm": grad_norm,
}


def quality(section: Mapping[str, Any], space: Space) -> Quality:
    """A function that computes PROXY on fresh weights, for random images or for those that DATA gives.

    DATA names a function of (batch size, input shape) that returns images (N, *shape) and labels (N,).

    Raises:
        ConfigError: DATA cannot be imported.
    """
    proxy, size = PROXIES[section["PROXY"]], section["BATCH_SIZE"]
    given = imported(section["DATA"], "QUALITY.DATA") if section["DATA"] else None
    classes = int(space.base.MODEL.NUM_CLASSES)

    def evaluate(spec: NetSpec, builder: Builder, evaluation: Any) -> float:
        if given is None:
            images, labels = _random(size, spec.input_shape, classes, evaluation.seed)
        else:
            images, labels = given(size, spec.input_shape)
        if tuple(images.shape[1:]) != spec.input_shape or len(images) != len(labels):
            raise ConfigError(
                f"images of shape {tuple(images.shape)} and {len(labels)} labels: expected (N, "
                f"{', '.join(map(str, spec.input_shape))}) and N",
                key="QUALITY.DATA",
            )
        return proxy(builder(), images, labels)

    return evaluate


def _random(size: int, shape: tuple[int, ...], classes: int, seed: int) -> tuple[Tensor, Tensor]:
    """Standard normal images and uniform labels, the same for every candidate."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(size, *shape, generator=generator)
    return images, torch.randint(classes, (size,), generator=generator)
