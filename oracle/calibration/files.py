"""Calibrations as small YAML files.

DEVICE: rtx-3090                 # or a kind of device, of which the file is the prior
RUNTIME: eager
ENGINE: ncnn                     # where RUNTIME is engine, which one; generic if absent
MODE: inference
DTYPE: float16
SOURCE: who measured what
LICENCE: Apache-2.0              # of the measurements
DATE: 2026-11-22                 # of the fit
MEASUREMENTS: 726
ERROR: 0.078                     # mean relative error on networks that the fit had not seen
PROTOCOL: leave-family-out
INTERVAL: [0.91, 1.14]           # of measured / predicted, 80 % of cases
ERROR_BY_FAMILY: {resnet: 0.05}
CARRIED: {rtx-4090: {ERROR: 0.06, INTERVAL: [0.9, 1.1], NETWORKS: 300}}  # measured there, carried over to here
LAUNCH_US: {conv: 18.8}          # per kernel, by class of kernel or one number for all
CALL_US: 220                     # per call
DISPATCH_US: 26                  # per kernel, on the host, while the device works on others; 0 if absent
TILING: products                 # how products are cut, one of `TILINGS`; absent where sizes do not matter
ATTENTION_TILING: encoder        # the same of attention
CACHED_ATTENTION: {PREFILL: [0.6, 0.8], DECODE: [0.8, 0.9]}  # shares of peak and bandwidth, of attention over a cache
CACHE: products                  # when operands come from the last-level cache, one of `CACHES`; never if absent
DOMAIN: {BATCH_SIZE: [64, 1024], IMAGE_SIZE: [128, 384]}  # of what was measured; anything if absent
COMPUTE: {conv: 0.83}            # shares of the peaks, by class of kernel
MEMORY: {conv: 0.49}             # shares of the bandwidth
WEIGHTS: {conv: 0.3}             # shares of the bandwidth at which weights come; those of MEMORY where absent
SAVINGS: {winograd: 5.06}        # how many times fewer multiplications than FLOPs are counted: Winograd; 1 where absent
PACKING: true                    # whether contractions lay weights out anew at every call; false if absent
OVERLAP: 1                       # of the shorter of computing and moving, the share that does not hide; 0 if absent
THREADING: {CLOCK_MHZ: 1000, SERIAL: 0.1, UNEVEN: 0.7, BARRIER: 0.5}  # see oracle.calibration.threading
"""

from __future__ import annotations

import reprlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from oracle import blocking, tiling
from oracle._files import MEBIBYTE, read_text
from oracle._frozen import Frozen
from oracle._resources import closest
from oracle.blocking import Blocking
from oracle.calibration.calibration import Calibration, Carried, Origin
from oracle.calibration.classes import CLASSES, CONTRACTIONS, WHOLES
from oracle.calibration.domain import Domain
from oracle.calibration.threading import Threading
from oracle.errors import DeviceError
from oracle.roofline import Efficiency, textbook_of
from oracle.spec import DTYPES, ENGINES, GENERIC, LAYOUTS, MODES, RUNTIMES
from oracle.tiling import CachedAttention, Tiling

_Out = TypeVar("_Out")

REQUIRED = ("DEVICE", "RUNTIME", "MODE", "DTYPE", "LAYOUT", "LAUNCH_US", "CALL_US", "FLOOR_US", "COMPUTE", "MEMORY")
OPTIONAL = (
    "ENGINE",
    "SOURCE",
    "LICENCE",
    "DATE",
    "MEASUREMENTS",
    "ERROR",
    "PROTOCOL",
    "INTERVAL",
    "ERROR_BY_FAMILY",
    "CARRIED",
    "DISPATCH_US",
    "DOMAIN",
    "TILING",
    "ATTENTION_TILING",
    "CACHED_ATTENTION",
    "CACHE",
    "WEIGHTS",
    "SAVINGS",
    "OVERLAP",
    "PACKING",
    "THREADING",
)
_MICRO = 1e-6
THREADING = {"CLOCK_MHZ": "clock", "SERIAL": "serial", "UNEVEN": "uneven", "BARRIER": "barrier"}

TILINGS: Mapping[str, Blocking | Tiling] = Frozen(
    {
        "products": tiling.PRODUCTS,
        "hiding_products": tiling.HIDING_PRODUCTS,
        "float8_products": tiling.FLOAT8_PRODUCTS,
        "float8_products_ada": tiling.FLOAT8_PRODUCTS_ADA,
        "onednn": blocking.ONEDNN,
        "onnxruntime": blocking.ONNXRUNTIME,
        "onnxruntime_int8": blocking.ONNXRUNTIME_INT8,
    }
)
"""How libraries cut matrix products, by the name that files say."""

ATTENTION_TILINGS = Frozen({"encoder": tiling.ENCODER, "prefill": tiling.PREFILL, "decode": tiling.DECODE})
"""How they cut attention."""

CACHES = Frozen({"products": tiling.CACHE})
"""When products and attention find their operands in the last-level cache."""

PHASES = ("PREFILL", "DECODE")
"""Of attention over a cache of keys and values."""

HABITS = ("SPLITS_ALONE", "PACKS")
"""What libraries do in it, see `oracle.tiling.CachedAttention`; they do if absent."""

_MAX_BYTES = MEBIBYTE
_LARGEST = sys.float_info.max  # an integer can be larger

_NO_TIME_S = 1e-8  # what fitted logarithms say where there is none


def load_calibration(path: Path | str) -> Calibration:
    """Load a calibration from a file.

    Args:
        path: of a YAML file, as `oracle.save_calibration` and `oracle calibrate` write it.

    Raises:
        DeviceError: no such file, or one that breaks a rule stated in `oracle.calibration.files`; it names the key.
        ConfigError: broken YAML.

    Examples:
        >>> import oracle
        >>> from oracle._resources import shipped
        >>> oracle.load_calibration(shipped("calibrations")["rtx-4090.eager.inference.float16.nchw"]).measurements
        803
    """
    return from_yaml(read_text(path, _MAX_BYTES, DeviceError), str(path))


def from_yaml(text: str, place: str) -> Calibration:
    """The calibration in the content of a file; `place` names it in errors, which are those of `load_calibration`."""
    from oracle.config.strict_yaml import parse_yaml

    return _parsed(parse_yaml(text, place), place)


def save_calibration(calibration: Calibration, path: Path | str) -> None:
    """Write a calibration to a file that `oracle.load_calibration` reads; figures are rounded to four digits.

    Args:
        calibration: as `oracle.calibrate` returns it.
        path: of the file, which is replaced.

    Raises:
        DeviceError: the file cannot be written.

    Examples:
        >>> import oracle, tempfile, pathlib
        >>> from oracle._resources import shipped
        >>> found = oracle.load_calibration(shipped("calibrations")["rtx-4090.eager.inference.float16.nchw"])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     oracle.save_calibration(found, pathlib.Path(folder, "mine.yaml"))
        ...     oracle.load_calibration(pathlib.Path(folder, "mine.yaml")).device
        'rtx-4090'
    """
    try:
        Path(path).write_text(to_yaml(calibration), encoding="utf-8")
    except OSError as error:
        raise DeviceError(f"{path}: cannot be written: {error.strerror}") from None


def to_yaml(calibration: Calibration) -> str:
    """The content of a file."""
    import yaml

    efficiency, origin, classes = calibration.efficiency, calibration.origin, _classes_of(calibration)
    content: dict[str, Any] = {
        "DEVICE": calibration.device,
        "RUNTIME": calibration.runtime,
        "ENGINE": None if calibration.engine == GENERIC else calibration.engine,
        "MODE": calibration.mode,
        "DTYPE": calibration.dtype,
        "LAYOUT": calibration.layout,
        "SOURCE": origin.source,
        "LICENCE": origin.licence,
        "DATE": origin.date,
        "MEASUREMENTS": calibration.measurements,
        "ERROR": None if calibration.error is None else _rounded(calibration.error),
        "PROTOCOL": calibration.protocol,
        "INTERVAL": _interval_yaml(calibration.interval),
        "ERROR_BY_FAMILY": {name: _rounded(error) for name, error in calibration.error_by_family.items()},
        "TILING": next((name for name, known in TILINGS.items() if known == efficiency.tiling), None),
        "ATTENTION_TILING": next(
            (name for name, known in ATTENTION_TILINGS.items() if known == efficiency.attention_tiling), None
        ),
        "CACHED_ATTENTION": _cached_yaml(efficiency.cached_attention),
        "CACHE": next((name for name, known in CACHES.items() if known == efficiency.cache), None),
        "DOMAIN": {name.upper(): list(ends) for name, ends in calibration.domain.ranges.items()},
        "CARRIED": {
            name: {"ERROR": _rounded(item.error), "INTERVAL": _interval_yaml(item.interval), "NETWORKS": item.networks}
            for name, item in calibration.carried.items()
        },
        "LAUNCH_US": _launch_yaml(efficiency, classes),
        "CALL_US": _rounded(efficiency.call_s / _MICRO),
        "FLOOR_US": _rounded(efficiency.floor_s / _MICRO),
        "DISPATCH_US": _rounded(efficiency.dispatch_s / _MICRO) if efficiency.dispatch_s > _NO_TIME_S else None,
        "COMPUTE": {name: _rounded(efficiency.compute.get(name, 1.0)) for name in classes},
        "MEMORY": {name: _rounded(efficiency.memory.get(name, 1.0)) for name in classes},
        "WEIGHTS": {name: _rounded(share) for name, share in efficiency.weights.items() if name in classes},
        "SAVINGS": {name: _rounded(saving) for name, saving in efficiency.savings.items()},
        "OVERLAP": _rounded(efficiency.overlap) if efficiency.overlap else None,
        "PACKING": bool(efficiency.packing) or None,
        "THREADING": _threading_yaml(calibration.threading),
    }
    kept = {key: value for key, value in content.items() if key in REQUIRED or value not in (None, "", {})}
    return yaml.safe_dump(kept, sort_keys=False, width=110, default_flow_style=None, allow_unicode=True)


def _parsed(content: Any, file: str) -> Calibration:
    if not isinstance(content, dict):
        raise DeviceError(f"{file}: expected a mapping of keys, found {reprlib.repr(content)}")
    known = (*REQUIRED, *OPTIONAL)
    for key in content:
        if key not in known:
            near = closest(str(key), known, 1) or f"; expected one of {', '.join(known)}"
            raise DeviceError(f"{file}: {key}: unknown key{near}")
    for key in REQUIRED:
        if key not in content:
            raise DeviceError(f"{file}: {key} is missing")
    return Calibration(
        device=_text(content["DEVICE"], file, "DEVICE"),
        runtime=_one_of(content["RUNTIME"], RUNTIMES, file, "RUNTIME"),
        mode=_one_of(content["MODE"], MODES, file, "MODE"),
        dtype=_one_of(content["DTYPE"], DTYPES, file, "DTYPE"),
        layout=_one_of(content["LAYOUT"], LAYOUTS, file, "LAYOUT"),
        engine=_one_of(content.get("ENGINE", GENERIC), ENGINES, file, "ENGINE"),
        efficiency=Efficiency(
            _shares(content["COMPUTE"], file, "COMPUTE"),
            _shares(content["MEMORY"], file, "MEMORY"),
            call_s=_number(content["CALL_US"], file, "CALL_US") * _MICRO,
            floor_s=_number(content["FLOOR_US"], file, "FLOOR_US") * _MICRO,
            dispatch_s=_number(content.get("DISPATCH_US", 0), file, "DISPATCH_US") * _MICRO,
            launches=_launches(content["LAUNCH_US"], file),
            weights=_shares(content.get("WEIGHTS", {}), file, "WEIGHTS"),
            savings=_by_class(content.get("SAVINGS", {}), file, "SAVINGS"),
            overlap=_part(content.get("OVERLAP", 0), file, "OVERLAP"),
            packing=frozenset(CONTRACTIONS if _flag(content.get("PACKING", False), file, "PACKING") else ()),
            tiling=_named(content, "TILING", TILINGS, file),
            attention_tiling=_named(content, "ATTENTION_TILING", ATTENTION_TILINGS, file),
            cached_attention=_cached(content.get("CACHED_ATTENTION"), file),
            cache=_named(content, "CACHE", CACHES, file),
        ),
        measurements=_whole(content.get("MEASUREMENTS", 0), file, "MEASUREMENTS"),
        error=None if content.get("ERROR") is None else _number(content["ERROR"], file, "ERROR"),
        protocol=_text(content.get("PROTOCOL", "unstated"), file, "PROTOCOL"),
        error_by_family=_numbers(content.get("ERROR_BY_FAMILY", {}), file, "ERROR_BY_FAMILY"),
        interval=_interval(content.get("INTERVAL"), file, "INTERVAL"),
        origin=Origin(
            _text(content.get("SOURCE", "unsourced"), file, "SOURCE"),
            _text(content.get("LICENCE", "unknown"), file, "LICENCE"),
            str(content.get("DATE", "")),
        ),
        carried=_carried(content.get("CARRIED", {}), file),
        domain=_domain(content.get("DOMAIN", {}), file),
        threading=_threading(content.get("THREADING", {}), file),
    )


def _named(content: Mapping[str, Any], key: str, known: Mapping[str, _Out], file: str) -> _Out | None:
    name = content.get(key)
    return None if name is None else known[_one_of(name, tuple(known), file, key)]


def _cached(section: Any, file: str) -> CachedAttention | None:
    if section is None:
        return None
    if not (isinstance(section, dict) and set(PHASES) <= set(section) <= {*PHASES, *HABITS}):
        raise _error(
            file, "CACHED_ATTENTION", section, f"a mapping of {', '.join(PHASES)}, perhaps {', '.join(HABITS)}"
        )
    habits = {habit.lower(): _flag(section.get(habit, True), file, f"CACHED_ATTENTION.{habit}") for habit in HABITS}
    shares = dict[str, tuple[float, float]]()
    for phase in PHASES:
        found, key = section[phase], f"CACHED_ATTENTION.{phase}"
        parts = [_number(part, file, key) for part in found] if isinstance(found, list) else []
        if len(parts) != 2 or not all(0 < part <= 1 for part in parts):
            raise _error(file, key, found, "two shares, of the peak and of the bandwidth, above 0 and at most 1")
        shares[phase] = parts[0], parts[1]
    return CachedAttention(tiling.PREFILL, tiling.DECODE, shares["PREFILL"], shares["DECODE"], **habits)


def _cached_yaml(cached: CachedAttention | None) -> dict[str, Any]:
    if cached is None:
        return {}
    shares = cached.prefill_shares, cached.decode_shares
    found: dict[str, Any] = {
        phase: [_rounded(share) for share in own] for phase, own in zip(PHASES, shares, strict=True)
    }
    return found | {habit: False for habit in HABITS if not getattr(cached, habit.lower())}


def _domain(section: Any, file: str) -> Domain:
    if not isinstance(section, dict):
        raise _error(file, "DOMAIN", section, "a mapping of ranges")
    names = {field.upper(): field for field in Domain._fields}
    found: dict[str, tuple[int, int]] = {}
    for key, ends in section.items():
        if key not in names:
            raise _error(file, f"DOMAIN.{key}", ends, f"one of {', '.join(names)}")
        if not (isinstance(ends, list) and len(ends) == 2 and all(type(end) is int and end > 0 for end in ends)):
            raise _error(file, f"DOMAIN.{key}", ends, "two whole numbers above 0")
        found[names[key]] = (min(ends), max(ends))
    return Domain(**found)


def _threading(section: Any, file: str) -> Threading:
    found = _numbers(section, file, "THREADING")
    for key in found:
        if key not in THREADING:
            raise _error(file, f"THREADING.{key}", found[key], f"one of {', '.join(THREADING)}")
    words = {field: found.get(key, 0.0) for key, field in THREADING.items()}
    return replace(Threading(**words), clock=words["clock"] * 1e6 or None)


def _threading_yaml(threading: Threading) -> dict[str, float]:
    words = {key: getattr(threading, field) or 0.0 for key, field in THREADING.items()}
    words["CLOCK_MHZ"] /= 1e6
    return {key: _rounded(value) for key, value in words.items() if value}


def _carried(section: Any, file: str) -> Mapping[str, Carried]:
    if not isinstance(section, dict):
        raise _error(file, "CARRIED", section, "a mapping of devices")
    found = {}
    for name, item in section.items():
        place = f"CARRIED.{name}"
        if not (isinstance(item, dict) and set(item) == {"ERROR", "INTERVAL", "NETWORKS"}):
            raise _error(file, place, item, "ERROR, INTERVAL and NETWORKS")
        interval = _interval(item["INTERVAL"], file, f"{place}.INTERVAL")
        error = _number(item["ERROR"], file, f"{place}.ERROR")
        found[str(name)] = Carried(error, interval, _whole(item["NETWORKS"], file, f"{place}.NETWORKS"))
    return Frozen(found)


def _interval(bounds: Any, file: str, key: str) -> tuple[float, float] | None:
    if bounds is None:
        return None
    if not (isinstance(bounds, list) and len(bounds) == 2):
        raise _error(file, key, bounds, "two positive numbers")
    low, high = (_number(bound, file, key) for bound in bounds)
    if not 0 < low <= high:
        raise _error(file, key, bounds, "two positive numbers, the lower first")
    return low, high


def _interval_yaml(interval: tuple[float, float] | None) -> list[float] | None:
    return None if interval is None else [_rounded(bound) for bound in interval]


def _launches(section: Any, file: str) -> Mapping[str, float]:
    """Seconds by class, from microseconds by class or one number for all."""
    if not isinstance(section, dict):
        section = dict.fromkeys(CLASSES, _number(section, file, "LAUNCH_US"))
    found = _by_class(section, file, "LAUNCH_US")
    return Frozen({name: value * _MICRO for name, value in found.items()})


def _launch_yaml(efficiency: Efficiency, classes: Sequence[str]) -> dict[str, float] | float:
    launches = {name: seconds / _MICRO for name, seconds in zip(classes, efficiency.launch_of(classes), strict=True)}
    if len(set(launches.values())) == 1:
        return _rounded(launches["other"])
    return {name: _rounded(value) for name, value in launches.items()}


def _classes_of(calibration: Calibration) -> tuple[str, ...]:
    """The classes that its engine tells apart."""
    return tuple(name for name in CLASSES if name not in WHOLES or name in textbook_of(calibration.engine).savings)


def _by_class(section: Any, file: str, key: str) -> dict[str, float]:
    found = _numbers(section, file, key)
    for name in found:
        if name not in CLASSES:
            raise DeviceError(
                f"{file}: {key}.{name}: unknown class{closest(name, CLASSES, 1)}; one of {', '.join(CLASSES)}"
            )
    return found


def _shares(section: Any, file: str, key: str) -> Mapping[str, float]:
    shares = _by_class(section, file, key)
    for name, share in shares.items():
        if not 0 < share <= 1:
            raise _error(file, f"{key}.{name}", share, "a share of the roof, above 0 and at most 1")
    return Frozen(shares)


def _numbers(section: Any, file: str, key: str) -> dict[str, float]:
    if not isinstance(section, dict):
        raise _error(file, key, section, "a mapping of numbers")
    return {str(name): _number(value, file, f"{key}.{name}") for name, value in section.items()}


def _number(value: Any, file: str, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not (0 <= value <= _LARGEST):
        raise _error(file, key, value, "a number of at least 0")
    return float(value)


def _flag(value: Any, file: str, key: str) -> bool:
    if not isinstance(value, bool):
        raise _error(file, key, value, "true or false")
    return value


def _part(value: Any, file: str, key: str) -> float:
    found = _number(value, file, key)
    if found > 1:
        raise _error(file, key, value, "a share, from 0 to 1")
    return found


def _whole(value: Any, file: str, key: str) -> int:
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise _error(file, key, value, "a whole number of at least 0")
    return value


def _text(value: Any, file: str, key: str) -> str:
    if not (isinstance(value, str) and value.strip()):
        raise _error(file, key, value, "a text")
    return value


def _one_of(value: Any, words: tuple[str, ...], file: str, key: str) -> str:
    if value not in words:
        raise _error(file, key, value, f"one of {', '.join(words)}")
    return str(value)


def _error(file: str, key: str, value: Any, expected: str) -> DeviceError:
    return DeviceError(f"{file}: {key}={reprlib.repr(value)}: expected {expected}")


def _rounded(value: float) -> float:
    """Four significant digits, and never up to a share of 1 that was none."""
    short = float(f"{value:.4g}")
    return short if short < 1 or value >= 1 else 0.9999
