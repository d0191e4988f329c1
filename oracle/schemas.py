"""JSON Schemas of the files that people write: networks, devices, calibrations.

Editors complete and check YAML by them (draft 7, which the YAML language server knows best). They are made from the
tables by which the parsers read the files, so that a key cannot be in one and not in the other. A file that a schema
accepts can still be refused: relations between keys, such as lists of one length, are the loader's to check.

`oracle.search.schemas` has those of spaces and studies.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

Schema = dict[str, Any]

DRAFT = "http://json-schema.org/draft-07/schema#"
_LARGEST = 2**53  # what a config's numbers are bounded by: beyond it float64 arithmetic on sizes is not exact


def network_schema() -> Schema:
    """The JSON Schema of a network config, as a new mapping.

    Examples:
        >>> from oracle.schemas import network_schema
        >>> network_schema()["properties"]["COST"]["properties"]["BATCH_SIZE"]["default"]
        1
    """
    from oracle.config.descriptions import SECTIONS
    from oracle.config.files import BASE_KEY
    from oracle.config.schema import DEFAULTS, IGNORED, OPEN_SECTIONS, TRAINING_ONLY

    base = {"anyOf": [{"type": "string"}, array({"type": "string"})], "description": _BASE}
    properties: Schema = {BASE_KEY: base}
    choices = _network_choices()
    for section, keys in DEFAULTS.items():
        content = {name: _network_key(f"{section}.{name}", value, choices) for name, value in keys.items()}
        properties[section] = closed(content, SECTIONS.get(section, ""), more=section in OPEN_SECTIONS)
    for name in sorted((*TRAINING_ONLY, *(key for key in IGNORED if "." not in key))):
        properties[name] = {"description": "pycls's, of training; any content, and no cost depends on it."}
    return {"$schema": DRAFT, "title": "Network config", **closed(properties)}


_BASE = (
    "A file, relative to this one, or a shipped network whose keys this file changes; or a list, a later one winning."
)


def _network_choices() -> Mapping[str, Collection[str]]:
    """Dotted key -> the words that it may hold, where there are few."""
    from oracle.config.schema import CHOICES
    from oracle.families import FAMILIES
    from oracle.families._cells import ACTIVATIONS
    from oracle.families.anynet import BLOCKS, STEM_STRIDES
    from oracle.families.resnet import TRANSFORMS
    from oracle.families.vit import CLASSIFIERS, STEMS

    cells: dict[str, Collection[str]] = {f"{section}.STEM_TYPE": STEM_STRIDES for section in ("ANYNET", "REGNET")}
    cells |= {f"{section}.BLOCK_TYPE": BLOCKS for section in ("ANYNET", "REGNET")}
    return {
        **CHOICES,
        **cells,
        "MODEL.TYPE": FAMILIES,
        "MODEL.ACTIVATION_FUN": ACTIVATIONS,
        "RESNET.TRANS_FUN": TRANSFORMS,
        "VIT.STEM_TYPE": STEMS,
        "VIT.CLASSIFIER_TYPE": CLASSIFIERS,
    }


def _network_key(key: str, default: Any, choices: Mapping[str, Collection[str]]) -> Schema:
    from oracle.config.descriptions import KEYS
    from oracle.config.schema import LIST_ITEMS, MAPPINGS

    if key in MAPPINGS:
        names, _, words = MAPPINGS[key]
        content: Schema = {"type": "object", "propertyNames": {"pattern": f"^({names.pattern})$"}}
        content |= {"additionalProperties": one_of(words)}
    elif isinstance(default, dict):
        content = closed({name: {**_scalar(int), "default": value} for name, value in default.items()})
    elif isinstance(default, list):
        content = array(_scalar(LIST_ITEMS[key]))
    elif key in choices:
        content = one_of(choices[key])
    else:
        content = _scalar(type(default))
    described = {"description": KEYS[key]} if key in KEYS else {}
    return {**content, **described, "default": default}


def _scalar(kind: type) -> Schema:
    """The schema of a key's type; numbers are finite and at least 0, as the loader checks."""
    words = {bool: "boolean", str: "string", int: "integer", float: "number"}
    bounds = {"minimum": 0, "maximum": _LARGEST} if kind in (int, float) else {}
    return {"type": words[kind], **bounds}


def device_schema() -> Schema:
    """The JSON Schema of a device file, as a new mapping.

    Examples:
        >>> from oracle.schemas import device_schema
        >>> device_schema()["required"]
        ['TITLE', 'KIND']
    """
    from oracle.devices import KINDS
    from oracle.devices.cores import CORES
    from oracle.devices.parsing import CLUSTER, FIGURES, LINKS, PEAKS, SECTIONS

    peaks = closed(dict.fromkeys(PEAKS, _FIGURE))
    cluster = {
        "KIND": {**one_of(CORES), "description": "Micro-architecture."},
        "COUNT": {"type": "integer", "minimum": 1, "maximum": 4096, "description": "Cores."},
        "CLOCK_MHZ": {**_FIGURE, "description": "Clock of the cores, MHz."},
        "BOOST_MHZ": {**_FIGURE, "description": "Clock of one core alone, MHz."},
    }
    properties: Schema = {
        "TITLE": {"type": "string", "minLength": 1},
        "KIND": one_of(KINDS),
        "ALIASES": array({"type": "string", "minLength": 1}),
        "CORES": {**array(closed(cluster, required=CLUSTER)), "minItems": 1},
        **dict.fromkeys(SECTIONS, peaks),
        **dict.fromkeys(FIGURES, _FIGURE),
        "LINK": closed(dict.fromkeys(LINKS, _FIGURE)),
        "HOST": _NAMED,
        "CALIBRATE_ONLY": {"type": "boolean", "default": False},
        "NOTES": {"type": "string"},
    }
    described = {key: {**content, "description": _DEVICE[key]} for key, content in properties.items()}
    definitions = {"figure": _positive_or_sourced()}
    schema = closed(described, required=("TITLE", "KIND"))
    return {"$schema": DRAFT, "title": "Device", "definitions": definitions, **schema}


_FIGURE: Schema = {"allOf": [{"$ref": "#/definitions/figure"}]}  # beside a $ref, draft 7 ignores a description

_TEXT: Schema = {"type": "string", "minLength": 1}
_NAMED: Schema = {"anyOf": [_TEXT, {"type": "array", "items": [_TEXT, _TEXT], "minItems": 2, "maxItems": 2}]}

_DEVICE = {
    "TITLE": "Name for people.",
    "KIND": "What kind of device it is: whose prior serves where nothing was measured on it.",
    "ALIASES": "Other names of a shipped device.",
    "CORES": "Clusters of equal cores of a processor; VECTOR, COMPUTE_UNITS and CLOCK_MHZ follow from them.",
    "VECTOR": "Dense peaks of the ordinary ALUs (CUDA cores, SIMD units); an FMA is two FLOPs.",
    "MATRIX": "Dense peaks of tensor, matrix or systolic units; sparse figures are never peaks: halve them.",
    "MATRIX_FP16_ACCUMULATE": "Peaks of GeForce's faster, less exact mode: shown, never used.",
    "BANDWIDTH_GBPS": "Memory bandwidth, 1e9 byte/s.",
    "MEMORY_GIB": "Memory size, 2**30 byte.",
    "SRAM_KIB": "Size of a microcontroller's SRAM, which holds activations, 2**10 byte.",
    "FLASH_KIB": "Size of a microcontroller's flash, which holds weights, 2**10 byte.",
    "FLASH_BANDWIDTH_GBPS": "Bandwidth of weights, where flash has a port beside the SRAM's, 1e9 byte/s.",
    "LLC_MIB": "Size of the last-level cache, 2**20 byte.",
    "LLC_BANDWIDTH_GBPS": "Bandwidth of the last-level cache, 1e9 byte/s.",
    "COMPUTE_UNITS": "SMs, CUs or cores.",
    "CLOCK_MHZ": "Clock at which the peaks are stated, MHz.",
    "LAUNCH_US": "Measured time of one tiny kernel called alone, microseconds; no bound.",
    "POWER_W": "Power, W.",
    "SUSTAINED_MATRIX": "Share of MATRIX's peaks at which products compute for long, where power allows no more.",
    "SUSTAINED_VECTOR": "The same of VECTOR's peaks.",
    "LINK": "Links to other devices of the kind, GB/s in one direction, and how many GPUs NVLink joins.",
    "HOST": "The processor that launches its kernels, a device of its own, and who says so.",
    "CALIBRATE_ONLY": "No trustworthy peaks are public: measure before predicting.",
    "NOTES": "Conflicts between sources, and what else to know.",
}


def _positive_or_sourced() -> Schema:
    number = {"type": "number", "exclusiveMinimum": 0}
    pair = {"type": "array", "items": [number, {"type": "string", "minLength": 1}], "minItems": 2, "maxItems": 2}
    return {"anyOf": [number, pair], "description": "A positive number without source, or [number, source]."}


def calibration_schema() -> Schema:
    """The JSON Schema of a calibration file, as a new mapping.

    Examples:
        >>> from oracle.schemas import calibration_schema
        >>> "conv" in calibration_schema()["properties"]["COMPUTE"]["properties"]
        True
    """
    from oracle.calibration.classes import CLASSES
    from oracle.calibration.domain import Domain
    from oracle.calibration.files import (
        ATTENTION_TILINGS,
        CACHES,
        HABITS,
        PHASES,
        REQUIRED,
        THREADING,
        TILINGS,
    )
    from oracle.spec import DTYPES, ENGINES, LAYOUTS, MODES, RUNTIMES

    number = {"type": "number", "minimum": 0}
    share = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
    interval = {**array({"type": "number", "exclusiveMinimum": 0}), "minItems": 2, "maxItems": 2}
    pair = {**array(share), "minItems": 2, "maxItems": 2}
    size = {**array({"type": "integer", "minimum": 1}), "minItems": 2, "maxItems": 2}
    carried = {"ERROR": number, "INTERVAL": interval, "NETWORKS": number}
    shares, numbers = closed(dict.fromkeys(CLASSES, share)), closed(dict.fromkeys(CLASSES, number))
    text = {"type": "string", "minLength": 1}
    properties: Schema = {
        "DEVICE": text,
        "RUNTIME": one_of(RUNTIMES),
        "ENGINE": one_of(ENGINES),
        "MODE": one_of(MODES),
        "DTYPE": one_of(DTYPES),
        "LAYOUT": one_of(LAYOUTS),
        "SOURCE": text,
        "LICENCE": text,
        "DATE": {"type": "string"},
        "MEASUREMENTS": number,
        "ERROR": {"type": ["number", "null"], "minimum": 0},
        "PROTOCOL": text,
        "INTERVAL": interval,
        "ERROR_BY_FAMILY": {"type": "object", "additionalProperties": number},
        "CARRIED": {"type": "object", "additionalProperties": closed(carried, required=carried)},
        "TILING": one_of(TILINGS),
        "ATTENTION_TILING": one_of(ATTENTION_TILINGS),
        "CACHED_ATTENTION": closed(
            {**dict.fromkeys(PHASES, pair), **{habit: {"type": "boolean"} for habit in HABITS}}, required=PHASES
        ),
        "CACHE": one_of(CACHES),
        "DOMAIN": closed({name.upper(): size for name in Domain._fields}),
        "LAUNCH_US": {"anyOf": [number, numbers]},
        "CALL_US": number,
        "FLOOR_US": number,
        "DISPATCH_US": number,
        "COMPUTE": shares,
        "MEMORY": shares,
        "WEIGHTS": shares,
        "SAVINGS": {"type": "object", "additionalProperties": number},
        "OVERLAP": number,
        "THREADING": closed(dict.fromkeys(THREADING, number)),
    }
    described = {key: {**content, "description": _CALIBRATION[key]} for key, content in properties.items()}
    return {"$schema": DRAFT, "title": "Calibration", **closed(described, required=REQUIRED)}


_CALIBRATION = {
    "DEVICE": "Name of the device that was measured, or a kind of device, of which the file is the prior.",
    "RUNTIME": "Who ran the networks.",
    "ENGINE": "Which engine, where RUNTIME is engine; generic if absent.",
    "MODE": "Forward passes or training steps.",
    "DTYPE": "Type that the networks computed in.",
    "LAYOUT": "Memory order of images.",
    "SOURCE": "Who measured what.",
    "LICENCE": "Of the measurements.",
    "DATE": "Of the fit.",
    "MEASUREMENTS": "How many latencies were fitted.",
    "ERROR": "Mean relative error on networks that the fit had not seen; 0.06 is 6 %.",
    "PROTOCOL": "How the error was found, such as leave-family-out.",
    "INTERVAL": "Lower and upper end of measured / predicted, in 80 % of cases.",
    "ERROR_BY_FAMILY": "Mean relative error by family of networks.",
    "CARRIED": "Errors where a calibration measured on another device was carried over to this one, by that device.",
    "TILING": "How matrix products are cut into tiles; absent where their sizes do not matter.",
    "ATTENTION_TILING": "The same of attention.",
    "CACHED_ATTENTION": "Shares of peak and bandwidth that attention over a cache reaches, of many queries and of one.",
    "CACHE": "When products and attention find their operands in the last-level cache; never if absent.",
    "DOMAIN": "Ranges of what was measured; absent where nothing limits them.",
    "LAUNCH_US": "Microseconds per kernel, by class of kernel or one number for all.",
    "CALL_US": "Microseconds per call.",
    "FLOOR_US": "Microseconds that every kernel takes at least.",
    "DISPATCH_US": "Microseconds per kernel on the host, while the device works on others; 0 if absent.",
    "COMPUTE": "Share of the peak that is reached, by class of kernel.",
    "MEMORY": "Share of the bandwidth that is reached, by class of kernel.",
    "WEIGHTS": "Share of the bandwidth at which weights come; that of MEMORY where absent.",
    "SAVINGS": "How many times fewer multiplications than FLOPs are counted run, as by Winograd; 1 where absent.",
    "OVERLAP": "Share of the shorter of computing and moving that does not hide behind the longer; 0 if absent.",
    "THREADING": "What threads and the clock change; see oracle.calibration.threading.",
}


def text_of(schema: Mapping[str, Any]) -> str:
    """A schema as the text of a JSON file."""
    import json

    return f"{json.dumps(schema, indent=2, ensure_ascii=False)}\n"


def closed(
    properties: Mapping[str, Any], description: str = "", *, required: Iterable[str] = (), more: bool = False
) -> Schema:
    """A mapping of known keys.

    Args:
        properties: key -> schema of its value.
        description: shown by editors.
        required: keys that have to be there.
        more: whether other keys may be there, too.
    """
    needed = list(required)
    return {
        "type": "object",
        **({"description": description} if description else {}),
        "properties": dict(properties),
        **({"required": needed} if needed else {}),
        **({} if more else {"additionalProperties": False}),
    }


def array(items: Mapping[str, Any]) -> Schema:
    """A list of equal items."""
    return {"type": "array", "items": dict(items)}


def one_of(words: Iterable[str]) -> Schema:
    """One of several words."""
    return {"enum": list(words)}


def texts() -> Schema:
    """A list of texts, or one text that stands for a list of it alone."""
    text = {"type": "string"}
    return {"anyOf": [text, array(text)]}
