"""The mapping in a device file: YAML as texts, lists and mappings, with one clear reason where there is none."""

from __future__ import annotations

import reprlib
from pathlib import Path
from typing import Any

import yaml

from oracle.config.strict_yaml import plain_texts

_MAX_BYTES = 1_000_000


def mapping_in(path: Path) -> dict[str, Any]:
    """The mapping a file holds.

    Raises:
        ValueError: why there is none.
    """
    try:
        if not path.is_file():
            raise ValueError("no such file")
        with path.open("rb") as stream:
            text = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    if len(text) > _MAX_BYTES:
        raise ValueError(f"larger than {_MAX_BYTES} bytes; a device is a few lines")
    content = _plainly(text)
    if content is None:
        content = _carefully(text)
    if not isinstance(content, dict):
        found = reprlib.repr(content) if content else "nothing"
        raise ValueError(f"expected a mapping of keys, found {found}")
    return content


def _plainly(raw: bytes) -> Any:
    """What nearly every file holds, in a tenth of the time; None where it takes a closer look, errors included."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return None
    # libyaml, which is in a hurry, takes a question mark where a list is and some letters that PyYAML refuses.
    return plain_texts(text) if "?" not in text and text.replace("\n", "").isprintable() else None


def _carefully(raw: bytes) -> Any:
    try:
        return yaml.load(raw, _Loader)  # noqa: S506 - safer than safe: it makes texts only
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ValueError(f"line {line}: broken YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"broken YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ValueError("broken YAML: nested too deeply") from None


class _Loader(yaml.BaseLoader):
    """YAML as texts, lists and mappings; a key that stands twice is an error, where YAML would take the last.

    The pure-Python parser on purpose: on deep nesting libyaml's overflows the C stack and ends the process.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key must be a text", problem_mark=key.start_mark)
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"{key.value!r} stands twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)
