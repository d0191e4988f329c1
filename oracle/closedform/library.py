"""The templates that ship with the package: one file per kind of cell, read group by group when requested.

A file is a line of JSON (what made it, and where each part is), with its checksum in front, then the parts: JSON,
compressed. A group holds what is likely requested together: one workload, one activation. Steps of programs are a part
that all groups share. What several workloads share is stored once:

* tf32 differs from float32, bfloat16 from float16 and float8 from int8 by the names of types only;
* weights in int8, float8, int4 or float4 alone differ by what `oracle.closedform.lightening` says;
* weights in half precision differ from float32 by what `oracle.closedform.halving` says, and a few exceptions;
* a GELU is never in place;
* an engine whose rules are those of all shares their templates, and of another those that are the same;
* none but the cells of decoders has causal attention, so that `causal` does not matter to others, and layout not to
  them;
* a batch of 1, which is traced apart (torch takes a dimension of 1 for a constant), mostly has the same closed form.

Tests hold all of this against fresh traces.
"""

from __future__ import annotations

import json
import lzma
import zlib
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from oracle.closedform.canonical import canonical_key
from oracle.closedform.codec import StepTable, key_from, unpack
from oracle.closedform.halving import Exceptions, half_key, halved
from oracle.closedform.lightening import lightened, plain_key
from oracle.closedform.template import Template, TemplateKey
from oracle.errors import MissingDependencyError, OracleError
from oracle.families.graphs import ours, structure_of
from oracle.spec import QUANTISED_WEIGHTS

BATCH_OF_ONE = ("d0", 1)
SUFFIX = ".templates"
STEPS = ""  # the name of the part that holds what all groups share
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": 1 << 22}]


class _Entry(NamedTuple):
    """What a key has: of each template the number of its content, and the formats at its ends."""

    templates: tuple[tuple[Any, ...], ...]
    covers_one: bool


class _Group(NamedTuple):
    """Entries by key, and the contents that they share, as JSON until they are requested."""

    entries: Mapping[TemplateKey, _Entry]
    contents: list[str]
    words: list[str]

    def templates(self, key: TemplateKey, entry: _Entry, steps: StepTable) -> tuple[Template, ...]:
        """The templates of an entry."""
        return tuple(
            [
                unpack(key, json.loads(self.contents[number]), ends, self.words, steps)
                for number, *ends in entry.templates
            ]
        )


class _HalfGroup(NamedTuple):
    """Entries whose templates are those of another group, halved; exceptions as JSON until they are requested.

    Attributes:
        base: the other group.
        entries: by key; of each template the number of its exceptions, then what the entry of the base says.
        contents, words: as in `_Group`.
    """

    base: _Group | _HalfGroup
    entries: Mapping[TemplateKey, _Entry]
    contents: list[str]
    words: list[str]

    def templates(self, key: TemplateKey, entry: _Entry, steps: StepTable) -> tuple[Template, ...]:
        """The templates of an entry."""
        found = []
        for number, *own in entry.templates:
            (template,) = self.base.templates(key, _Entry((tuple(own),), False), steps)
            found.append(halved(template, self._exceptions(number, template.program.symbols, steps)))
        return tuple(found)

    def _exceptions(self, number: int, symbols: tuple[str, ...], table: StepTable) -> Exceptions:
        steps, dtypes = json.loads(self.contents[number])
        places = dict(zip(steps[::2], steps[1::2], strict=True))
        program, step = table.program(symbols, places.values())
        words = [dtypes[place::3] for place in range(3)]
        return Exceptions(
            {place: step[own] for place, own in places.items()},
            {kernel: (self.words[a], self.words[b]) for kernel, a, b in zip(*words, strict=True)},
            program,
        )


_NOTHING = _Group({}, [], [])
_BROKEN = (OSError, lzma.LZMAError, ValueError, KeyError, TypeError, IndexError, RecursionError, OracleError)


class Library:
    """Shipped templates; what is damaged is not there.

    Args:
        directory: where the files are.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._index = lru_cache(maxsize=64)(self._read_index)
        self._steps = lru_cache(maxsize=64)(self._read_steps)
        self._group = lru_cache(maxsize=64)(self._read_group)

    def find(self, key: TemplateKey) -> tuple[Template, ...]:
        """The templates of a key, each for other sizes; none where nothing was shipped for it."""
        weights = dict(key.workload).get("weights")
        if weights in QUANTISED_WEIGHTS:
            return tuple([lightened(template, key, weights) for template in self.find(plain_key(key))])
        canonical, renaming = canonical_key(key)
        group = self._group(key.kind, group_of(canonical))
        entry = group.entries.get(canonical)
        if entry is None and BATCH_OF_ONE in canonical.pinned:
            rest = tuple(pin for pin in canonical.pinned if pin != BATCH_OF_ONE)
            general = group.entries.get(canonical._replace(pinned=rest))
            entry = general if general is not None and general.covers_one else None
        if entry is None:
            return ()
        try:
            templates = group.templates(canonical, entry, self._steps(key.kind))
            return tuple([renaming.of(key, template) for template in templates])
        except _BROKEN:
            return ()

    def kinds(self) -> tuple[str, ...]:
        """The kinds that ship."""
        return tuple(sorted(path.stem for path in self._directory.glob(f"*{SUFFIX}")))

    def keys(self, kind: str) -> tuple[TemplateKey, ...]:
        """The canonical keys of a kind."""
        return tuple(key for name in self._index(kind)[0] if name for key in self._group(kind, name).entries)

    def header(self, kind: str) -> Mapping[str, Any]:
        """What the file of a kind says of itself; empty where there is none."""
        return self._read_header(kind)[0]

    def _read_header(self, kind: str) -> tuple[Mapping[str, Any], int]:
        try:
            with (self._directory / f"{kind}{SUFFIX}").open("rb") as file:
                line = file.readline()
            checksum, text = line.rstrip(b"\n").split(b" ", 1)
            return (json.loads(text), len(line)) if int(checksum, 16) == zlib.crc32(text) else ({}, 0)
        except _BROKEN:
            return {}, 0

    def _read_index(self, kind: str) -> tuple[Mapping[str, Any], int]:
        """Where the groups of a kind are, and where the first begins."""
        header, start = self._read_header(kind)
        return header.get("groups", {}), start

    def _read_steps(self, kind: str) -> StepTable:
        """The steps that all templates of a kind share; errors as those of `_read`."""
        return StepTable(self._read(kind, STEPS))

    def _read_group(self, kind: str, name: str) -> _Group | _HalfGroup:
        if name not in self._index(kind)[0]:
            return _NOTHING
        try:
            plain = self._read(kind, name)
            if "like" in plain:
                return _half_group(self._group(kind, plain["like"]), plain)
            entries = {
                key_from(key): _Entry(tuple(map(tuple, templates)), bool(covers))
                for key, templates, covers in plain["entries"]
            }
            base = self._group(kind, plain["beside"]) if "beside" in plain else _NOTHING
            if not isinstance(base, _Group):
                return _NOTHING
            return _Group(entries, [*base.contents, *plain["contents"]], [*base.words, *plain["words"]])
        except _BROKEN:
            return _NOTHING

    def _read(self, kind: str, name: str) -> Any:
        """One part of a file, decompressed.

        Raises:
            Some of `_BROKEN`: it is damaged.
        """
        index, start = self._index(kind)
        offset, size, checksum = index[name]
        with (self._directory / f"{kind}{SUFFIX}").open("rb") as file:
            file.seek(start + offset)
            raw = file.read(size)
        if zlib.crc32(raw) != checksum:
            raise ValueError(f"{kind}: checksum")
        return json.loads(lzma.decompress(raw, format=lzma.FORMAT_RAW, filters=FILTERS))


def _half_group(base: _Group | _HalfGroup, plain: Mapping[str, Any]) -> _HalfGroup:
    """A group of the entries of another one, in their order.

    Raises:
        ValueError: the numbers of exceptions are not those of its templates.
    """
    entries = {
        half_key(key): _Entry(
            tuple([(number, *own) for number, own in zip(numbers, entry.templates, strict=True)]), entry.covers_one
        )
        for (key, entry), numbers in zip(base.entries.items(), plain["exceptions"], strict=True)
    }
    return _HalfGroup(base, entries, plain["contents"], plain["words"])


def library_directory() -> Path:
    """Where the shipped files are."""
    return Path(__file__).resolve().parent / "shipped"


@lru_cache(maxsize=1)
def library() -> Library:
    """What ships."""
    return Library(library_directory())


@lru_cache(maxsize=256)
def role_of(kind: str) -> str:
    """The role of a kind of cell in a network, stem, block or head; without torch where its templates ship."""
    role = "block" if structure_of(kind) else library().header(kind).get("role")
    if role is None:
        from oracle.cells import cell_role

        role = cell_role(kind)
    return str(role)


@lru_cache(maxsize=1024)
def is_ours(kind: str, names: tuple[str, ...]) -> bool:
    """Whether a kind of cell is one of ours, and is given the parameters that it has."""
    if structure_of(kind) is not None:
        return ours(kind)
    params = library().header(kind).get("params")
    if params is None:  # it does not ship, or is not made yet
        params = _registry().own_arguments(kind)
    return params is not None and set(names) == set(params)


@lru_cache(maxsize=1024)
def code_of(kind: str) -> str:
    """What tells the code of a kind of cell from what it was before somebody changed it."""
    digest: str = _registry().code_digest(kind)
    return digest


def _registry() -> Any:
    return with_torch("oracle.cells.registry", "cells that do not ship need torch")


def with_torch(module: str, need: str) -> Any:
    """A module of ours that imports torch; `need` says who needs it.

    Raises:
        MissingDependencyError: torch is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingDependencyError(f"{need}; pip install torch") from None


def group_of(key: TemplateKey) -> str:
    """What is stored together: one workload but for its layout, one choice of words and switches."""
    workload = [value for name, value in key.workload if name != "layout"]
    static = [str(value) for _, value in key.static if isinstance(value, (str, bool))]
    return " ".join((*workload, *static))
