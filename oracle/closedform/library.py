"""The templates that ship with the package: one file per kind of cell, read group by group when asked for.

A file is a line of JSON (what made it, and where each part is), with its checksum in front, then the parts: JSON,
compressed. A group holds what is likely asked for together: one workload, one activation. Steps of programs are a part
that all groups share. What several workloads share is stored once:

* tf32 differs from float32, bfloat16 from float16 and float8 from int8 by the names of types only;
* weights in int8, float8 or int4 alone differ by what `oracle.closedform.lightening` says;
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
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from oracle.closedform.codec import Steps, StepTable, Words, key_from, key_to, pack, unpack
from oracle.closedform.halving import Exceptions, exceptions_of, half_key, halved
from oracle.closedform.lightening import lightened, plain_key
from oracle.closedform.template import Format, Template, TemplateKey
from oracle.counting.fusion.engines import canonical_engine
from oracle.errors import MissingDependencyError, OracleError
from oracle.families.graphs import ours, structure_of
from oracle.optable import MATRIX_CLASSES
from oracle.spec import GENERIC, QUANTISED_WEIGHTS

__all__ = [
    "BATCH_OF_ONE",
    "Library",
    "Renaming",
    "canonical_key",
    "code_of",
    "is_ours",
    "library",
    "library_directory",
    "role_of",
    "stamp",
    "with_torch",
    "write_file",
]

BATCH_OF_ONE = ("d0", 1)
_SUFFIX = ".templates"
_STEPS = ""  # the name of the part that holds what all groups share
_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": 1 << 22}]
_Entries = Mapping[TemplateKey, tuple[Sequence[Template], bool]]
_DECODER = "decoder_"
_SAME_BUT_FOR_NAMES = {"bfloat16": "float16", "float8": "int8", "tf32": "float32"}


class Renaming(NamedTuple):
    """What types are called in a workload whose templates are those of another one.

    Attributes:
        everywhere: type in the stored template -> type in the one asked for.
        on_matrix_units: likewise, of what matrix units compute in only.
    """

    everywhere: tuple[str, str] | None = None
    on_matrix_units: tuple[str, str] | None = None

    def of(self, key: TemplateKey, template: Template) -> Template:
        """The template under its own key, with its own names of types."""
        if self == (None, None):
            return replace(template, key=key)

        def renamed(dtype: str, matrix: bool = False) -> str:
            pairs = (self.everywhere, self.on_matrix_units if matrix else None)
            return next((pair[1] for pair in pairs if pair and pair[0] == dtype), dtype)

        def form(old: Format | None) -> Any:
            return None if old is None else old._replace(dtype=renamed(old.dtype))

        kernels = tuple(
            kernel._replace(
                matrix_dtype=renamed(kernel.matrix_dtype, matrix=kernel.op_class in MATRIX_CLASSES),
                vector_dtype=renamed(kernel.vector_dtype),
            )
            for kernel in template.kernels
        )
        return replace(
            template,
            key=key,
            kernels=kernels,
            output_format=form(template.output_format),
            input_gradient=form(template.input_gradient),
        )


def canonical_key(key: TemplateKey) -> tuple[TemplateKey, Renaming]:
    """The key that stands for all whose templates differ in names of types only, and what to rename."""
    workload = dict(key.workload)
    if key.kind.startswith(_DECODER):
        workload["layout"] = "nchw"  # of images, which no decoder has
    if not key.kind.startswith(_DECODER) or workload.get("causal") != "half":
        workload.pop("causal", None)
    if canonical_engine(workload.get("engine", GENERIC)) == GENERIC:
        workload.pop("engine", None)
    asked = workload["dtype"]
    stored = workload["dtype"] = _SAME_BUT_FOR_NAMES.get(asked, asked)
    if "weights" in workload:
        workload["weights"] = stored
    renaming = Renaming()
    if stored != asked:
        renaming = Renaming(None, (stored, asked)) if asked == "tf32" else Renaming((stored, asked), None)

    def form(old: Format | None) -> Any:
        return old._replace(dtype=stored) if old is not None and old.dtype == asked else old

    words = dict(key.static)
    if workload["mode"] == "inference":  # nothing is dropped
        words = {name: 0.0 if isinstance(value, float) else value for name, value in words.items()}
    if words.get("activation") == "gelu" and "inplace" in words:  # torch has none in place
        words["inplace"] = False
    found = key._replace(
        workload=tuple(sorted(workload.items())),
        static=tuple(words.items()),
        input=form(key.input),
        gradient=form(key.gradient),
        pinned=tuple(sorted(key.pinned)),
    )
    return found, renaming


class _Entry(NamedTuple):
    """What a key has: of each template the number of its content, and the formats at its ends."""

    templates: tuple[tuple[Any, ...], ...]
    covers_one: bool


class _Group(NamedTuple):
    """Entries by key, and the contents that they share, as JSON until they are asked for."""

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
    """Entries whose templates are those of another group, halved; exceptions as JSON until they are asked for.

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
        group = self._group(key.kind, _group_of(canonical))
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
        return tuple(sorted(path.stem for path in self._directory.glob(f"*{_SUFFIX}")))

    def keys(self, kind: str) -> tuple[TemplateKey, ...]:
        """The canonical keys of a kind."""
        return tuple(key for name in self._index(kind)[0] if name for key in self._group(kind, name).entries)

    def header(self, kind: str) -> Mapping[str, Any]:
        """What the file of a kind says of itself; empty where there is none."""
        return self._read_header(kind)[0]

    def _read_header(self, kind: str) -> tuple[Mapping[str, Any], int]:
        try:
            with (self._directory / f"{kind}{_SUFFIX}").open("rb") as file:
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
        return StepTable(self._read(kind, _STEPS))

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
        with (self._directory / f"{kind}{_SUFFIX}").open("rb") as file:
            file.seek(start + offset)
            raw = file.read(size)
        if zlib.crc32(raw) != checksum:
            raise ValueError(f"{kind}: checksum")
        return json.loads(lzma.decompress(raw, format=lzma.FORMAT_RAW, filters=_FILTERS))


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


def write_file(path: Path, made_of: Mapping[str, Any], entries: _Entries) -> None:
    """Write the templates of one kind.

    Args:
        path: of the file.
        made_of: what decides their content, such as the version of torch.
        entries: canonical key -> its templates, and whether they answer for a batch of 1 as well.
    """
    groups: dict[str, list[TemplateKey]] = {}
    for key in sorted(entries, key=repr):
        groups.setdefault(_group_of(key), []).append(key)
    index: dict[str, tuple[int, int, int]] = {}
    body, steps = b"", Steps()

    def store(name: str, plain: Any) -> None:
        nonlocal body
        raw = lzma.compress(_json(plain).encode(), format=lzma.FORMAT_RAW, filters=_FILTERS)
        index[name] = len(body), len(raw), zlib.crc32(raw)
        body += raw

    likes = {_group_of(half_key(keys[0])): name for name, keys in groups.items() if _is_float32(keys[0])}
    plains: dict[str, dict[str, Any]] = {}
    for name, keys in sorted(groups.items(), key=lambda group: "engine" in dict(group[1][0].workload)):
        like = likes.get(name)
        plain = None if like is None else _plain_halves(like, groups[like], set(keys), entries, steps)
        base = _group_of(_of_all(keys[0]))
        if plain is None and base != name and base in plains:
            plain = _plain_group(keys, entries, steps, base, plains[base])
        if plain is None:
            plain = plains[name] = _plain_group(keys, entries, steps)
        store(name, plain)
    store(_STEPS, steps.plain())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_header({**made_of, "groups": index}) + body)


def _plain_group(
    keys: Sequence[TemplateKey],
    entries: _Entries,
    steps: Steps,
    beside: str = "",
    base: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Entries as plain data for `_Group`.

    Args:
        keys: of the entries.
        entries: of these and others.
        steps: shared by all.
        beside: the name of a group whose words and contents these share.
        base: that group.
    """
    words, shared = Words(), base or {"words": [], "contents": []}
    for word in shared["words"]:
        words.number(word)
    contents = {text: number for number, text in enumerate(shared["contents"])}
    plain = []
    for key in keys:
        templates, covers = entries[key]
        packed = [_json(pack(template, words, steps)) for template in templates]
        numbers = [contents.setdefault(text, len(contents)) for text in packed]
        ends = [(template.output_format, template.input_gradient) for template in templates]
        plain.append((key_to(key), [(n, *end) for n, end in zip(numbers, ends, strict=True)], covers))
    known = {"words": words.table[len(shared["words"]) :], "contents": list(contents)[len(shared["contents"]) :]}
    return {**({"beside": beside} if beside else {}), **known, "entries": plain}


def _plain_halves(
    like: str, keys: Sequence[TemplateKey], asked: AbstractSet[TemplateKey], entries: _Entries, steps: Steps
) -> dict[str, Any] | None:
    """Entries as plain data for `_HalfGroup`; None where they are more than the halves of another group.

    Args:
        like: the name of that group.
        keys: of that group.
        asked: keys of the entries.
        entries: of both.
        steps: shared by all.
    """
    if {half_key(key) for key in keys} != asked:
        return None
    words, contents, numbers = Words(), dict[str, int](), list[list[int]]()
    for key in keys:
        (ours, covers), (theirs, covered) = entries[key], entries[half_key(key)]
        if covers != covered or len(ours) != len(theirs):
            return None
        found = [exceptions_of(*pair) for pair in zip(ours, theirs, strict=True)]
        packed = [_json(_packed(one, words, steps)) for one in found if one is not None]
        if len(packed) != len(found):
            return None
        numbers.append([contents.setdefault(text, len(contents)) for text in packed])
    return {"like": like, "words": words.table, "contents": list(contents), "exceptions": numbers}


def _packed(found: Exceptions, words: Words, steps: Steps) -> list[list[int]]:
    step = steps.add(found.program)
    return [
        [part for place, own in found.steps.items() for part in (place, step[own])],
        [part for kernel, names in found.dtypes.items() for part in (kernel, *map(words.number, names))],
    ]


def _of_all(key: TemplateKey) -> TemplateKey:
    """The same key for the generic engine."""
    return key._replace(workload=tuple(pair for pair in key.workload if pair[0] != "engine"))


def _is_float32(key: TemplateKey) -> bool:
    return dict(key.workload)["dtype"] == "float32"


def stamp(directory: Path, made_of: Callable[[str], Mapping[str, str]], only: str = "") -> None:
    """Note of the files of a directory what their content was found to be made of.

    Args:
        directory: of the files.
        made_of: kind -> what that is.
        only: what the kinds begin with that were looked at; all if "".
    """
    for path in directory.glob(f"{only}*{_SUFFIX}"):
        header = Library(directory).header(path.stem)
        body = path.read_bytes().partition(b"\n")[2]
        path.write_bytes(_header({**header, **made_of(path.stem)}) + body)


def _header(plain: Mapping[str, Any]) -> bytes:
    text = _json(plain).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _json(plain: Any) -> str:
    return json.dumps(plain, separators=(",", ":"))


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


def _group_of(key: TemplateKey) -> str:
    """What is stored together: one workload but for its layout, one choice of words and switches."""
    workload = [value for name, value in key.workload if name != "layout"]
    static = [str(value) for _, value in key.static if isinstance(value, (str, bool))]
    return " ".join((*workload, *static))
