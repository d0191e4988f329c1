"""Make the templates that ship; `tests/benchmarks/make_templates.py` runs it.

Small networks of every family, chosen so that every structure of every cell occurs, are costed under every workload
whose templates are stored (see `oracle.closedform.library`); the templates that this takes are written, one file per
kind of cell. Each is checked on the way against a trace of the cell with plain integers and a batch of 1.

Weights in half precision are asked for nowhere: their templates come from the symbolic traces in float32, given the
types that a trace in half precision has with plain integers, against which they are checked likewise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from math import gcd
from pathlib import Path
from typing import Any, NamedTuple

import torch

from oracle.cells import cell_role
from oracle.cells.registry import own_arguments
from oracle.closedform.answers import answer, values_of
from oracle.closedform.halving import half_key
from oracle.closedform.inputs import Visit
from oracle.closedform.library import BATCH_OF_ONE, canonical_key, write_file
from oracle.closedform.network import network_form
from oracle.closedform.store import TemplateStore, fingerprint, torch_version
from oracle.closedform.symbolic import Recording, concrete_template, counted_template, record, traced_cell
from oracle.closedform.template import Template, TemplateKey
from oracle.config import cfg_from_dict
from oracle.counting.fusion.engines import RULES
from oracle.errors import OracleError
from oracle.families import to_spec
from oracle.optable import Use
from oracle.spec import GENERIC, LOSS, CellSpec, NetSpec, Workload

__all__ = ["made", "made_of", "networks", "workloads", "write"]

_BATCH = 2  # the smallest that is no constant to torch
_ACTIVATIONS = (("relu", True), ("relu", False), ("silu", True), ("silu", False), ("gelu", False))
_BLOCKS = ("vanilla_block", "res_basic_block", "res_bottleneck_block", "res_bottleneck_linear_block")
_PATCHES = (2, 4, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 56, 64)
_ONE_GROUP = -1
_DECODER = "decoder"
_BLOCK = 16
_STEMS = ("simple_stem_in", "res_stem_in", "res_stem_cifar")
_Sections = dict[str, dict[str, Any]]


# -- what is asked ------------------------------------------------------------------------------------------------


def workloads() -> Iterator[Workload]:
    """Every workload whose templates are stored; those that share traces one after the other."""
    for layout, mode, dtype in product(("nchw", "nhwc"), ("inference", "training"), ("float32", "float16")):
        for optimizer in ("sgd", "adamw") if mode == "training" else ("sgd",):
            for runtime in Workload(mode=mode).runtimes:
                words: dict[str, Any] = {"batch_size": _BATCH, "layout": layout, "mode": mode, "optimizer": optimizer}
                named = (layout, mode, runtime) == ("nchw", "inference", "engine")  # of other layouts on demand
                engines = (GENERIC, *RULES) if named else (GENERIC,)
                for engine in dict.fromkeys(engines):
                    yield Workload(**words, dtype=dtype, runtime=runtime, engine=engine)
                    if (mode, dtype, runtime) == ("inference", "float32", "engine"):
                        yield Workload(**words, dtype="int8", runtime=runtime, engine=engine)


def networks() -> dict[str, list[NetSpec]]:
    """Networks by family and activation; together they have every structure of every cell."""
    blocks = [net for block in _BLOCKS for net in _blocks(block)]
    found: dict[str, list[NetSpec]] = dict(_decoders())
    for sections in _ends() + blocks + _resnets() + _effnets() + _vits() + _fbnets() + _ofas() + _nasbench201s():
        model = sections["MODEL"]
        kind = sections.get("ANYNET", sections.get("RESNET", {})).get("BLOCK_TYPE", "")
        name = " ".join(
            (model["TYPE"], kind, str(model.get("ACTIVATION_FUN", "")), str(model.get("ACTIVATION_INPLACE", "")))
        )
        found.setdefault(name, []).append(to_spec(cfg_from_dict(sections)))
    return found


def _model(family: str, activation: str = "relu", inplace: bool = True, **more: Any) -> dict[str, Any]:
    return {"TYPE": family, "ACTIVATION_FUN": activation, "ACTIVATION_INPLACE": inplace, **more}


def _anynet(model: Mapping[str, Any], image: int, **section: Any) -> _Sections:
    return {"MODEL": dict(model), "ANYNET": section, "TRAIN": {"IM_SIZE": image}}


def _ends() -> list[_Sections]:
    """Stems and heads, of large images and of such as leave a pixel."""
    plain = {"BLOCK_TYPE": "vanilla_block", "STEM_W": 8, "DEPTHS": [1], "STRIDES": [2], "WIDTHS": [16]}
    return [
        _anynet(_model("anynet", *act, NUM_CLASSES=classes), image, STEM_TYPE=stem, HEAD_W=head_w, **plain)
        for act in _ACTIVATIONS
        for stem, image, (head_w, classes) in product(_STEMS, (64, 8), ((0, 10), (24, 10), (0, 1), (24, 1)))
        if image == 64 or act[1]
    ]


def _blocks(block: str) -> list[_Sections]:
    """Strided or not, between equal and other widths, with all kinds of groups; the last one repeated, or not."""
    inner = "bottleneck" in block
    shapes: tuple[dict[str, Any], ...] = (
        {"DEPTHS": [2, 2, 1, 1], "STRIDES": [2, 1, 2, 1], "WIDTHS": [32, 48, 48, 96], "STEM_W": 24},
        {"DEPTHS": [2, 2], "STRIDES": [2, 2], "WIDTHS": [32, 96], "STEM_W": 24},
    )
    groups = (8, 16, 1, _ONE_GROUP) if inner else (0,)  # of 8 and of 16: engines lay out whole blocks otherwise
    found = []
    for act, image, shape in product(_ACTIVATIONS, (64, 8), shapes):
        if image == 8 and not act[1]:
            continue  # a pixel, of networks that are in use
        for se_on, group_w in product((False, True) if inner else (False,), groups):
            if group_w == _BLOCK and image < 64:
                continue
            section: dict[str, Any] = {"BLOCK_TYPE": block, **shape}
            if inner:
                section |= {"SE_ON": se_on, "BOT_MULS": [1.0, 0.5, 1.0, 1.0][: len(shape["DEPTHS"])]}
                widths = [int(w * b) for w, b in zip(shape["WIDTHS"], section["BOT_MULS"], strict=True)]
                section["GROUP_WS"] = widths if group_w == _ONE_GROUP else [gcd(group_w, w) for w in widths]
            found.append(_anynet(_model("anynet", *act), image, **section))
    return found


def _resnets() -> list[_Sections]:
    """Blocks whose first 1 x 1 convolution carries the stride."""
    return [
        {
            "MODEL": _model("resnet", *act, DEPTH=50),
            "RESNET": {
                "TRANS_FUN": "bottleneck_transform",
                "NUM_GROUPS": groups,
                "WIDTH_PER_GROUP": width,
                "STRIDE_1X1": True,
            },
            "TRAIN": {"IM_SIZE": image},
        }
        for act in _ACTIVATIONS
        for image, (groups, width) in product((64, 32), ((1, 64), (32, 4)))
        if image == 64 or act == ("relu", True)
    ]


def _effnets() -> list[_Sections]:
    shapes: tuple[dict[str, Any], ...] = (
        {
            "DEPTHS": [2, 2, 1, 1, 1, 1],
            "WIDTHS": [24, 32, 32, 48, 48, 96],
            "EXP_RATIOS": [1, 4, 1, 4, 4, 4],
            "STRIDES": [1, 2, 2, 1, 2, 1],
        },
        {"DEPTHS": [2, 2], "WIDTHS": [24, 48], "EXP_RATIOS": [4, 4], "STRIDES": [2, 2]},
        {"DEPTHS": [2, 2], "WIDTHS": [24, 48], "EXP_RATIOS": [1, 1], "STRIDES": [2, 2]},
    )
    found = []
    for act, kernel, se_ratio, drop, (image, shape) in product(
        _ACTIVATIONS, (1, 3, 5, 7), (0.25, 0.0), (0.0, 0.2), ((64, 0), (16, 0), (8, 1), (8, 2))
    ):
        if (drop or image < 64 or kernel == 1) and not act[1]:
            continue
        section = shapes[shape] | {
            "STEM_W": 16,
            "KERNELS": [kernel] * len(shapes[shape]["DEPTHS"]),
            "SE_R": se_ratio,
            "HEAD_W": 40,
            "DC_RATIO": drop,
            "DROPOUT_RATIO": drop,
        }
        found.append({"MODEL": _model("effnet", *act), "EN": section, "TRAIN": {"IM_SIZE": image}})
    return found


def _vits() -> list[_Sections]:
    conv = {"STEM_TYPE": "conv", "C_STEM_STRIDES": [2, 1, 2, 1], "C_STEM_DIMS": [12, 24, 24, 64]}
    asked: list[tuple[int, bool, dict[str, Any]]] = [
        *((3 * patch, True, {"PATCH_SIZE": patch, "NUM_HEADS": heads}) for patch, heads in product(_PATCHES, (4, 1))),
        (16, True, {"PATCH_SIZE": 16, "NUM_HEADS": 4}),  # one patch
        *(
            (32, inplace, {"PATCH_SIZE": 4, "NUM_HEADS": 4, "C_STEM_KERNELS": [3, 3, 3, kernel], **conv})
            for kernel, inplace in product((1, 3), (True, False))
        ),
    ]
    sizes = {"NUM_LAYERS": 2, "HIDDEN_DIM": 64, "MLP_DIM": 96}
    return [
        {
            "MODEL": _model("vit", "relu", inplace),
            "VIT": {**sizes, "CLASSIFIER_TYPE": classifier, **section},
            "TRAIN": {"IM_SIZE": image},
        }
        for image, inplace, section in asked
        for classifier in ("token", "pooled")
    ]


def _fbnets() -> list[_Sections]:
    """Every operation at every layer, of images and of CIFAR's."""
    return [
        {
            "MODEL": {"TYPE": "fbnet", "ACTIVATION_INPLACE": inplace},
            "FBNET": {"OPS": [operation] * 22},
            "TRAIN": {"IM_SIZE": image, "DATASET": dataset},
        }
        for operation, inplace, (image, dataset) in product(
            range(9), (True, False), ((96, "imagenet"), (32, "cifar10"), (32, "imagenet"))
        )
        if inplace or image == 96
    ]


def _ofas() -> list[_Sections]:
    return [
        {
            "MODEL": {"TYPE": "ofa_mobilenetv3", "ACTIVATION_INPLACE": inplace},
            "OFA": {"KERNELS": [kernel], "EXPANSIONS": [4], "DEPTHS": [3], "RESOLUTION": 128},
        }
        for kernel, inplace in product((3, 5, 7), (True, False))
    ]


_LAYER_NORMED: dict[str, Any] = {"NORM": "layer", "GATED": False, "HEAD_BIAS": False, "ROTARY": 0.0}
_BIASED: dict[str, Any] = {"QKV_BIAS": True, "OUT_BIAS": True, "MLP_BIAS": True}
_GEMMA: dict[str, Any] = {"ACTIVATION": "gelu_tanh", "SCALED": True, "TIED": True, "POST_NORM": True}
_DECODERS: dict[str, dict[str, Any]] = {
    "llama": {},
    "tied": {"TIED": True},
    "qwen2": {"QKV_BIAS": True},
    "qwen3": {"QK_NORM": True},
    "biased": dict(_BIASED),
    "gemma2": {**_GEMMA, "SOFTCAP": True},
    "gemma3": {**_GEMMA, "QK_NORM": True},
    "gpt2": {**_LAYER_NORMED, **_BIASED, "ACTIVATION": "gelu_tanh", "TIED": True, "POSITIONS": 64},
    "opt": {**_LAYER_NORMED, **_BIASED, "ACTIVATION": "relu", "TIED": True, "POSITIONS": 64},
    "neox": {**_LAYER_NORMED, **_BIASED, "ACTIVATION": "gelu", "PARALLEL": "two", "ROTARY": 0.5},
    "phi": {**_LAYER_NORMED, **_BIASED, "ACTIVATION": "gelu_tanh", "PARALLEL": "one", "ROTARY": 0.5, "HEAD_BIAS": True},
    "mixtral": {"EXPERTS": 8},
    "qwen2_moe": {"QKV_BIAS": True, "EXPERTS": 8, "SHARED_FF": 80, "SHARED_GATE": True},
    "qwen3_moe": {"QK_NORM": True, "EXPERTS": 8},
    "gpt_oss": {**_BIASED, "SINKS": True, "EXPERTS": 8},
}
_CALLS: dict[str, dict[str, Any]] = {
    "prefill": {"PHASE": "prefill", "PROMPT": 24},
    "decode": {"PHASE": "decode", "PAST": 40},
    "chunk": {"PHASE": "prefill", "PROMPT": 8, "PAST": 24},
    "all": {"PHASE": "prefill", "PROMPT": 24, "LOGITS": "all"},
    "training": {"PHASE": "training", "PROMPT": 24},
}


_WINDOWED = ("llama", "gemma2", "gemma3", "gpt_oss")
_ONE_KV_HEAD = ("llama", "qwen3", "gemma2", "gemma3")


def _decoders() -> Iterator[tuple[str, list[NetSpec]]]:
    """Decoders of every structure, by structure and by whether they train; a window is one of 16 tokens."""
    halves: dict[str, Any] = {"LAYER_HEADS": [6, 0, 6], "LAYER_FF": [112, 112, 0]}
    for name, keys in _DECODERS.items():
        sizes: dict[str, Any] = {"VOCAB": 96, "LAYERS": 3, "WIDTH": 48, "HEADS": 6, "HEAD_DIM": 20, "FF": 112}
        sizes |= {} if "PARALLEL" in keys else halves
        if name == "tied":  # whose layers are those of others
            sizes |= {"LAYERS": 1, "LAYER_HEADS": [0], "LAYER_FF": [112]}
        groups = [(3, 0)] + [(1, 0)] * (name in _ONE_KV_HEAD) + [(3, 16)] * (name in _WINDOWED)
        groups += [(1, 16)] * (name == "gemma3")
        for trains in (False,) if {"SINKS", "SOFTCAP"} & set(keys) else (False, True):
            nets = []
            for call, kv_dtype, (kv_heads, window) in product(_CALLS, ("", "float8"), groups):
                if (call == "training") != trains or (kv_dtype and call in ("all", "training")):
                    continue
                if call == "all" and (kv_heads, window) != groups[0]:
                    continue
                section = {**sizes, **keys, "KV_HEADS": kv_heads, "WINDOWS": [window] if window else []}
                cost = {**_CALLS[call], "KV_DTYPE": kv_dtype, "KV_BLOCK": 7}
                nets.append(to_spec(cfg_from_dict({"MODEL": {"TYPE": "decoder"}, "DECODER": section, "COST": cost})))
            yield f"{_DECODER} {'training' if trains else 'inference'} {name}", nets


def _nasbench201s() -> list[_Sections]:
    """Its stem, reductions and head; cells are composed of other parts."""
    return [
        {
            "MODEL": {"TYPE": "nasbench201", "ACTIVATION_INPLACE": inplace},
            "NB201": {"OPS": ["nor_conv_3x3"] * 6},
            "TRAIN": {"IM_SIZE": 32},
        }
        for inplace in (True, False)
    ]


# -- making -------------------------------------------------------------------------------------------------------


class _Asked(NamedTuple):
    """A cell that a template was made for."""

    key: TemplateKey
    params: tuple[tuple[str, Any], ...]
    dims: tuple[int, ...]
    workload: Workload
    traced: Recording

    def with_batch(self, size: int) -> _Asked:
        """The same cell on a batch of another size."""
        return self._replace(dims=(size, *self.dims[1:]))


class _Maker(TemplateStore):
    """A store that counts one trace for all runtimes, and remembers what was asked.

    Attributes:
        asked: for each template, in the order they were made, the cell that it was made for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked: dict[TemplateKey, list[_Asked]] = {}
        self._recordings: dict[Any, list[Recording]] = {}

    def start_over(self) -> None:
        """Drop the templates: the next workload has others."""
        self._templates.clear()
        self.asked.clear()

    def forget(self) -> None:
        """Drop the traces, which no workload to come shares."""
        self._recordings.clear()

    def make(
        self,
        key: TemplateKey,
        params: Sequence[tuple[str, Any]],
        dims: Sequence[int],
        workload: Workload,
    ) -> Template | None:
        """A template for a cell."""
        values = values_of(params, dims)
        traces = self._recordings.setdefault(key._replace(workload=()), [])
        fitting = next((traced for traced in traces if traced.holds(values)), None)
        if fitting is None:
            fitting = record(key, params, dims, workload)
            traces.append(fitting)
        template = counted_template(key, fitting, workload, values)
        self._templates.setdefault(key, []).append(template)
        self.asked.setdefault(key, []).append(_Asked(key, tuple(params), tuple(dims), workload, fitting))
        return template


def made(name: str) -> dict[TemplateKey, tuple[list[Template], bool]]:
    """The templates of some networks: canonical key -> templates, and whether they answer for a batch of 1."""
    nets, found = networks()[name], dict[TemplateKey, tuple[list[Template], bool]]()
    before = None
    maker = _Maker()
    for workload in workloads():
        if name.startswith(_DECODER) and (
            workload.layout != "nchw" or workload.engine != GENERIC or workload.mode != name.split()[1]
        ):
            continue
        shared = workload.layout, workload.mode, workload.autocast_dtype, workload.optimizer
        if shared != before:
            maker.forget()
            before = shared
        maker.start_over()
        for net in nets:
            network_form(maker, net, workload)
        for key, several in list(maker.asked.items()):
            canonical, _ = canonical_key(key)
            if canonical not in found:  # the other optimiser's inference, say
                found |= _entries(maker, key, several)
    # Copies, for what templates have worked out is functions, which do not travel between processes.
    return {key: ([replace(template) for template in several], covers) for key, (several, covers) in found.items()}


def _entries(
    maker: _Maker, key: TemplateKey, several: Sequence[_Asked]
) -> dict[TemplateKey, tuple[list[Template], bool]]:
    """What is stored for some cells of a key: their templates, those of a batch of 1 if they are others, and halves."""
    several, templates = _holding(key, several, maker.known(key))
    if not several:
        return {}
    covers = _covers_one(templates, several)
    found = {canonical_key(key)[0]: (templates, covers)}
    cells = {canonical_key(key)[0]: several}
    if not covers:
        for asked, template in zip(several, templates, strict=True):
            _check(template, asked)
    if not covers and several[0].dims[0] == _BATCH:
        pinned = key._replace(pinned=(*key.pinned, BATCH_OF_ONE))
        single = [own for asked in several if (own := _pinned(maker, pinned, asked))]
        if single:
            found[canonical_key(pinned)[0]] = single, False
            cells[canonical_key(pinned)[0]] = maker.asked[pinned]
    if several[0].workload.dtype == "float32":
        found |= {half_key(name): _halves(own, found[name][1]) for name, own in cells.items()}
    return found


def _holding(
    key: TemplateKey, several: Sequence[_Asked], templates: Sequence[Template]
) -> tuple[list[_Asked], list[Template]]:
    """Cells and their templates without those that say something else than a trace: sizes of 1 hide what is equal."""
    pairs = list(zip(several, templates, strict=True))
    if key.pinned:
        pairs = [(asked, own) for asked, own in pairs if answer(own, _values(asked)) == _traced(asked)]
    return [asked for asked, _ in pairs], [own for _, own in pairs]


def _halves(several: Sequence[_Asked], covers: bool) -> tuple[list[Template], bool]:
    """The templates with weights in half precision of cells that were traced in float32.

    Args:
        several: the cells.
        covers: whether their templates answer for a batch of 1, as these then do, too.

    Raises:
        OracleError: a template does not say what the trace does.
    """
    found = []
    for asked in several:
        workload = asked.workload.with_(dtype="float16", weights="float16")
        half = asked._replace(key=half_key(asked.key), workload=workload)
        template = counted_template(half.key, _retyped(asked.traced, half), workload, _values(half))
        for cell in (half, half.with_batch(1)) if covers else (half,):
            _check(template, cell)
        found.append(template)
    return found, covers


def _retyped(found: Recording, half: _Asked) -> Recording:
    """A recording of a cell with the types that a trace of it with plain integers has in half precision.

    Raises:
        OracleError: the two run other operators.
    """
    key = half.key
    visit = Visit(CellSpec(key.kind, half.params), half.dims, key.input, key.gradient, key.first)
    traced = traced_cell(visit, half.workload)

    def uses(ours: Sequence[Use], theirs: Sequence[Use]) -> tuple[Use, ...]:
        return tuple([own._replace(dtype=other.dtype) for own, other in zip(ours, theirs, strict=True)])

    rows = []
    for own, other in zip(found.table.rows, traced.table.rows, strict=True):
        if (own.name, own.phase) != (other.name, other.phase):
            raise OracleError(f"{key}: runs {other.name} where it runs {own.name} in float32")
        types = {name: value for name, value in other.kwargs.items() if isinstance(value, torch.dtype)}
        rows.append(
            own._replace(
                kwargs={**own.kwargs, **types},
                reads=uses(own.reads, other.reads),
                writes=uses(own.writes, other.writes),
            )
        )
    storages = zip(found.table.storages, traced.table.storages, strict=True)
    table = replace(
        found.table,
        rows=tuple(rows),
        storages=tuple([own._replace(dtype=other.dtype) for own, other in storages]),
    )
    gradient = traced.input_gradient
    return replace(
        found,
        table=table,
        output_format=found.output_format._replace(dtype=traced.output.dtype),
        input_gradient=found.input_gradient and gradient and found.input_gradient._replace(dtype=gradient.dtype),
    )


def _pinned(maker: _Maker, key: TemplateKey, asked: _Asked) -> Template | None:
    try:
        return maker.make(key, asked.params, (1, *asked.dims[1:]), asked.workload)
    except OracleError:  # a batch norm that trains on one value
        return None


def _check(template: Template, asked: _Asked) -> None:
    if answer(template, _values(asked)) != _traced(asked):
        raise OracleError(f"{asked.key} at {asked.dims}: the template does not say what the trace does")


def _covers_one(templates: Sequence[Template], several: Sequence[_Asked]) -> bool:
    if any(asked.dims[0] != _BATCH for asked in several):
        return False  # pinned already
    for template, asked in zip(templates, several, strict=True):
        one = asked.with_batch(1)
        try:
            if answer(template, _values(one)) != _traced(one):
                return False
        except OracleError:  # a batch norm that trains on one value: a trace of that very cell will say so
            return False
    return True


def _values(asked: _Asked) -> dict[str, int]:
    return values_of(asked.params, asked.dims)


def _traced(asked: _Asked) -> tuple[Any, ...] | None:
    return answer(concrete_template(asked.key, asked.params, asked.dims, asked.workload), {})


def write(
    entries: Mapping[TemplateKey, tuple[list[Template], bool]], directory: Path, only: str = ""
) -> Iterator[Path]:
    """Replace the files of a directory, and name each that was written.

    Args:
        entries: canonical key -> templates, and whether they answer for a batch of 1.
        directory: of the files.
        only: what the kinds begin with whose files are replaced; all if "".
    """
    kinds: dict[str, dict[TemplateKey, tuple[list[Template], bool]]] = {}
    for key, several in entries.items():
        if not key.kind.startswith(only):
            continue
        kinds.setdefault(key.kind, {})[key] = several
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.glob(f"{only}*.templates"):
        old.unlink()
    for kind, own in sorted(kinds.items()):
        file = directory / f"{kind}.templates"
        words = {"role": "loss" if kind == LOSS.kind else cell_role(kind), "params": list(own_arguments(kind) or ())}
        write_file(file, {**made_of(kind), **words}, own)
        yield file


def made_of(kind: str) -> dict[str, str]:
    """What decides the content of the templates of a kind made here and now."""
    return {"torch": torch_version(), "sources": fingerprint(kind)}
