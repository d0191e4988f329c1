"""YAML as data only: nothing executed, nothing ambiguous, nothing that explodes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from oracle.errors import ConfigError

__all__ = ["parse_yaml"]

_MAX_NODES = 100_000  # after aliases are expanded
_MAX_NESTING = 20
_TAG = "tag:yaml.org,2002:"


def parse_yaml(text: str, file: str = "") -> Any:
    """YAML text as plain data: no tags, no repeated keys, no dates, octals or base-60 numbers.

    Raises:
        ConfigError: broken, ambiguous or oversized YAML, with the line.
    """
    try:
        # The flat scan comes first, so that the recursive loader meets nothing deep or huge.
        scan = _Scan(file)
        for event in yaml.parse(text, _Loader):
            scan.see(event)
        loader = _Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except ConfigError:
        raise
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ConfigError(f"{line}broken YAML: {error.problem}", file=file) from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: an integer of thousands of digits
        raise ConfigError(f"broken YAML: {str(error).splitlines()[0]}", file=file) from None


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Safe YAML that takes `5e-5` for a number, and only decimals for numbers.

    YAML 1.1 would read 010 as 8, 3:20 as 200 and 2020-01-01 as a date; here these stay text.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own name and kind of class attribute
        first: [(tag, pattern) for tag, pattern in resolvers if tag[len(_TAG) :] not in ("int", "float", "timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(f"{_TAG}int", re.compile(r"[-+]?(?:0|[1-9][0-9_]*)$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    f"{_TAG}float",
    re.compile(
        r"""(?: [-+]?(?: [0-9][0-9_]*\.[0-9]*(?:[eE][-+]?[0-9]+)?
                       | \.[0-9]+(?:[eE][-+]?[0-9]+)?
                       | [0-9][0-9_]*[eE][-+]?[0-9]+
                       | \.(?:inf|Inf|INF) )
              | \.(?:nan|NaN|NAN) )$""",
        re.VERBOSE,
    ),
    list("-+0123456789."),
)


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end the scan has not seen yet."""

    is_map: bool
    anchor: str | None = None
    size: int = 1
    key_next: bool = True
    keys: set[str] = field(default_factory=set)


class _Scan:
    """One pass over parser events that refuses what yaml would swallow or choke on."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.stack = [_Open(is_map=False)]
        self.sizes: dict[str, int] = {}  # anchor -> values behind it, aliases expanded

    def see(self, event: yaml.Event) -> None:
        """Take note of one event.

        Raises:
            ConfigError: it makes the text ambiguous, deep or huge; the line is named.
        """
        if isinstance(event, yaml.CollectionEndEvent):
            done = self.stack.pop()
            self._add(event, done.size, done.anchor)
        elif isinstance(event, yaml.AliasEvent):
            self._place(event)
            if event.anchor not in self.sizes:
                raise self._complaint(event, f"the alias *{event.anchor} stands before or inside what it names")
            self._add(event, self.sizes[event.anchor], None)
        elif isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent)):
            self._place(event)
            if event.tag is not None:
                raise self._complaint(event, f"the tag {event.tag} has no use in a config")
            if isinstance(event, yaml.ScalarEvent):
                self._add(event, 1, event.anchor)
            elif len(self.stack) > _MAX_NESTING:
                raise self._complaint(event, f"nested deeper than {_MAX_NESTING} levels")
            else:
                self.stack.append(_Open(isinstance(event, yaml.MappingStartEvent), event.anchor))

    def _place(self, event: yaml.NodeEvent) -> None:
        """Check a key of a mapping, and keep count of keys and values."""
        top = self.stack[-1]
        if top.is_map and top.key_next:
            if not isinstance(event, yaml.ScalarEvent):
                raise self._complaint(event, "a key must be a plain word")
            if event.value in top.keys:
                raise self._complaint(event, f"the key {event.value} stands twice in one mapping")
            top.keys.add(event.value)
        top.key_next = not top.key_next

    def _add(self, event: yaml.Event, size: int, anchor: str | None) -> None:
        if anchor:
            self.sizes[anchor] = size
        self.stack[-1].size += size
        if self.stack[-1].size > _MAX_NODES:
            raise self._complaint(event, f"more than {_MAX_NODES} values")

    def _complaint(self, event: yaml.Event, problem: str) -> ConfigError:
        line = f"line {event.start_mark.line + 1}: " if event.start_mark else ""
        return ConfigError(line + problem, file=self.file)
