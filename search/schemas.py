"""JSON Schemas of design spaces and studies; `oracle.schemas` has those of what they are made of, and says what for."""

from __future__ import annotations

from typing import Any

from oracle.schemas import DRAFT, array, closed, network_schema, one_of, texts

Schema = dict[str, Any]

_COUNT: Schema = {"type": "number", "minimum": 0, "multipleOf": 1}  # 1e6 is a count, too
_RANGE: Schema = {**array({"type": "number"}), "minItems": 2, "maxItems": 2}


def space_schema() -> Schema:
    """The JSON Schema of a design space, as a new mapping.

    Examples:
        >>> from oracle.search.schemas import space_schema
        >>> space_schema()["required"]
        ['SETUP']
    """
    return {"$schema": DRAFT, "title": "Design space", **_space(), "definitions": _definitions()}


def study_schema() -> Schema:
    """The JSON Schema of a study, as a new mapping.

    Examples:
        >>> from oracle.search.schemas import study_schema
        >>> study_schema()["properties"]["TRIALS"]["default"]
        100
    """
    from .objectives import TYPES
    from .study.files import SAMPLERS, default_study
    from .study.pruners import PRUNERS

    defaults = default_study()
    quality = [_with_type(kind, {name: _like(value) for name, value in keys.items()}) for kind, keys in TYPES.items()]
    sampler = {
        "TYPE": one_of(SAMPLERS),
        **{name: {**_COUNT, "default": n} for name, n in defaults.SAMPLER.items() if isinstance(n, int)},
        "WARM": texts(),
    }
    pruner = [_with_type(kind, {name: _like(value) for name, value in keys.items()}) for kind, keys in PRUNERS.items()]
    special: Schema = {
        "SPACE": {"anyOf": [{"type": "string"}, {"$ref": "#/definitions/space"}]},
        "DEVICES": texts(),
        "COST": closed(_workload()),
        "MODEL": one_of(_models()),
        "CALIBRATIONS": texts(),
        "OBJECTIVES": texts(),
        "CONSTRAINTS": texts(),
        "QUALITY": {"anyOf": [one_of(TYPES), *quality]},
        "SAMPLER": {"anyOf": [one_of(SAMPLERS), closed(sampler)]},
        "PRUNER": {"anyOf": [one_of(PRUNERS), *pruner]},
    }
    properties: Schema = {}
    for key, default in defaults.items():
        content = special.get(key) or _like(default)
        described = {"description": _STUDY[key]} if key in _STUDY else {}
        plain = {} if isinstance(default, dict) else {"default": default}
        properties[key] = {**content, **described, **plain}
    definitions = {**_definitions(), "space": _space()}
    return {"$schema": DRAFT, "title": "Study", **closed(properties, required=["SPACE"]), "definitions": definitions}


_STUDY = {
    "NAME": "Of the study in its storage; the stem of the file's name where empty.",
    "SPACE": "A shipped space, a file, or a mapping with SETUP.",
    "DEVICES": "Devices that are scored in any case; those of objectives and constraints are added.",
    "COST": "The workload; what is absent is the space's.",
    "MODEL": "What predicts latency: the best model there is, calibrations only, or the lower bound (roofline).",
    "CALIBRATIONS": "Calibration files of your own, from `oracle calibrate`.",
    "OBJECTIVES": "Such as `maximise quality` and `minimise latency_ms@t4`.",
    "CONSTRAINTS": "Such as `params <= 6e6` and `latency_ms@t4 <= 5 at 90%`; the space's own hold as well.",
    "QUALITY": "How good a candidate is, evaluated once it has passed every constraint.",
    "SAMPLER": "Which algorithm of optuna suggests candidates; exact: the space is enumerated, where QUALITY is none.",
    "PRUNER": "Which evaluations stop early, by the steps that they report; hyperband and halving have rungs.",
    "STORAGE": "A journal file, or any storage URL of optuna; NAME.journal where empty.",
    "TRIALS": "Evaluated trials; failures are not counted.",
    "TIMEOUT": "Seconds of one run; 0 for no limit.",
    "SEED": "Of the sampler.",
    "PROBE": "Candidates by which the closed form estimates how rare feasible ones are.",
}


def _like(default: Any) -> Schema:
    """The schema of values like a default."""
    if isinstance(default, bool):
        return {"type": "boolean", "default": default}
    if isinstance(default, int):
        return {**_COUNT, "default": default}
    if isinstance(default, float):
        return {"type": "number", "minimum": 0, "default": default}
    return {"type": "string", "default": default}


def _with_type(kind: str, properties: Schema) -> Schema:
    """A mapping whose TYPE is one word, and whose other keys go with it."""
    return closed({"TYPE": {"const": kind}, **properties}, required=["TYPE"])


def _models() -> tuple[str, ...]:
    from oracle.query.choosing import MODELS

    return tuple(MODELS)


def _workload() -> Schema:
    from oracle.config import COST_KEYS

    keys: Schema = network_schema()["properties"]["COST"]["properties"]
    return {name: keys[name] for name in COST_KEYS}


def _space() -> Schema:
    from .space.files import SECTIONS, SETUP

    special: Schema = {
        "BASE_CFG": {"anyOf": [{"type": "string"}, {"$ref": "#/definitions/network"}]},
        "SAMPLERS": _samplers(),
        "CONSTRAINTS": _constraints(),
    }
    setup = {
        key: {**(special.get(key) or {**_COUNT, "default": default}), "description": _SETUP[key]}
        for key, default in SETUP.items()
    }
    other = {"description": "pycls's; ignored."}
    sections = {name: other for name in SECTIONS if name != "SETUP"}
    return closed({"SETUP": closed(setup), **sections}, required=["SETUP"])


_SETUP = {
    "NUM_CONFIGS": "Feasible candidates wanted; 0 for all that are found.",
    "NUM_SAMPLES": "Candidates drawn at most; a grid of no more is enumerated instead.",
    "CHUNK_SIZE": "Candidates drawn from one random stream.",
    "RNG_SEED": "Of the random streams.",
    "BASE_CFG": "What is not sampled: a shipped network, a file, or keys of a network config.",
    "SAMPLERS": "Key of a network config -> how its value is drawn.",
    "CONSTRAINTS": "Limits on what a candidate may cost.",
}


def _samplers() -> Schema:
    """SETUP.SAMPLERS: the known keys by name, for editors; keys of training as well."""
    from oracle.config.schema import DEFAULTS

    known = [f"{section}.{name}" for section, keys in DEFAULTS.items() if section != "COST" for name in keys]
    single, whole = {"$ref": "#/definitions/sampler"}, {"$ref": "#/definitions/regnet_sampler"}
    return closed({"REGNET": whole, **dict.fromkeys(known, single)}) | {
        "additionalProperties": single,
        "minProperties": 1,
    }


def _definitions() -> Schema:
    """What several places of a space refer to."""
    from .space.laws import LAWS
    from .space.parse_samplers import REGNET

    number: Schema = {"RAND_TYPE": {**one_of(LAWS), "default": "uniform"}, "RANGE": _RANGE}
    step: Schema = {"type": "number", "minimum": 0}
    values: Schema = {"type": "array", "minItems": 1}
    entry = {"$ref": "#/definitions/entry_sampler"}
    entries = [
        _with_type("int_sampler", {**number, "QUANTIZE": {**_COUNT, "default": 1}}),
        _with_type("float_sampler", {**number, "QUANTIZE": {**step, "default": 1e-5}}),
        _with_type("value_sampler", {"VALUES": values}),
        _with_type("grid_sampler", {"VALUES": values, "RANGE": _RANGE, "STEP": step}),
    ]
    lists = {"ITEM_SAMPLER": entry, "LENGTH": _COUNT, "ITEM_SAMPLERS": {**array(entry), "minItems": 1}}
    network = network_schema()
    return {
        "entry_sampler": {"anyOf": entries},
        "sampler": {"anyOf": [*entries, _with_type("list_sampler", lists)]},
        "regnet_sampler": _with_type("regnet_sampler", dict.fromkeys(REGNET, _RANGE)),
        "network": closed({key: value for key, value in network["properties"].items() if key != "_BASE_"}),
    }


def _constraints() -> Schema:
    from .space.files import CONSTRAINTS
    from .space.limits import COLUMNS

    ends = {**array({"type": "number", "minimum": 0}), "minItems": 2, "maxItems": 2}
    on_devices = {"type": "object", "additionalProperties": ends, "description": "Device -> [low, high], ms."}
    limits = {score: on_devices if score == "LATENCY_MS" else ends for score in COLUMNS}
    known = {
        "CX": closed(limits, "[low, high] per score; 0 leaves that side open."),
        "LIMITS": {**texts(), "description": "Such as `params <= 6e6` and `latency_ms@t4 <= 2 at 90%`."},
        "REGNET": closed({"NUM_STAGES": ends}, "Number of stages; [0, 0] for any, [4, 4] if absent."),
    }
    return closed({key: known[key] for key in CONSTRAINTS})
