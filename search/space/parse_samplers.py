"""SETUP.SAMPLERS of a space file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import reduce
from typing import Any

from oracle.config import default_cfg
from oracle.config.merge import merge
from oracle.config.schema import LIST_ITEMS, MAPPINGS, OPEN_SECTIONS, TRAINING_ONLY
from oracle.errors import ConfigError

from .checks import count, fields, is_number, one_of, span
from .laws import LAWS
from .samplers import Choice, Entries, Number, Sampler, multiples, powers

_AT = "SETUP.SAMPLERS"
_NUMBERS = {"int_sampler": 1, "float_sampler": 1e-5}  # the default QUANTIZE of each
_TYPES = (*_NUMBERS, "value_sampler", "grid_sampler", "list_sampler", "regnet_sampler")
_MAX_VALUES = 100_000
_MAX_LENGTH = 1_000

# The space of the RegNet paper: key -> (type, law, range, step).
REGNET: dict[str, tuple[str, str, list[float], float]] = {
    "DEPTH": ("int_sampler", "uniform", [12, 28], 1),
    "W0": ("int_sampler", "log_uniform", [8, 256], 8),
    "WA": ("float_sampler", "log_uniform", [8, 256], 0.1),
    "WM": ("float_sampler", "log_uniform", [2, 3], 0.001),
    "GROUP_W": ("int_sampler", "power2_or_log_uniform", [8, 128], 8),
    "BOT_MUL": ("float_sampler", "power2_uniform", [1, 1], 1 / 128),
}


def samplers_of(values: Any) -> dict[str, Sampler]:
    """Dotted key -> sampler.

    Raises:
        ConfigError: an unknown key, sampler or law; a range or list without values; a value of a wrong type.
    """
    if not isinstance(values, Mapping) or not values:
        raise ConfigError(f"value {values!r}: expected a mapping of keys to samplers", key=_AT)
    found: dict[str, Sampler] = {}
    for key, content in values.items():
        at = f"{_AT}.{key}"
        for name, sampler in _samplers(str(key), content, at).items():
            if name in found:
                raise ConfigError(f"{name} is sampled twice", key=at)
            found[name] = sampler
    return found


def _samplers(key: str, values: Any, at: str) -> dict[str, Sampler]:
    if key != "REGNET":
        _check_key(key, at)
    kind = _type_of(values, at)
    if (kind == "regnet_sampler") != (key == "REGNET"):
        raise ConfigError(
            f"value {kind!r}: regnet_sampler and REGNET go together; a single number is REGNET.DEPTH, say",
            key=f"{at}.TYPE",
        )
    if kind == "regnet_sampler":
        return _regnet(fields(values, at, ("TYPE", *REGNET)), at)
    if kind == "list_sampler":
        return {key: _entries(key, fields(values, at, ("TYPE", "ITEM_SAMPLER", "LENGTH", "ITEM_SAMPLERS")), at)}
    return {key: _single(key, values, at, entry=False)}


def _type_of(values: Any, at: str) -> str:
    if not isinstance(values, Mapping):
        raise ConfigError(f"value {values!r}: expected a mapping with a TYPE", key=at)
    return one_of(values.get("TYPE"), f"{at}.TYPE", _TYPES)


def _regnet(given: Mapping[str, Any], at: str) -> dict[str, Sampler]:
    found: dict[str, Sampler] = {}
    for name, (kind, law, default, step) in REGNET.items():
        ends = given.get(name, default)
        sampler = {"TYPE": kind, "RAND_TYPE": law, "RANGE": ends, "QUANTIZE": step}
        found[f"REGNET.{name}"] = _number(f"REGNET.{name}", sampler, f"{at}.{name}", f"{at}.{name}", entry=False)
    return found


def _check_key(key: str, at: str) -> None:
    """Complain about a key that no config has, before its values are to blame."""
    cfg, parts = default_cfg(), key.split(".")
    section = cfg.get(parts[0])
    mapping, _, name = key.rpartition(".")
    if mapping in MAPPINGS and MAPPINGS[mapping][0].fullmatch(name):
        return
    if len(parts) == 2 and isinstance(section, Mapping) and parts[1] in section:
        return
    try:
        merge(cfg, _nested(parts, 0))
    except ConfigError as error:
        raise ConfigError(str(error).removeprefix(f"{error.key}: "), key=at) from None


def _entries(key: str, given: Mapping[str, Any], at: str) -> Entries:
    """A list: LENGTH times ITEM_SAMPLER, or ITEM_SAMPLERS, one for each entry."""
    if key not in LIST_ITEMS and not _is_free(key):
        _typed(key, [[]], at)  # an unknown key says so, and one that holds no list
    if "ITEM_SAMPLERS" not in given:
        inner, length = f"{at}.ITEM_SAMPLER", count(given.get("LENGTH"), f"{at}.LENGTH", 1)
        if length > _MAX_LENGTH:
            raise ConfigError(f"value {length}: expected at most {_MAX_LENGTH}", key=f"{at}.LENGTH")
        return Entries((_single(key, given.get("ITEM_SAMPLER"), inner, entry=True),) * length)
    if len(given) > 2:
        raise ConfigError("expected either ITEM_SAMPLERS or ITEM_SAMPLER and LENGTH", key=at)
    inner, many = f"{at}.ITEM_SAMPLERS", given["ITEM_SAMPLERS"]
    if not isinstance(many, (list, tuple)) or not 1 <= len(many) <= _MAX_LENGTH:
        raise ConfigError(f"value {many!r}: expected a list of 1 to {_MAX_LENGTH} samplers", key=inner)
    return Entries(tuple(_single(key, item, f"{inner}[{i}]", entry=True) for i, item in enumerate(many)))


def _single(key: str, values: Any, at: str, *, entry: bool) -> Number | Choice:
    """A sampler of single values; `entry`: of an entry of the list that the key holds."""
    kind = _type_of(values, at)
    if kind in _NUMBERS:
        given = fields(values, at, ("TYPE", "RAND_TYPE", "RANGE", "QUANTIZE"))
        return _number(key, given, at, f"{at}.RANGE", entry=entry)
    if kind == "value_sampler":
        return _choice(key, fields(values, at, ("TYPE", "VALUES")).get("VALUES"), f"{at}.VALUES", entry=entry)
    if kind == "grid_sampler":
        return _grid(key, fields(values, at, ("TYPE", "VALUES", "RANGE", "STEP")), at, entry=entry)
    raise ConfigError(f"value {kind!r}: expected a sampler of single values", key=f"{at}.TYPE")


def _number(key: str, given: Mapping[str, Any], at: str, range_at: str, *, entry: bool) -> Number:
    kind, ends = given["TYPE"], span(given.get("RANGE"), range_at)
    low, high = ends
    law = one_of(given.get("RAND_TYPE", "uniform"), f"{at}.RAND_TYPE", tuple(LAWS))
    step = given.get("QUANTIZE", _NUMBERS[kind])
    if not is_number(step) or step < 0:
        raise ConfigError(f"value {step!r}: expected a number of at least 0", key=f"{at}.QUANTIZE")
    if kind == "int_sampler":
        step = count(step, f"{at}.QUANTIZE", 1)
        if low % 1 or high % 1:
            raise ConfigError(f"value {list(ends)}: expected integers", key=range_at)
        low, high = int(low), int(high)
    held = _typed(key, [low, high], range_at, entry=entry)
    if any(isinstance(end, (bool, str, list, tuple)) for end in held):
        raise ConfigError(f"value {kind!r}: expected value_sampler, as {key} holds no number", key=f"{at}.TYPE")
    integer = kind == "int_sampler" if _is_free(key) else isinstance(held[0], int)
    if integer and kind != "int_sampler":
        raise ConfigError(f"value {kind!r}: expected int_sampler, as {key} holds integers", key=f"{at}.TYPE")
    if law not in ("uniform", "normal") and low <= 0:
        raise ConfigError(f"value {list(ends)}: expected ends above 0 for {law}", key=range_at)
    number = Number(law, low, high, step, integer)
    if not _has_values(number):
        what = "power of two" if law == "power2_uniform" else "number"
        raise ConfigError(f"value {list(ends)}: no {what} in it is a multiple of QUANTIZE, {step}", key=range_at)
    return number


def _has_values(number: Number) -> bool:
    if number.law == "power2_uniform":
        return bool(powers(number))
    if not number.step or multiples(number)[0] <= multiples(number)[1]:
        return True
    return number.law == "power2_or_log_uniform" and bool(powers(number))


def _choice(key: str, values: Any, at: str, *, entry: bool) -> Choice:
    if not isinstance(values, (list, tuple)) or not 1 <= len(values) <= _MAX_VALUES:
        raise ConfigError(f"value {values!r}: expected a list of 1 to {_MAX_VALUES:,} values", key=at)
    typed = _typed(key, values, at, entry=entry)
    return Choice(tuple(tuple(value) if isinstance(value, list) else value for value in typed))


def _grid(key: str, given: Mapping[str, Any], at: str, *, entry: bool) -> Choice:
    if "VALUES" in given:
        if len(given) > 2:
            raise ConfigError("expected either VALUES or RANGE and STEP", key=at)
        return _choice(key, given["VALUES"], f"{at}.VALUES", entry=entry)
    low, high = (Fraction(str(end)) for end in span(given.get("RANGE"), f"{at}.RANGE"))
    step: Any = given.get("STEP")
    if not is_number(step) or step <= 0:
        raise ConfigError(f"value {step!r}: expected a number above 0", key=f"{at}.STEP")
    size = (high - low) // Fraction(str(step)) + 1
    if size > _MAX_VALUES:
        raise ConfigError(f"value {step}: {size:,} values, expected at most {_MAX_VALUES:,}", key=f"{at}.STEP")
    exact = [low + number * Fraction(str(step)) for number in range(size)]
    plain = [int(value) if value.denominator == 1 else float(value) for value in exact]
    return _choice(key, plain, f"{at}.RANGE", entry=entry)


def _is_free(key: str) -> bool:
    """Whether a key is training's, which may hold anything."""
    section, _, name = key.partition(".")
    return section in TRAINING_ONLY or (section in OPEN_SECTIONS and name not in OPEN_SECTIONS[section])


def _typed(key: str, values: Sequence[Any], at: str, *, entry: bool = False) -> list[Any]:
    """Values in the type that the key has; `entry`: that an entry of its list has."""
    cfg, parts = default_cfg(), key.split(".")
    typed = []
    for value in values:
        try:
            content = [value] if entry else value
            merge(cfg, _nested(parts, content))
        except ConfigError as error:
            raise ConfigError(str(error).removeprefix(f"{error.key}: "), key=at) from None
        held: Any = reduce(lambda node, part: node[part], parts, cfg)
        typed.append(held[0] if entry else held)
    return typed


def _nested(parts: Sequence[str], content: Any) -> dict[str, Any]:
    """`["REGNET", "DEPTH"]` and 12 -> `{"REGNET": {"DEPTH": 12}}`."""
    return reduce(lambda inner, part: {part: inner}, reversed(parts), content)
