"""Pages that are made when the site is built: never out of date, and in no repository.

mkdocs calls `on_config` and `on_files`. Each page is made of what the code itself reads: parsers, schemas, device files,
calibrations.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import oracle
import search
from oracle._resources import shipped
from oracle.calibration import load_calibration
from oracle.cli._parser import parser as oracle_parser
from oracle.devices import in_file_units
from oracle.schemas import calibration_schema, device_schema, network_schema
from oracle.search.cli._parser import parser as search_parser
from oracle.search.schemas import space_schema, study_schema


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Give pages of the top folder that the navigation does not name a section of their own."""
    listed = set(_paths(config.nav))
    more = sorted(page.name for page in Path(config.docs_dir).glob("*.md") if page.name not in listed)
    if more and config.nav is not None:
        config.nav.insert(3, {"Topics": more})
    return config


def _paths(nav: Any) -> Iterable[str]:
    """Every page that a navigation names."""
    if isinstance(nav, str):
        yield nav
    elif isinstance(nav, dict):
        for inner in nav.values():
            yield from _paths(inner)
    else:
        for inner in nav or ():
            yield from _paths(inner)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the reference."""
    for path, page in PAGES.items():
        files.append(File.generated(config, f"reference/{path}.md", content=page()))
    return files


def cli() -> str:
    """Every command of both programs, with its help."""
    codes = (
        "Exit codes: 0; 2 after one line that says what to correct; 1 for a defect; 130 when interrupted; 141 when the "
        "reader of a pipe has gone."
    )
    lines = ["# Command line", "", codes, ""]
    for parser in (oracle_parser(), search_parser()):
        lines += [f"## {parser.prog}", ""]
        for name, command in _commands(parser).items():
            lines += [f"### {parser.prog} {name}", "", "```text", command.format_help().rstrip(), "```", ""]
    return "\n".join(lines)


def _commands(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    (added,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return added.choices


def config() -> str:
    """Every key of every kind of file."""
    schemas = {
        "Networks": network_schema(),
        "Devices": device_schema(),
        "Calibrations": calibration_schema(),
        "Design spaces": space_schema(),
        "Studies": study_schema(),
    }
    lines = [
        "# Config keys",
        "",
        "Made from the JSON Schemas that `oracle schema` and `oracle-search schema` print.",
        "",
    ]
    for title, schema in schemas.items():
        rows = list(_keys(schema["properties"], schema.get("definitions", {})))
        lines += [f"## {title}", "", *_table(("key", "type", "default", "meaning"), rows), ""]
    return "\n".join(lines)


def _keys(properties: Mapping[str, Any], definitions: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, ...]]:
    for name, content in properties.items():
        inner = content.get("properties")
        if inner and len(prefix) < 40:
            yield f"**`{prefix}{name}`**", "section", "", content.get("description", "")
            yield from _keys(inner, definitions, f"{prefix}{name}.")
            continue
        default = f"`{json.dumps(content['default'])}`" if "default" in content else ""
        yield f"`{prefix}{name}`", _type(content, definitions), default, content.get("description", "")


def _type(content: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """A type in words."""
    if "$ref" in content:
        return content["$ref"].rpartition("/")[2].replace("_", " ")
    if "enum" in content:
        words = [json.dumps(word) if word == "" else str(word) for word in content["enum"]]
        return ", ".join(words) if len(words) <= 12 else f"one of {len(words)}, such as {', '.join(words[:4])}"
    if "const" in content:
        return str(content["const"])
    for several in ("anyOf", "allOf"):
        if several in content:
            return " or ".join(dict.fromkeys(_type(one, definitions) for one in content[several]))
    if content.get("type") == "array":
        items = content.get("items", {})
        return "pair" if isinstance(items, list) else f"list of {_type(items, definitions)}"
    kind = content.get("type", "anything")
    return " or ".join(kind) if isinstance(kind, list) else {"object": "mapping"}.get(kind, kind)


def devices() -> str:
    """Every shipped device with its main figures."""
    rows = []
    for name in oracle.list_devices():
        device = oracle.load_device(name)
        figures = in_file_units(device)
        keys = (
            "VECTOR.FP32_TFLOPS",
            "MATRIX.FP16_TFLOPS",
            "MATRIX.INT8_TOPS",
            "BANDWIDTH_GBPS",
            "MEMORY_GIB",
            "POWER_W",
        )
        shown = [figures.get(key) for key in keys]
        values = ["" if one is None else f"{one.value:.4g}{' *' if one.unsourced else ''}" for one in shown]
        rows.append((f"`{name}`", device.title, device.kind, *values))
    head = ("name", "device", "kind", "FP32 TFLOP/s", "FP16 matrix TFLOP/s", "INT8 matrix TOP/s", "GB/s", "GiB", "W")
    note = f"{len(rows)} devices ship. Peaks are dense. A star marks figures without a checked source; `oracle devices NAME`\nshows each figure with its source."
    return "\n".join(["# Devices", "", note, "", *_table(head, rows), ""])


def calibrations() -> str:
    """Every shipped calibration with its error."""
    rows = []
    for file in shipped("calibrations").values():
        found = load_calibration(file)
        error = "" if found.error is None else f"{100 * found.error:.1f} %"
        interval = "" if found.interval is None else " to ".join(f"{100 * (end - 1):+.0f} %" for end in found.interval)
        runner = found.runtime if found.engine == "generic" else found.engine
        words = (runner, found.mode, found.dtype, found.layout)
        rows.append(
            (f"`{found.device}`", *words, str(found.measurements), error, interval, found.protocol, found.origin.source)
        )
    head = (
        "device or kind",
        "run by",
        "mode",
        "dtype",
        "layout",
        "measured",
        "error",
        "80 % of cases",
        "found by",
        "source",
    )
    note = "Error: mean relative error on networks that the fit had not seen. Empty: nobody measured it."
    return "\n".join(["# Calibrations", "", note, "", *_table(head, sorted(rows)), ""])


def networks() -> str:
    """Every shipped network with its main costs."""
    rows = []
    for name in oracle.list_networks():
        cost = oracle.score(name, [])
        cfg = oracle.load_cfg(name)
        rows.append(
            (
                f"`{name}`",
                cfg.MODEL.TYPE,
                f"{cost.macs / 1e9:.3f}",
                f"{cost.params / 1e6:.2f}",
                f"{cost.activations / 1e6:.2f}",
            )
        )
    head = ("name", "family", "GMACs per call", "parameters, M", "activations, M")
    note = "A call is one image; of a decoder, a prompt of 512 tokens that has scores of its last."
    return "\n".join(["# Networks", "", note, "", *_table(head, rows), ""])


def python() -> str:
    """The public names, by mkdocstrings; by where they are defined, as some modules have the name of a function."""
    lines = ["# Python API", ""]
    for package in (oracle, search):
        lines += [f"## {package.__name__ if package is oracle else 'oracle.search'}", ""]
        for name in sorted(package.__all__, key=str.lower):
            found = getattr(package, name)
            if not isinstance(found, ModuleType):
                module = found.__module__.replace("oracle.search", "search")
                lines += [f"::: {module}.{found.__qualname__}", ""]
    return "\n".join(lines)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    cells = [list(head), *map(list, rows)]
    lines = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in cells]
    return [lines[0], f"|{'---|' * len(cells[0])}", *lines[1:]]


PAGES: dict[str, Callable[[], str]] = {
    "cli": cli,
    "config": config,
    "python": python,
    "devices": devices,
    "networks": networks,
    "calibrations": calibrations,
}
