"""Where the files that ship with the oracle are: `configs/<kind>/**/<name>.yaml`, found by name.

Free of torch, yacs and numpy, so that every package may use it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from oracle.errors import ConfigError

_SETTLED_NS = 2_000_000_000  # the coarsest clock of a file system in use


class Stamp(NamedTuple):
    """What tells that a file or directory has changed: when its content did, when anything did, its size, itself."""

    modified_ns: int
    changed_ns: int
    size: int
    inode: int
    device: int


def shipped_dir() -> Path:
    """The directory `configs`: inside the package when installed, beside it in a source checkout.

    Raises:
        ConfigError: neither exists, i.e. the installation is incomplete.
    """
    return _dir_of(__file__)


@lru_cache(maxsize=8)
def _dir_of(module: str) -> Path:
    package = Path(module).resolve().parent
    inside, beside = package / "configs", package.parent / "configs"
    if inside.is_dir():
        return inside
    # A wheel's neighbour called `configs` would be somebody else's: only a checkout has a pyproject.toml.
    if beside.is_dir() and (package.parent / "pyproject.toml").is_file():
        return beside
    raise ConfigError(f"no shipped configs in {inside}; reinstall nas-cost-oracle")


def shipped(kind: str) -> dict[str, Path]:
    """Name (file stem) -> path of every shipped config of a kind: networks, devices, spaces, studies."""
    return dict(_index(kind).paths)


def find_config(kind: str, name: str) -> Path | None:
    """The shipped config of that name, whatever its case, hyphens, underscores and spaces; None when there is none."""
    index = _index(kind)
    return index.paths.get(name) or index.by_letters.get(_letters(name))


def stamp_of(path: str | Path) -> Stamp | None:
    """The stamp of a file or directory, as long as it tells every change.

    Returns:
        None where there is no such file, or where it changed a moment ago: the next change could bear the same
        time, so nothing that is read may be kept.
    """
    stamp = _stamp(path)
    if stamp is None or time.time_ns() - max(stamp.modified_ns, stamp.changed_ns) < _SETTLED_NS:
        return None
    return stamp


def _stamp(path: str | Path) -> Stamp | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - a path that is text need not become a Path
    except (OSError, ValueError):
        return None
    return Stamp(found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev)


@dataclass(frozen=True, slots=True)
class _Index:
    """The configs of a kind by name.

    Attributes:
        folders: every directory that was looked through, with its stamp.
        paths: file stem -> path.
        by_letters: file stem without case and separators -> path.
    """

    folders: tuple[tuple[str, Stamp | None], ...]
    paths: Mapping[str, Path]
    by_letters: Mapping[str, Path]

    @property
    def holds(self) -> bool:
        """Whether no file has come, gone or got another name since."""
        return all(stamp is not None and stamp == _stamp(folder) for folder, stamp in self.folders)


_INDICES: dict[str, _Index] = {}  # one per kind of config, of which there are five
_MOST_INDICES = 32


def _index(kind: str) -> _Index:
    root = os.path.join(shipped_dir(), kind)  # noqa: PTH118 - a tenth of the time of a Path
    index = _INDICES.get(root)
    if index is None or not index.holds:
        index = _walked(root)
        if root in _INDICES or len(_INDICES) < _MOST_INDICES:
            _INDICES[root] = index
    return index


def _walked(root: str) -> _Index:
    folders: list[tuple[str, Stamp | None]] = []
    files: list[Path] = []
    left = [root]
    while left:
        folder = left.pop()
        folders.append((folder, stamp_of(folder)))  # before the look, so that what comes meanwhile shows
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        left.append(entry.path)
                    elif entry.name.endswith(".yaml"):
                        files.append(Path(entry.path))
        except OSError:  # no such kind, or a directory that may not be read: nothing to find
            continue
    paths = {path.stem: path for path in sorted(files)}
    by_letters: dict[str, Path] = {}
    for stem, path in paths.items():
        by_letters.setdefault(_letters(stem), path)
    return _Index(tuple(folders), paths, by_letters)


def _letters(name: str) -> str:
    """A name as people type it: "resnet50" is ResNet-50. The dot stays, for RegNetX-1.6GF is not RegNetX-16GF."""
    return name.lower().translate(_SEPARATORS)


def closest(word: str, options: Iterable[str], count: int = 3) -> str:
    """`"; did you mean a, b?"` with the options most like a word, "" when none is near.

    Those that a slip makes the word of come first, then those that begin with it, then those of which a part does; the
    last one is spelled alike.
    """
    from difflib import get_close_matches

    lower, by_lower = word.lower(), {option.lower(): option for option in options}
    named = sorted(
        (name for name in by_lower if len(lower) > 1 and lower.translate(_MARKS).strip() and _begins(name, lower)),
        key=len,
    )
    named.sort(key=lambda name: name[:2] != lower[:2])
    longest = max(map(len, by_lower), default=0)
    unslipped = _unslipped(lower) if len(lower) <= longest + 1 else set()
    slips = [name for name in by_lower if name in unslipped]
    named = [*slips, *(name for name in named if name not in slips)]
    others = [name for name in by_lower if name not in named]
    short = len(lower) < _SHORT
    alike = get_close_matches(lower, others, n=len(others) or 1, cutoff=0.5 if short or not named else 0.7)
    if short:
        alike.sort(key=lambda name: abs(len(name) - len(lower)))
    near = [*named[: max(count - bool(alike), 1)], *alike][:count]
    return f"; did you mean {', '.join(by_lower[match] for match in near)}?" if near else ""


def _unslipped(word: str) -> set[str]:
    """What a word is without one slip of the fingers: two letters swapped, or one struck twice."""
    found = set()
    for at in range(len(word) - 1):
        one, other = word[at], word[at + 1]
        found.add(f"{word[:at]}{one if one == other else other + one}{word[at + 2 :]}")
    return found


def _begins(name: str, word: str) -> bool:
    """Whether a name, or a part of it, begins with a word, whatever stands between the parts."""
    parts, requested = name.translate(_MARKS).split(), "".join(word.translate(_MARKS).split())
    return any("".join(parts[first:]).startswith(requested) for first in range(len(parts)))


_SHORT = 4  # letters: of fewer, one that differs is much of a word
_MARKS = str.maketrans("-_./", "    ")
_SEPARATORS = str.maketrans("", "", "-_ ")
