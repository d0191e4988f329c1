"""Put plain values into a config: known keys only, the right type or a faithful conversion, finite numbers.

yacs' own merge refuses 1 for 1.0, turns strings into whatever they look like, accepts None and any list
items, and raises three kinds of errors; so this is ours, and yacs is the container.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, reduce
from typing import Any

from oracle._resources import closest
from oracle.config.files import BASE_KEY
from oracle.config.schema import CHOICES, DEFAULTS, IGNORED, LIST_ITEMS, MAPPINGS, OPEN_SECTIONS, TRAINING_ONLY
from oracle.errors import ConfigError

Sections = dict[str, Any]

_MAX_NESTING = 20
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)")  # no octal 010, which YAML 1.1 reads as 8
_LARGEST = 2**53  # beyond it float64 arithmetic on sizes is no longer exact
_LITERALS = {"true": True, "false": False}


def merge(sections: Sections, values: Any, file: str = "") -> None:
    """Set the keys of nested mappings in the sections of a config, in place.

    Args:
        sections: with the keys of `default_values`; what stands in a section is replaced, never changed itself.
        values: mapping of sections, or of top-level keys that only training uses; nothing of it is kept that
            could change.
        file: where the values come from, for the messages.

    Raises:
        ConfigError: an unknown key, or a value of the wrong type or outside its domain.
    """
    for section, content in _items(values, "", file):
        if section in IGNORED:
            continue
        if section in OPEN_SECTIONS:
            _merge_open(sections[section], section, content, file)
        elif section in TRAINING_ONLY:
            _keep(sections, section, section, content, file)
        elif section in sections:
            keys = sections[section]
            for name, value in _items(content, section, file):
                if name not in keys:
                    raise _unknown(f"{section}.{name}", sections, file)
                keys[name] = _convert(f"{section}.{name}", value, keys[name], file)
        else:
            raise _unknown(section, sections, file)


def override(sections: Sections, key: str, value: Any) -> None:
    """Set one dotted key in the sections of a config, in place: `merge` of the one value.

    Raises:
        ConfigError: as `merge`.
    """
    kind = _KINDS.get(key)
    if kind is None:  # a key of training's, or none at all
        merge(sections, reduce(lambda inner, part: {part: inner}, reversed(key.split(".")), value))
    else:
        section, name = key.split(".")
        sections[section][name] = _convert(key, value, sections[section][name], "")


def _merge_open(keys: Sections, section: str, content: Any, file: str) -> None:
    """Our keys of TRAIN and OPTIM are checked; a near miss of one, which would do nothing, is refused."""
    ours = OPEN_SECTIONS[section]
    for name, value in _items(content, section, file):
        key = f"{section}.{name}"
        if key in IGNORED:
            continue
        if name in ours:
            keys[name] = _convert(key, value, keys[name], file)
            continue
        _refuse_near_miss(section, name, file)
        _keep(keys, name, key, value, file)


def _refuse_near_miss(section: str, name: str, file: str) -> None:
    """Complain of a key of training's that is all but one of ours."""
    near = _nearly(section, name)
    if near:
        raise ConfigError(f"unknown key; did you mean {section}.{near}?", key=f"{section}.{name}", file=file)


@lru_cache(maxsize=256)
def _nearly(section: str, name: str) -> str:
    """Our key of an open section that another is a near miss of; "" for none."""
    return next(iter(_near(name, OPEN_SECTIONS[section], 1, 0.8)), "")


def _keep(keys: Sections, name: str, key: str, value: Any, file: str) -> None:
    """Store a training-only value as it is; mappings join what is there."""
    plain = _plain(value, key, file)
    if isinstance(plain, dict):
        plain = {k: v for k, v in plain.items() if f"{key}.{k}" not in IGNORED}
        old = keys.get(name)
        if isinstance(old, dict):
            plain = _joined(old, plain)
    keys[name] = plain


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
    raise ConfigError(f"value {shown(value)} is not plain data", key=key, file=file)


def _items(values: Any, key: str, file: str) -> list[tuple[str, Any]]:
    if not isinstance(values, Mapping):
        raise ConfigError(f"expected a mapping of keys to values, got {shown(values)}", key=key, file=file)
    for name in values:
        if not isinstance(name, str):
            raise ConfigError(f"the key {name!r} is not a word; quote it", key=key, file=file)
    return list(values.items())


def check_keys(cfg: Mapping[str, Any]) -> None:
    """Complain of a section or key that was put into a config by hand and that nobody reads.

    Raises:
        ConfigError: the first of them, with the nearest that we know.
    """
    for section, own in cfg.items():
        known = DEFAULTS.get(section)
        if known is not None:
            if len(own) != len(known):
                _check_section(section, own, known)
        elif section not in TRAINING_ONLY and section not in IGNORED:
            raise _unknown(section, DEFAULTS, "")
    for name, entries in _NESTED:
        for entry in cfg.get("COST", {}).get(name, ()):
            if entry not in entries:
                raise _unknown_entry(f"COST.{name}", entry, entries, "")


def _check_section(section: str, own: Iterable[str], known: Mapping[str, Any]) -> None:
    for name in own:
        if name not in known:
            if section not in OPEN_SECTIONS:
                raise _unknown(f"{section}.{name}", DEFAULTS, "")
            _refuse_near_miss(section, name, "")


def _unknown(key: str, sections: Sections, file: str) -> ConfigError:
    """The complaint about a key that we do not know, with the nearest that we do."""
    section, _, name = key.rpartition(".")
    namesakes = [f"{other}.{name}" for other, keys in sections.items() if isinstance(keys, dict) and name in keys]
    if not section:
        hint = f"; did you mean {' or '.join(namesakes)}?" if namesakes else ""
        hint = hint or closest(name, [*sections, BASE_KEY, *sorted(TRAINING_ONLY)], 1)
        hint = hint or f"; ours are {', '.join(sections)}"
        return ConfigError(f"unknown section{hint}", key=key, file=file)
    siblings = [f"{section}.{sibling}" for sibling in _near(name, sections[section])]
    likely = (namesakes + siblings)[:3]
    hint = f"did you mean {' or '.join(likely)}?" if likely else f"{section} has {', '.join(sections[section])}"
    return ConfigError(f"unknown key; {hint}", key=key, file=file)


def _unknown_entry(key: str, name: str, known: Mapping[str, Any], file: str) -> ConfigError:
    """The complaint about an entry of a mapping whose entries are known."""
    hint = closest(name, known, 1) or f"; {key} has {', '.join(known)}"
    return ConfigError(f"unknown key{hint}", key=f"{key}.{name}", file=file)


def _near(name: str, options: Iterable[str], count: int = 3, cutoff: float = 0.5) -> list[str]:
    """The options most like a name; ties are all listed, since W0, WA and WM are equally near to WO."""
    from difflib import get_close_matches

    return get_close_matches(name.upper(), list(options), n=count, cutoff=cutoff)


def _convert(key: str, value: Any, old: Any, file: str) -> Any:
    """The value in the type of the default, for the value that it replaces; of a mapping, for some of its entries."""
    kind = _KINDS[key]
    if kind is dict:
        return {**old, **(_words(key, value, file) if key in MAPPINGS else _integers(key, value, old, file))}
    converted = _typed(key, value, kind, file)
    if key in CHOICES and converted not in CHOICES[key]:
        options = [option for option in CHOICES[key] if option]
        near = closest(str(converted), options, 1)
        raise ConfigError(f"value {shown(value)}: expected one of {', '.join(options)}{near}", key=key, file=file)
    return converted


def _pairs(value: Any, key: str, file: str) -> Any:
    """A mapping, which a command line gives as text: `{TP: 4, PP: 2}` or `stem=float16,s3=int8`."""
    if not isinstance(value, str):
        return value
    pairs = [item.replace("=", ":").partition(":")[::2] for item in _parsed_list(value.strip().strip("{}"))]
    found = dict[str, str]()
    for name, word in pairs:
        if name.strip() in found:
            raise ConfigError(f"value {shown(value)}: {name.strip()} is given twice", key=key, file=file)
        found[name.strip()] = word.strip(" '\"")
    return found


def _integers(key: str, value: Any, known: Mapping[str, Any], file: str) -> dict[str, int]:
    """Integers by names that are known."""
    found = {}
    for name, item in _items(_pairs(value, key, file), key, file):
        if name not in known:
            raise _unknown_entry(key, name, known, file)
        found[name] = _typed(f"{key}.{name}", item, int, file)
    return found


def _words(key: str, value: Any, file: str) -> dict[str, str]:
    """Words by names, of which a pattern says what they look like."""
    names, expected, words = MAPPINGS[key]
    found = {}
    for name, word in _items(_pairs(value, key, file), key, file):
        if not names.fullmatch(name):
            raise ConfigError(f"value {shown(word)}: the key is not {expected}", key=f"{key}.{name}", file=file)
        if word not in words:
            known = ", ".join(words)
            raise ConfigError(f"value {shown(word)}: expected one of {known}", key=f"{key}.{name}", file=file)
        found[name] = str(word)
    return found


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
        raise ConfigError(f"value {shown(value)}: expected a finite number from 0 to 2**53", key=key, file=file)
    return converted


def _mismatch(key: str, value: Any, expected: str, file: str) -> ConfigError:
    return ConfigError(f"value {shown(value)} of type {type(value).__name__}: expected {expected}", key=key, file=file)


def shown(value: Any) -> str:
    """A value in a message, cut where it is long."""
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

# The type of every key we own, which no value can change.
_KINDS = {f"{section}.{name}": type(value) for section, keys in DEFAULTS.items() for name, value in keys.items()}

# The keys of COST whose entries are known by name.
_NESTED = tuple([(name, value) for name, value in DEFAULTS["COST"].items() if isinstance(value, dict) and value])
