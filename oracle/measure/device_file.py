"""A device as the YAML text that `oracle.load_device` reads."""

from __future__ import annotations

import json

from oracle.devices import Device, in_file_units


def device_yaml(device: Device) -> str:
    """The text of a device file: every figure with its source. The file's name becomes the device's."""
    lines = [f"TITLE: {_quoted(device.title)}", f"KIND: {device.kind}"]
    if device.aliases:
        lines.append(f"ALIASES: [{', '.join(map(_quoted, device.aliases))}]")
    section = ""
    for key, figure in in_file_units(device).items():
        prefix, _, name = key.rpartition(".")
        if prefix and prefix != section:
            lines.append(f"{prefix}:")
        section = prefix
        indent = "  " if prefix else ""
        lines.append(f"{indent}{name}: [{figure.value:.6g}, {_quoted(figure.source)}]")
    if device.calibrate_only:
        lines.append("CALIBRATE_ONLY: true")
    if device.notes:
        lines.append(f"NOTES: {_quoted(device.notes)}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A YAML double-quoted scalar: JSON's escapes are YAML's."""
    return json.dumps(" ".join(text.split()), ensure_ascii=False)
