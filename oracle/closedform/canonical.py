"""Keys whose templates differ in the names of types only, and the one that stands for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from oracle.closedform.template import Format, Template, TemplateKey
from oracle.counting.fusion.engines import canonical_engine
from oracle.optable import MATRIX_CLASSES
from oracle.spec import GENERIC

_DECODER = "decoder_"
_SAME_BUT_FOR_NAMES = {"bfloat16": "float16", "float8": "int8", "tf32": "float32"}


class Renaming(NamedTuple):
    """What types are called in a workload whose templates are those of another one.

    Attributes:
        everywhere: type in the stored template -> type in the one requested.
        on_matrix_units: likewise, of what matrix units compute in only.
    """

    everywhere: tuple[str, str] | None = None
    on_matrix_units: tuple[str, str] | None = None

    def of(self, key: TemplateKey, template: Template) -> Template:
        """The template under its own key, with its own names of types."""
        if self == (None, None):
            return replace(template, key=key)

        def renamed(dtype: str, matrix: bool = False) -> str:
            pairs = (self.everywhere, self.on_matrix_units if matrix else None)
            return next((pair[1] for pair in pairs if pair and pair[0] == dtype), dtype)

        def form(old: Format | None) -> Any:
            return None if old is None else old._replace(dtype=renamed(old.dtype))

        kernels = tuple(
            kernel._replace(
                matrix_dtype=renamed(kernel.matrix_dtype, matrix=kernel.op_class in MATRIX_CLASSES),
                vector_dtype=renamed(kernel.vector_dtype),
            )
            for kernel in template.kernels
        )
        return replace(
            template,
            key=key,
            kernels=kernels,
            output_format=form(template.output_format),
            input_gradient=form(template.input_gradient),
        )


def canonical_key(key: TemplateKey) -> tuple[TemplateKey, Renaming]:
    """The key that stands for all whose templates differ in names of types only, and what to rename."""
    workload = dict(key.workload)
    if key.kind.startswith(_DECODER):
        workload["layout"] = "nchw"  # of images, which no decoder has
    if not key.kind.startswith(_DECODER) or workload.get("causal") != "half":
        workload.pop("causal", None)
    if canonical_engine(workload.get("engine", GENERIC)) == GENERIC:
        workload.pop("engine", None)
    requested = workload["dtype"]
    stored = workload["dtype"] = _SAME_BUT_FOR_NAMES.get(requested, requested)
    if "weights" in workload:
        workload["weights"] = stored
    renaming = Renaming()
    if stored != requested:
        renaming = Renaming(None, (stored, requested)) if requested == "tf32" else Renaming((stored, requested), None)

    def form(old: Format | None) -> Any:
        return old._replace(dtype=stored) if old is not None and old.dtype == requested else old

    words = dict(key.static)
    if workload["mode"] == "inference":  # nothing is dropped
        words = {name: 0.0 if isinstance(value, float) else value for name, value in words.items()}
    if words.get("activation") == "gelu" and "inplace" in words:  # torch has none in place
        words["inplace"] = False
    found = key._replace(
        workload=tuple(sorted(workload.items())),
        static=tuple(words.items()),
        input=form(key.input),
        gradient=form(key.gradient),
        pinned=tuple(sorted(key.pinned)),
    )
    return found, renaming
