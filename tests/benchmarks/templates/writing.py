"""Templates to the files that `oracle.closedform.library` reads."""

from __future__ import annotations

import json
import lzma
import zlib
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from oracle.closedform.codec import Steps, Words, key_to, pack
from oracle.closedform.halving import Exceptions, half_key
from oracle.closedform.library import FILTERS, STEPS, SUFFIX, Library, group_of
from oracle.closedform.template import Template, TemplateKey
from tests.benchmarks.templates.halves import exceptions_of

_Entries = Mapping[TemplateKey, tuple[Sequence[Template], bool]]


def write_file(path: Path, made_of: Mapping[str, Any], entries: _Entries) -> None:
    """Write the templates of one kind.

    Args:
        path: of the file.
        made_of: what decides their content, such as the version of torch.
        entries: canonical key -> its templates, and whether they answer for a batch of 1 as well.
    """
    groups: dict[str, list[TemplateKey]] = {}
    for key in sorted(entries, key=repr):
        groups.setdefault(group_of(key), []).append(key)
    index: dict[str, tuple[int, int, int]] = {}
    body, steps = b"", Steps()

    def store(name: str, plain: Any) -> None:
        nonlocal body
        raw = lzma.compress(_json(plain).encode(), format=lzma.FORMAT_RAW, filters=FILTERS)
        index[name] = len(body), len(raw), zlib.crc32(raw)
        body += raw

    likes = {group_of(half_key(keys[0])): name for name, keys in groups.items() if _is_float32(keys[0])}
    plains: dict[str, dict[str, Any]] = {}
    for name, keys in sorted(groups.items(), key=lambda group: "engine" in dict(group[1][0].workload)):
        like = likes.get(name)
        plain = None if like is None else _plain_halves(like, groups[like], set(keys), entries, steps)
        base = group_of(_of_all(keys[0]))
        if plain is None and base != name and base in plains:
            plain = _plain_group(keys, entries, steps, base, plains[base])
        if plain is None:
            plain = plains[name] = _plain_group(keys, entries, steps)
        store(name, plain)
    store(STEPS, steps.plain())
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
    like: str, keys: Sequence[TemplateKey], requested: AbstractSet[TemplateKey], entries: _Entries, steps: Steps
) -> dict[str, Any] | None:
    """Entries as plain data for `_HalfGroup`; None where they are more than the halves of another group.

    Args:
        like: the name of that group.
        keys: of that group.
        requested: keys of the entries.
        entries: of both.
        steps: shared by all.
    """
    if {half_key(key) for key in keys} != requested:
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
    for path in directory.glob(f"{only}*{SUFFIX}"):
        header = Library(directory).header(path.stem)
        body = path.read_bytes().partition(b"\n")[2]
        path.write_bytes(_header({**header, **made_of(path.stem)}) + body)


def _header(plain: Mapping[str, Any]) -> bytes:
    text = _json(plain).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _json(plain: Any) -> str:
    return json.dumps(plain, separators=(",", ":"))
