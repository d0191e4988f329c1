"""Zero-cost proxies: what a network's initial weights tell about it, after one batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from oracle.errors import ConfigError, OracleError
from oracle.spec import NetSpec
from search.objectives.call import imported

if TYPE_CHECKING:
    from search.objectives import Builder, Quality
    from search.space import Space

__all__ = ["PROXIES", "grad_norm", "naswot", "quality", "synflow"]


def synflow(module: nn.Module, images: Tensor, labels: Tensor) -> float:  # noqa: ARG001 - as every proxy
    """log10(1 + sum of |w * dR/dw|), R being the sum of the outputs for an input of ones under weights |w|.

    Tanaka et al., Pruning neural networks without any data by iteratively conserving synaptic flow, arXiv
    2006.05467, equation 2; summed over all parameters of a network as a proxy by Abdelfattah et al., arXiv
    2101.08134. Batch normalisations run on their (initial) running statistics. In double precision, and
    the logarithm because the products of deep networks leave every scale; it keeps the order.
    """
    module = module.double().eval()
    with torch.no_grad():
        for weight in module.parameters():
            weight.abs_()
    module(torch.ones_like(images[:1], dtype=torch.float64)).sum().backward()
    flow = sum(
        float((weight.detach() * weight.grad).abs().sum()) for weight in module.parameters() if weight.grad is not None
    )
    return float(torch.log10(1 + torch.tensor(flow, dtype=torch.float64)))


def naswot(module: nn.Module, images: Tensor, labels: Tensor) -> float:  # noqa: ARG001 - as every proxy
    """log |det K|, K[i, j] being how many rectifiers treat images i and j alike.

    Mellor et al., Neural architecture search without training, arXiv 2006.04647, equation 2. A unit is on where
    its output is above 0, for ReLU and for its smooth relatives SiLU and GELU; -inf where two images cannot be
    told apart is reported as the failure that it is.

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
    """The Euclidean norm of the gradient of the cross-entropy, over all parameters together.

    Abdelfattah et al., Zero-cost proxies for lightweight NAS, arXiv 2101.08134, section 3.1; the authors add up
    norms layer by layer, we take that of the whole gradient.
    """
    F.cross_entropy(module.train()(images), labels).backward()
    squares = [weight.grad.double().pow(2).sum() for weight in module.parameters() if weight.grad is not None]
    return float(torch.stack(squares).sum().sqrt())


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
