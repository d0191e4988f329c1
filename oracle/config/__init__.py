"""Configs: load, merge, check, write. The only package that imports yacs.

A config is parsed once, checked key by key and frozen; `oracle.families` turns it into a hashable spec.
There is no global config: every call returns a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oracle._resources import shipped
from oracle.config.files import BASE_KEY, Layer, locate, shared_layers
from oracle.config.huggingface import is_huggingface, read_huggingface
from oracle.config.merge import merge, override
from oracle.config.schema import CALL_WORDS, DEFAULTS, FAMILY_DEFAULTS, default_cfg, default_values
from oracle.errors import ConfigError, WorkloadError
from oracle.spec import GENERIC, HALVES, OPTIMIZERS, Workload, implied, workload_with

if TYPE_CHECKING:
    from yacs.config import CfgNode
else:

    def __getattr__(name: str) -> type:
        """CfgNode, which brings yacs and yaml along, when somebody asks for it."""
        if name != "CfgNode":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from yacs.config import CfgNode

        globals()[name] = CfgNode
        return CfgNode


__all__ = [
    "CALL_WORDS",
    "COST_KEYS",
    "CfgNode",
    "cfg_from_dict",
    "cost_values",
    "default_cfg",
    "list_networks",
    "load_cfg",
    "to_yaml",
    "with_call",
    "workload_of",
]

Sections = dict[str, Any]


def load_cfg(source: str | Path, overrides: Iterable[Any] | None = None) -> CfgNode:
    """Load a config from a YAML file, by the name of a shipped network, or from a decoder's config.json.

    Args:
        source: path of a YAML file, or a name that `oracle.list_networks` returns, in any case; or `hf:` and the path
            of a config.json as transformers writes it, or of its directory (`oracle.config.huggingface` lists the
            kinds).
        overrides: dotted keys and values, applied last: `[key, value, key, value, ...]` or a mapping. Text is
            converted to the type of the key, as from a command line.

    Returns:
        A frozen config with every key, checked and at its default where the file does not state it.

    Raises:
        ConfigError: a file that cannot be read, an unknown key, or a value of the wrong type or outside its domain; it
            names file, dotted key, value and what was expected.

    Examples:
        >>> import oracle
        >>> cfg = oracle.load_cfg("RegNetX-400MF", {"REGNET.DEPTH": 16, "COST.BATCH_SIZE": 64})
        >>> cfg.REGNET.DEPTH, cfg.REGNET.W0
        (16, 24)
    """
    if is_huggingface(source):
        values, name = read_huggingface(str(source))
        return cfg_from_dict(values, overrides, name)
    path = locate(source)
    found = shared_layers(path)
    keep = all(layer.stamp for layer in found)
    return _finished(lambda family: (_kept if keep else _merged)(found, family), overrides, path.stem)


def cfg_from_dict(values: Mapping[str, Any], overrides: Iterable[Any] | None = None, name: str = "") -> CfgNode:
    """Make a config of nested mappings, checked as a file is.

    Args:
        values: section -> key -> value; what is absent has its default.
        overrides: as in `oracle.load_cfg`.
        name: COST.NAME, unless the values state it.

    Raises:
        ConfigError: as `oracle.load_cfg`.

    Examples:
        >>> import oracle
        >>> cfg = oracle.cfg_from_dict({"MODEL": {"TYPE": "vit"}, "VIT": {"NUM_LAYERS": 4}}, name="small")
        >>> oracle.score(cfg).name
        'small'
    """
    if isinstance(values, Mapping) and BASE_KEY in values:
        raise ConfigError("only a file can have a base; load it with load_cfg", key=BASE_KEY)

    def merged(family: str) -> Sections:
        sections = default_values(family)
        merge(sections, values)
        return sections

    return _finished(merged, overrides, name)


def _finished(merged: Callable[[str], Sections], overrides: Iterable[Any] | None, name: str) -> CfgNode:
    """The config of some sections with the overrides on top.

    Args:
        merged: MODEL.TYPE -> the sections over that family's defaults; they are not changed.
        overrides: as in `load_cfg`.
        name: as in `cfg_from_dict`.
    """
    pairs = overrides.items() if isinstance(overrides, Mapping) else None
    flat = list(overrides or ()) if pairs is None else [part for pair in pairs for part in pair]
    if len(flat) % 2:
        raise ConfigError(f"overrides={flat!r}: expected key, value, key, value, ...")
    for key in flat[::2]:
        if not isinstance(key, str):
            raise ConfigError(f"override key {key!r}: expected a dotted key")
    # The family's defaults lie below everything, and the last word about the family is the overrides'.
    sections = merged("")
    below = _with_defaults(sections["MODEL"]["TYPE"])
    sections = _overridden(merged(below) if below else sections, flat)
    family = _with_defaults(sections["MODEL"]["TYPE"])
    if family != below:
        sections = _overridden(merged(family), flat)
    if not sections["COST"]["NAME"]:
        sections["COST"]["NAME"] = name
    from oracle.config.nodes import node_of

    return node_of(sections, frozen=True)


def _with_defaults(family: str) -> str:
    return family if family in FAMILY_DEFAULTS else ""


def _overridden(sections: Sections, flat: list[Any]) -> Sections:
    changed = {name: dict(keys) if isinstance(keys, dict) else keys for name, keys in sections.items()}
    for key, value in zip(flat[::2], flat[1::2], strict=True):
        override(changed, key, value)
    return changed


def _merged(layers: tuple[Layer, ...], family: str) -> Sections:
    """The defaults of a family with the layers of a file over them."""
    sections: Sections = default_values(family)
    for layer in layers:
        merge(sections, layer.values, str(layer.path))
    return sections


_kept = lru_cache(maxsize=256)(_merged)  # for layers whose files would show a change


COST_KEYS = ("BATCH_SIZE", "DTYPE", "MODE", "RUNTIME", "LAYOUT", "WEIGHTS", "ENGINE", "THREADS", "HOST", "CUDA_GRAPHS")
"""Keys of the COST section that are fields of a workload, whose names are the same in lower case."""


def with_call(cfg: CfgNode, words: Mapping[str, Any], mode: str | None = None) -> CfgNode:
    """The config of a decoder for another call: a copy with keys of its COST section replaced.

    Args:
        cfg: a loaded config; one of another family stays as it is where no words are given.
        words: some of `CALL_WORDS`; None leaves one alone.
        mode: inference or training, where it is not the config's: a decoder that trains keeps no cache.

    Raises:
        ConfigError: a value of the wrong type, or outside its domain.
        WorkloadError: words for a network of another family; a phase and a mode that contradict each other.

    Example:
        >>> with_call(load_cfg("GPT-2"), {"phase": "decode", "past": 100}).COST.PAST
        100
    """
    given = {f"COST.{name.upper()}": value for name, value in words.items() if value is not None}
    if cfg.MODEL.TYPE != "decoder":
        if given:
            key, value = next(iter(given.items()))
            raise WorkloadError(f"{_word(key)}={value!r}: only decoders have phases, prompts and caches")
        return cfg
    phase = given.get("COST.PHASE")
    if phase is not None and mode is not None and (phase == "training") != (mode == "training"):
        raise WorkloadError(f"phase={phase!r}: expected one of mode={mode!r}")
    if phase is not None:
        given["COST.MODE"] = "training" if phase == "training" else "inference"
    elif mode is not None and mode != _mode_of(cfg):
        given |= {"COST.MODE": mode, "COST.PHASE": "training" if mode == "training" else "prefill"}
    if not given:
        return cfg
    sections = {name: dict(keys) if isinstance(keys, dict) else keys for name, keys in cfg.items()}
    for key, value in given.items():
        override(sections, key, value)
    from oracle.config.nodes import node_of

    return node_of(sections, frozen=True)


def _word(key: str) -> str:
    return key.removeprefix("COST.").lower()


def _mode_of(cfg: CfgNode) -> str:
    """The mode of a config: a phase of a decoder may say it."""
    trains = cfg.MODEL.TYPE == "decoder" and cfg.COST.PHASE == "training"
    return "training" if trains else str(cfg.COST.MODE)


def cost_values(workload: Workload) -> dict[str, Any]:
    """Those keys with the values that state a workload."""
    return {name: getattr(workload, name.lower()) for name in COST_KEYS}


def workload_of(cfg: CfgNode, **changes: Any) -> Workload:
    """Make the workload of a config's COST section and optimiser.

    Args:
        cfg: a loaded config.
        changes: fields of `oracle.Workload` that replace the config's; None leaves a field alone.

    Raises:
        WorkloadError: a value, or a combination, that no runtime offers.

    Examples:
        >>> import oracle
        >>> oracle.workload_of(oracle.load_cfg("R-56"), batch_size=8, engine="ncnn").runtime
        'engine'
    """
    fields: dict[str, Any] = {
        **{name.lower(): cfg.COST[name] for name in COST_KEYS},
        "optimizer": cfg.OPTIM.OPTIMIZER,
    }
    if fields["runtime"] == DEFAULTS["COST"]["RUNTIME"]:
        fields |= implied({"engine": fields["engine"]})
    given = {name: value for name, value in changes.items() if value is not None}
    if given.get("engine") == GENERIC:  # who asks for an engine without a name asks for an engine
        given.setdefault("runtime", "engine")
    fields["mode"] = _mode_of(cfg)
    if fields["weights"] == fields["dtype"] in HALVES and "dtype" in given:  # a module in half precision stays one
        fields["weights"] = given["dtype"] if given["dtype"] in HALVES else ""
    fields |= implied(given) | given
    if fields["mode"] == "inference" and cfg.OPTIM.OPTIMIZER not in OPTIMIZERS:
        # Somebody's training recipe: no reason not to answer what one forward pass costs.
        fields["optimizer"] = changes.get("optimizer") or OPTIMIZERS[0]
    return workload_with(fields)


def to_yaml(cfg: CfgNode, *, cost: bool = False) -> str:
    """YAML text of every key that is not at its default; `load_cfg` and pycls read it back.

    Args:
        cfg: a loaded config.
        cost: include the COST section, which pycls does not know.
    """
    from oracle.config.writing import dumped

    return dumped(cfg, cost=cost)


def list_networks() -> tuple[str, ...]:
    """List the names of the shipped networks, sorted; `oracle.load_cfg` takes each.

    Examples:
        >>> import oracle
        >>> "RegNetX-400MF" in oracle.list_networks()
        True
    """
    return tuple(sorted(shipped("networks")))
