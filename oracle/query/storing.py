"""What a module's own parameters say of the workload that it runs under."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oracle.errors import WorkloadError
from oracle.spec import HALVES, MXFP4, QUANTISED_WEIGHTS
from oracle.trace.storing import stored_dtype, stored_dtypes

if TYPE_CHECKING:
    from torch import nn


def stored_words(
    module: nn.Module, inputs: Any, dtype: str | None = None, weights: str | None = None, *, converts: bool = False
) -> dict[str, str | None]:
    """Dtype and weights of the workload of a module: the requested ones, or else those of its parameters.

    A module whose parameters are all in half precision computes in it, and is not autocast. Where they are of several
    types, that of most elements counts, unless a dtype is requested: then it is autocast as before.

    Args:
        module: on any device.
        inputs: nested tensors, by whose type a module without parameters computes.
        dtype, weights: as requested; None or "" for nothing.
        converts: whether parameters will be converted to the requested weights, where these are in half precision.

    Returns:
        Fields of `Workload`; None for the usual ones.

    Raises:
        WorkloadError: the parameters are of another type than requested.
    """
    requested = {"dtype": dtype, "weights": weights or None}
    if converts and weights in HALVES:
        return requested
    known, owners = stored_dtypes(module), "parameters"
    main = stored_dtype(module)
    if not known and dtype is None:
        main, owners = stored_dtype(inputs), "inputs"
    if dtype in ("int8", "float8"):  # by an engine, whatever they were
        return requested
    if weights == MXFP4:
        raise WorkloadError("weights='float4': only experts of a decoder's config are stored so; expected int4, say")
    if weights in QUANTISED_WEIGHTS:
        return {"dtype": main if dtype is None and main in HALVES else dtype, "weights": weights}
    if main in HALVES and (dtype is None or weights == main or len(known) == 1):
        for name, value in requested.items():
            if value not in (None, main):
                raise WorkloadError(f"{name}={value!r}: the module's {owners} are {main}; expected {main!r} or none")
        return {"dtype": main, "weights": main}
    if weights in HALVES:
        raise WorkloadError(
            f"weights={weights!r}: the module's {owners} are {main}; expected none, or a module in {weights}"
        )
    return requested
