"""Put plain values into a config: known keys only, the right type or a faithful conversion, finite numbers.

yacs' own merge refuses 1 for 1.0, turns strings into whatever they look like, accepts None and any list
items, and raises three kinds of errors; so this is ours, and yacs is the container.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from yacs.config import CfgNode

from oracle._resources import closest
from oracle.config.schema import CHOICES, IGNORED, LIST_ITEMS, OPEN_SECTIONS, TRAINING_ONLY
from oracle.errors import ConfigError

__all__ = ["merge"]

_MAX_NESTING = 20
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)")  # no octal 010, which YAML 1.1 reads as 8
_LARGEST = 2**53  # beyond it float64 arithmetic on sizes is no longer exact
_LITERALS = {"true": True, "false": False}


def merge(cfg: CfgNode, values: Any, file: str = "") -> None:
    """Set the keys of nested mappings in a config, in place.

    Args:
        cfg: a config with the keys of `default_cfg`.
        values: mapping of sections, or of top-level keys that only training uses.
        file: where the values come from, for the messages.

    Raises:
        ConfigError: an unknown key, or a value of the wrong type or outside its domain.
    """
    for section, content in _items(values, "", file):
        if section in IGNORED:
            continue
        if section in OPEN_SECTIONS:
            _merge_open(cfg[section], section, content, file)
        elif section in TRAINING_ONLY:
            _keep(cfg, section, section, content, file)
        elif section in cfg:
            for name, value in _items(content, section, file):
                if name not in cfg[section]:
                    raise _unknown(f"{section}.{name}", cfg, file)
                key = f"{section}.{name}"
                cfg[section][name] = _convert(key, value, cfg[section][name], file)
        else:
            raise _unknown(section, cfg, file)


def _merge_open(node: CfgNode, section: str, content: Any, file: str) -> None:
    """Our keys of TRAIN and OPTIM are checked; a near miss of one, which would do nothing, is refused."""
    ours = OPEN_SECTIONS[section]
    for name, value in _items(content, section, file):
        key = f"{section}.{name}"
        if key in IGNORED:
            continue
        if name in ours:
            node[name] = _convert(key, value, node[name], file)
            continue
        near = get_close_matches(name.upper(), ours, n=1, cutoff=0.8)
        if near:
            raise ConfigError(f"unknown key; did you mean {section}.{near[0]}?", key=key, file=file)
        _keep(node, name, key, value, file)


def _keep(node: CfgNode, name: str, key: str, value: Any, file: str) -> None:
    """Store a training-only value as it is; mappings join what is there."""
    plain = _plain(value, key, file)
    if isinstance(plain, dict):
        plain = {k: v for k, v in plain.items() if f"{key}.{k}" not in IGNORED}
        old = node.get(name)
        if isinstance(old, CfgNode):
            plain = _joined(old, plain)
        node[name] = CfgNode(plain)
    else:
        node[name] = plain


def _joined(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings united, the new values winning."""
    joined = dict(old)
    for name, value in new.items():
        before = joined.get(name)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        joined[name] = _joined(before, value) if both else value  # type: ignore[arg-type]
    return joined


def _plain(value: Any, key: str, file: str, depth: int = 0) -> Any:
    """A copy made of dicts, lists and scalars only, which is all that YAML and yacs know."""
    if depth > _MAX_NESTING:
        raise ConfigError(f"nested deeper than {_MAX_NESTING} levels", key=key, file=file)
    if isinstance(value, Mapping):
        return {k: _plain(v, f"{key}.{k}", file, depth + 1) for k, v in _items(value, key, file)}
    value = _unboxed(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item, key, file, depth + 1) for item in value]
    if value is None or type(value) in (bool, int, float, str):
        return value
    raise ConfigError(f"value {_shown(value)} is not plain data", key=key, file=file)


def _items(values: Any, key: str, file: str) -> list[tuple[str, Any]]:
    if not isinstance(values, Mapping):
        raise ConfigError(f"expected a mapping of keys to values, got {_shown(values)}", key=key, file=file)
    for name in values:
        if not isinstance(name, str):
            raise ConfigError(f"the key {name!r} is not a word; quote it", key=key, file=file)
    return list(values.items())


def _unknown(key: str, cfg: CfgNode, file: str) -> ConfigError:
    """The complaint about a key that we do not know, with the nearest that we do."""
    section, _, name = key.rpartition(".")
    if not section:
        hint = closest(name, [*cfg, *sorted(TRAINING_ONLY)], 1) or f"; ours are {', '.join(cfg)}"
        return ConfigError(f"unknown section{hint}", key=key, file=file)
    namesakes = [f"{other}.{name}" for other, node in cfg.items() if isinstance(node, CfgNode) and name in node]
    siblings = [f"{section}.{sibling}" for sibling in _near(name, cfg[section])]
    likely = (namesakes + siblings)[:3]
    hint = f"did you mean {' or '.join(likely)}?" if likely else f"{section} has {', '.join(cfg[section])}"
    return ConfigError(f"unknown key; {hint}", key=key, file=file)


def _near(name: str, options: Iterable[str]) -> list[str]:
    """The options most like a name; ties are all listed, since W0, WA and WM are equally near to WO."""
    return get_close_matches(name.upper(), list(options), n=3, cutoff=0.5)


def _convert(key: str, value: Any, default: Any, file: str) -> Any:
    """The value in the type of the default it replaces."""
    converted = _typed(key, value, type(default), file)
    if key in CHOICES and converted not in CHOICES[key]:
        raise ConfigError(f"value {_shown(value)}: expected one of {', '.join(CHOICES[key])}", key=key, file=file)
    return converted


def _typed(key: str, value: Any, kind: type, file: str) -> Any:
    value = _unboxed(value)
    if kind is list:
        items = _parsed_list(value) if isinstance(value, str) else value
        if isinstance(items, (list, tuple)):
            return [_typed(f"{key}[{i}]", item, LIST_ITEMS[key], file) for i, item in enumerate(items)]
        raise _mismatch(key, value, f"a list of {_WORDS[LIST_ITEMS[key]]}", file)
    converted = _SCALARS[kind](value)
    if converted is None:
        trap = kind is str and isinstance(value, bool)
        hint = " (YAML reads yes, no, on and off as booleans; quote the word)" if trap else ""
        raise _mismatch(key, value, _WORDS[kind] + hint, file)
    if kind in (int, float) and not 0 <= converted <= _LARGEST:  # NaN compares false
        raise ConfigError(f"value {_shown(value)}: expected a finite number from 0 to 2**53", key=key, file=file)
    return converted


def _mismatch(key: str, value: Any, expected: str, file: str) -> ConfigError:
    return ConfigError(f"value {_shown(value)} of type {type(value).__name__}: expected {expected}", key=key, file=file)


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # ValueError: an integer of thousands of digits
        return "too large to show"
    return text if len(text) <= 80 else f"{text[:77]}..."


def _unboxed(value: Any) -> Any:
    """Scalars and arrays of numpy, which searches produce, as Python numbers and lists."""
    tolist = getattr(value, "tolist", None)
    return tolist() if callable(tolist) else value


def _as_int(value: Any) -> int | None:
    if isinstance(value, str):
        text = value.strip()
        return int(text) if len(text) < 20 and _DECIMAL.fullmatch(text) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _as_float(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _as_bool(value: Any) -> bool | None:
    if isinstance(value, str):
        return _LITERALS.get(value.strip().lower())
    return value if isinstance(value, bool) else None


def _as_str(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _parsed_list(text: str) -> list[str]:
    """A list written as text, as command lines give it: `"[1, 2]"` or `"1,2"`; words need no quotes."""
    bare = text.strip()
    if bare[:1] + bare[-1:] in ("[]", "()"):
        bare = bare[1:-1]
    return [item.strip().strip("'\"") for item in bare.split(",") if item.strip()]


_SCALARS: dict[type, Callable[[Any], Any]] = {int: _as_int, float: _as_float, bool: _as_bool, str: _as_str}
_WORDS: dict[type, str] = {int: "an integer", float: "a number", bool: "true or false", str: "a word"}
