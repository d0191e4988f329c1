"""The content of a device file, checked, and turned into a `Device`: practical units in keys, SI inside.

Scalars come as text, and the key decides what the text has to be; so nothing in a file is read as a date, an
octal or a truth value by chance.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from oracle._resources import closest
from oracle.devices.cores import CORES
from oracle.devices.model import KINDS, Cluster, Device, Figure, Host, Links, Peaks
from oracle.devices.threads import with_cores
from oracle.errors import DeviceError

# key within a section: (dtype word, SI units in one of the key's)
PEAKS = {
    "FP64_TFLOPS": ("float64", 1e12),
    "FP32_TFLOPS": ("float32", 1e12),
    "TF32_TFLOPS": ("tf32", 1e12),
    "FP16_TFLOPS": ("float16", 1e12),
    "BF16_TFLOPS": ("bfloat16", 1e12),
    "FP8_TFLOPS": ("float8", 1e12),
    "FP4_TFLOPS": ("float4", 1e12),
    "INT8_TOPS": ("int8", 1e12),
}
# key: (field of Device, SI units in one of the key's)
FIGURES = {
    "BANDWIDTH_GBPS": ("bandwidth", 1e9),
    "MEMORY_GIB": ("memory", 2.0**30),
    "SRAM_KIB": ("sram", 2.0**10),
    "FLASH_KIB": ("flash", 2.0**10),
    "FLASH_BANDWIDTH_GBPS": ("flash_bandwidth", 1e9),
    "LLC_MIB": ("llc", 2.0**20),
    "LLC_BANDWIDTH_GBPS": ("llc_bandwidth", 1e9),
    "COMPUTE_UNITS": ("compute_units", 1.0),
    "CLOCK_MHZ": ("clock", 1e6),
    "LAUNCH_US": ("launch", 1e-6),
    "POWER_W": ("power", 1.0),
    "SUSTAINED_MATRIX": ("sustained_matrix", 1.0),
    "SUSTAINED_VECTOR": ("sustained_vector", 1.0),
}
LINKS = {
    "NVLINK_GBPS": ("nvlink", 1e9),
    "NVLINK_GPUS": ("nvlink_gpus", 1.0),
    "PCIE_GBPS": ("pcie", 1e9),
    "NETWORK_GBPS": ("network", 1e9),
}
SECTIONS = {"VECTOR": "vector", "MATRIX": "matrix", "MATRIX_FP16_ACCUMULATE": "matrix_fp16_accumulate"}
_WHOLE = ("COMPUTE_UNITS", "NVLINK_GPUS")
_SHARES = ("SUSTAINED_MATRIX", "SUSTAINED_VECTOR")
_LEAST, _MOST = 1e-9, 1e12  # in the units of keys; beyond them times are nothing or without end
_FLAGS = ("true", "false")
CLUSTER = ("KIND", "COUNT", "CLOCK_MHZ")
CLUSTER_MORE = ("BOOST_MHZ",)
_KEYS = ("TITLE", "KIND", "ALIASES", "CORES", *SECTIONS, *FIGURES, "LINK", "HOST", "CALIBRATE_ONLY", "NOTES")


def parse_device(content: Mapping[str, Any], name: str, file: str) -> Device:
    """The device that a file's content describes.

    Args:
        content: the mapping in the file: texts, lists and mappings.
        name: what the device shall be called.
        file: for error messages.

    Raises:
        DeviceError: an unknown key, a value of the wrong type or range, or a missing key; the message has
            the file, the dotted key, the value and what was expected.
    """
    at = _Place(file)
    _known_keys(content, _KEYS, at)
    for key in ("TITLE", "KIND"):
        if key not in content:
            raise DeviceError(f"{file}: {key} is missing")
    fields: dict[str, Any] = {
        "name": name,
        "title": _text(content["TITLE"], at / "TITLE"),
        "kind": _one_of(content["KIND"], KINDS, at / "KIND"),
        "aliases": _names(content.get("ALIASES", []), at / "ALIASES"),
        "calibrate_only": _one_of(content.get("CALIBRATE_ONLY", "false"), _FLAGS, at / "CALIBRATE_ONLY") == "true",
    }
    if "NOTES" in content:
        fields["notes"] = _text(content["NOTES"], at / "NOTES")
    for key, field in SECTIONS.items():
        fields[field] = _peaks(content.get(key, {}), at / key)
    for key, (field, scale) in FIGURES.items():
        if key in content:
            fields[field] = _figure(content[key], scale, at / key)
    fields["links"] = _links(content.get("LINK", {}), at / "LINK")
    fields["host"] = _host(content.get("HOST"), at / "HOST")
    device = Device(**fields)
    if "CORES" in content:
        device = with_cores(device, _clusters(content["CORES"], at / "CORES"))
    if device.bandwidth is None and not device.calibrate_only:
        raise DeviceError(f"{file}: BANDWIDTH_GBPS is missing")
    if not (device.calibrate_only or device.dtypes):
        raise DeviceError(f"{file}: expected a peak in VECTOR or MATRIX, or CALIBRATE_ONLY: true")
    return device


def in_file_units(device: Device) -> dict[str, Figure]:
    """Every figure of a device by its dotted key in a device file, in the unit that the key names."""
    figures: dict[str, Figure] = {}
    for section, field in SECTIONS.items():
        peaks: Peaks = getattr(device, field)
        for key, (dtype, scale) in PEAKS.items():
            if dtype in peaks:
                figures[f"{section}.{key}"] = _rescaled(peaks[dtype], scale)
    for key, (field, scale) in FIGURES.items():
        figure: Figure | None = getattr(device, field)
        if figure is not None:
            figures[key] = _rescaled(figure, scale)
    for key, (field, scale) in LINKS.items():
        figure = getattr(device.links, field)
        if figure is not None:
            figures[f"LINK.{key}"] = _rescaled(figure, scale)
    return figures


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in a file we are, for messages."""

    file: str
    key: str = ""

    def __truediv__(self, key: str) -> _Place:
        return _Place(self.file, f"{self.key}.{key}" if self.key else key)

    def error(self, value: object, expected: str) -> DeviceError:
        return DeviceError(f"{self.file}: {self.key}={reprlib.repr(value)}: expected {expected}")


def _known_keys(content: Mapping[str, Any], known: Iterable[str], at: _Place) -> None:
    for key in content:
        if key not in known:
            shown = " ".join(key[:80].split())
            near = closest(shown, list(known), 1) or f"; expected one of {', '.join(known)}"
            raise DeviceError(f"{at.file}: {(at / shown).key}: unknown key{near}")


def _text(value: object, at: _Place) -> str:
    if not (isinstance(value, str) and value.strip()):
        raise at.error(value, "a text")
    return " ".join(value.split())


def _one_of(value: object, words: tuple[str, ...], at: _Place) -> str:
    if not (isinstance(value, str) and value in words):
        raise at.error(value, f"one of {', '.join(words)}")
    return value


def _names(value: object, at: _Place) -> tuple[str, ...]:
    if not (isinstance(value, list) and all(isinstance(name, str) and name for name in value)):
        raise at.error(value, "a list of names")
    return tuple(value)


def _clusters(section: object, at: _Place) -> tuple[Cluster, ...]:
    if not (isinstance(section, list) and section):
        raise at.error(section, "a list of {KIND, COUNT, CLOCK_MHZ}")
    return tuple(_cluster(entry, _Place(at.file, f"{at.key}[{index}]")) for index, entry in enumerate(section))


def _cluster(entry: object, at: _Place) -> Cluster:
    if not isinstance(entry, dict):
        raise at.error(entry, "a mapping of KIND, COUNT and CLOCK_MHZ")
    _known_keys(entry, (*CLUSTER, *CLUSTER_MORE), at)
    for key in CLUSTER:
        if key not in entry:
            raise DeviceError(f"{at.file}: {at.key}.{key} is missing")
    kind = entry["KIND"]
    if not (isinstance(kind, str) and kind in CORES):
        near = closest(str(kind), list(CORES), 3) or f"; expected one of {', '.join(CORES)}"
        raise DeviceError(f"{at.file}: {at.key}.KIND={reprlib.repr(kind)} is no micro-architecture known here{near}")
    count = entry["COUNT"]
    if not (isinstance(count, str) and count.isdecimal() and 0 < int(count) <= 4096):
        raise (at / "COUNT").error(count, "a whole number of cores")
    boost = _figure(entry["BOOST_MHZ"], 1e6, at / "BOOST_MHZ") if "BOOST_MHZ" in entry else None
    return Cluster(kind, int(count), _figure(entry["CLOCK_MHZ"], 1e6, at / "CLOCK_MHZ"), boost)


def _host(entry: object, at: _Place) -> Host | None:
    if entry is None:
        return None
    parts = entry if isinstance(entry, list) and len(entry) == 2 else (entry, "unsourced")
    words = [" ".join(part.split()) for part in parts if isinstance(part, str)]
    if len(words) != len(parts) or not all(words):
        raise at.error(entry, 'the name of a processor, or [name, "source"]')
    return Host(*words)


def _peaks(section: object, at: _Place) -> Peaks:
    if not isinstance(section, dict):
        raise at.error(section, "a mapping of figures")
    _known_keys(section, PEAKS, at)
    stated = ((key, *PEAKS[key]) for key in PEAKS if key in section)
    return Peaks(tuple((dtype, _figure(section[key], scale, at / key)) for key, dtype, scale in stated))


def _links(section: object, at: _Place) -> Links:
    if not isinstance(section, dict):
        raise at.error(section, "a mapping of figures")
    _known_keys(section, LINKS, at)
    stated = {field: _figure(section[key], scale, at / key) for key, (field, scale) in LINKS.items() if key in section}
    if ("nvlink" in stated) != ("nvlink_gpus" in stated):
        raise at.error(section, "both NVLINK_GBPS and NVLINK_GPUS, or neither")
    return Links(**stated)


def _figure(entry: object, scale: float, at: _Place) -> Figure:
    whole = at.key.endswith(_WHOLE)
    value, source = entry if isinstance(entry, list) and len(entry) == 2 else (entry, "unsourced")
    try:
        number = float(value) if isinstance(value, str) else math.nan
    except ValueError:
        number = math.nan
    si = number * scale
    if not (0 < si < math.inf and isinstance(source, str) and source.strip()) or (whole and not si.is_integer()):
        raise at.error(entry, f'a positive {"whole " * whole}number, or [number, "source"]')
    if not _LEAST <= number <= _MOST:
        raise at.error(entry, f"a number from {_LEAST:g} to {_MOST:g}")
    if number > 1 and at.key in _SHARES:
        raise at.error(entry, "a share, at most 1")
    return Figure(si, " ".join(source.split()))


def _rescaled(figure: Figure, scale: float) -> Figure:
    # the division leaves noise in the last digits of a double; no figure is known to twelve
    return Figure(float(f"{figure.value / scale:.12g}"), figure.source)
