"""YAML as data only: nothing executed, nothing ambiguous, nothing that explodes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml

from oracle.errors import ConfigError

_MAX_NODES = 100_000  # after aliases are expanded
_MAX_NESTING = 20
_TAG = "tag:yaml.org,2002:"


def parse_yaml(text: str, file: str = "") -> Any:
    """YAML text as plain data: no tags, no repeated keys, no dates, octals or base-60 numbers.

    Raises:
        ConfigError: broken, ambiguous or oversized YAML, with the line.
    """
    try:
        # The flat scan comes first, so that the recursive loader meets nothing deep or huge. Mostly it says it all.
        scan = _scanned(text, file, _value)
        return scan.data if scan.complete else _loaded(text)
    except ConfigError:
        raise
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ConfigError(f"{line}broken YAML: {error.problem}", file=file) from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: an integer of thousands of digits
        raise ConfigError(f"broken YAML: {str(error).splitlines()[0]}", file=file) from None


def plain_texts(text: str) -> Any:
    """The mappings and lists of YAML text with every scalar as text; None where it is anything but plain.

    Plain is one document that `parse_yaml` takes, without anchors and aliases.
    """
    try:
        scan = _scanned(text, "", lambda _, event: event.value)
    except (ConfigError, yaml.YAMLError):
        return None
    return scan.data if scan.complete else None


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


_CONSTRUCTORS = {
    f"{_TAG}{kind}": _Loader.yaml_constructors[f"{_TAG}{kind}"] for kind in ("bool", "float", "int", "null")
}


def _loaded(text: str) -> Any:
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _value(loader: Any, event: yaml.ScalarEvent) -> Any:
    """What the loader makes of a scalar without a tag.

    Raises:
        ValueError: more than a text, a number, a truth value or nothing; or a number that is none.
    """
    text: str = event.value
    if event.implicit[0]:  # not quoted
        for tag, pattern in _Loader.yaml_implicit_resolvers.get(text[:1], ()):
            if pattern.match(text):
                if tag not in _CONSTRUCTORS:
                    raise ValueError(text)
                return _CONSTRUCTORS[tag](loader, yaml.ScalarNode(tag, text))
    return text


def _scanned(text: str, file: str, value_of: Callable[[Any, yaml.ScalarEvent], Any]) -> _Scan:
    loader = _Loader(text)
    scan = _Scan(file, loader, value_of)
    try:
        while loader.check_event():
            scan.see(loader.get_event())
    finally:
        loader.dispose()
    return scan


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end the scan has not seen yet."""

    made: Any
    is_map: bool
    anchor: str | None = None
    size: int = 1
    key_next: bool = True
    key: Any = None
    keys: set[str] = field(default_factory=set)


class _Scan:
    """One pass over parser events that refuses what yaml would swallow or choke on, and makes data of the others."""

    def __init__(self, file: str, loader: Any, value_of: Callable[[Any, yaml.ScalarEvent], Any]) -> None:
        self.file = file
        self.loader = loader
        self.value_of = value_of
        self.stack = [_Open([], is_map=False)]
        self.sizes: dict[str, int] = {}  # anchor -> values behind it, aliases expanded
        self.plain = True

    @property
    def complete(self) -> bool:
        """Whether `data` is what the loader would return; it has to be requested where not."""
        return self.plain and len(self.stack[0].made) < 2

    @property
    def data(self) -> Any:
        """The document; None where there is none."""
        documents = self.stack[0].made
        return documents[0] if documents else None

    def see(self, event: Any) -> None:
        """Take note of one event.

        Raises:
            ConfigError: it makes the text ambiguous, deep or huge; the line is named.
        """
        kind = type(event)
        if kind is yaml.ScalarEvent:
            is_key = self._place(event)
            self._refuse_tag(event)
            try:
                value = self.value_of(self.loader, event)
            except ValueError:
                self.plain, value = False, None
            if is_key:
                self.stack[-1].key = value
            else:
                self._put(value)
            self._add(event, 1, event.anchor)
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            self._place(event)
            self._refuse_tag(event)
            if len(self.stack) > _MAX_NESTING:
                raise self._complaint(event, f"nested deeper than {_MAX_NESTING} levels")
            is_map = kind is yaml.MappingStartEvent
            made: Any = {} if is_map else []
            self._put(made)
            self.stack.append(_Open(made, is_map, event.anchor))
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            done = self.stack.pop()
            self._add(event, done.size, done.anchor)
        elif kind is yaml.AliasEvent:
            self.plain = False
            self._place(event)
            if event.anchor not in self.sizes:
                raise self._complaint(event, f"the alias *{event.anchor} stands before or inside what it names")
            self._add(event, self.sizes[event.anchor], None)

    def _place(self, event: yaml.NodeEvent) -> bool:
        """Check a key of a mapping, and keep count of keys and values; says whether it is a key."""
        top = self.stack[-1]
        is_key = top.is_map and top.key_next
        if is_key:
            if not isinstance(event, yaml.ScalarEvent):
                raise self._complaint(event, "a key must be a plain word")
            if event.value in top.keys:
                raise self._complaint(event, f"the key {event.value} stands twice in one mapping")
            top.keys.add(event.value)
        top.key_next = not top.key_next
        return is_key

    def _refuse_tag(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        if event.tag is not None:
            raise self._complaint(event, f"the tag {event.tag} has no use in a config")

    def _put(self, value: Any) -> None:
        """Put a value where it belongs."""
        top = self.stack[-1]
        if top.is_map:
            top.made[top.key] = value
        else:
            top.made.append(value)

    def _add(self, event: yaml.Event, size: int, anchor: str | None) -> None:
        if anchor:
            self.plain = False
            self.sizes[anchor] = size
        self.stack[-1].size += size
        if self.stack[-1].size > _MAX_NODES:
            raise self._complaint(event, f"more than {_MAX_NODES} values")

    def _complaint(self, event: yaml.Event, problem: str) -> ConfigError:
        line = f"line {event.start_mark.line + 1}: " if event.start_mark else ""
        return ConfigError(line + problem, file=self.file)
