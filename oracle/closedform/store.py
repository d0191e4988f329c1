"""Templates by key: those of this process, those that ship, those of the user's cache, and else made by a trace.

The user's cache is a file that grows by a line per template: a checksum and JSON, data only. It is keyed by the
version of torch and by a hash of the sources that decide what a template says; a line that is damaged is left out.
"""

from __future__ import annotations

import ast
import hashlib
import json
import logging
import os
import zlib
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import RLock
from typing import Any

from oracle._versions import version_of
from oracle.closedform.answers import answer, values_of
from oracle.closedform.codec import Steps, StepTable, Words, key_from, key_to, pack, unpack
from oracle.closedform.library import Library, library, with_torch
from oracle.closedform.template import Template, TemplateKey
from oracle.errors import OracleError
from oracle.spec import Workload

_PACKAGE = Path(__file__).resolve().parent.parent
_COMMON = (
    "cells/registry.py",
    "experts.py",
    "trace",
    "counting",
    *(f"closedform/{name}.py" for name in "assembling compile equalities hints inputs symbolic template".split()),
    "calibration/classes.py",
    "optable.py",
    "spec.py",
)


class TemplateStore:
    """Templates by key; safe to share between threads.

    Args:
        library: templates that ship; None for none.
        cache: directory of the user's file, which is read when nothing ships for a key, and grows; None for none.
    """

    def __init__(self, library: Library | None = None, cache: Path | None = None) -> None:
        self._templates: dict[TemplateKey, list[Template]] = {}
        self._refused: set[TemplateKey] = set()
        self._library = library
        self._cache = cache
        self._cached: dict[TemplateKey, list[Template]] | None = None
        self._lock = RLock()
        self.made = 0

    @classmethod
    def everything(cls) -> TemplateStore:
        """With what ships and with the user's cache."""
        return cls(library(), cache_directory())

    def __len__(self) -> int:
        return sum(len(found) for found in self._templates.values())

    def known(self, key: TemplateKey) -> tuple[Template, ...]:
        """The templates of a key, in the order they were made; those that ship come first."""
        found = self._templates.get(key)
        if found is None:
            with self._lock:
                found = self._templates.get(key)
                if found is None:
                    shipped = self._library.find(key) if self._library else ()
                    found = self._templates[key] = list(shipped)
        return tuple(found)

    def make(
        self,
        key: TemplateKey,
        params: Sequence[tuple[str, Any]],
        dims: Sequence[int],
        workload: Workload,
    ) -> Template | None:
        """Another template for rows that no known one covers; params and dims are those of the first.

        None where the rows are to be traced one by one, as symbols cannot work.
        """
        with self._lock:
            if key in self._refused:
                return None
            logging.getLogger(__name__).info("tracing a cell of a new kind, once: %s", key.kind)
            trace = tracing()
            try:
                template: Template = trace.make_template(key, params, dims, workload)
            except (OracleError, RuntimeError, AssertionError):  # the latter two are torch's own
                # The row itself may be at fault; its concrete trace will say so, or answer.
                self._refused.add(key)
                return None
            alone = trace.concrete_template(key, params, dims, workload)
            if answer(template, values_of(params, dims)) != answer(alone, {}):
                self._refused.add(key)  # sizes of 1, say, that hide what is equal
                return None
            self._templates.setdefault(key, []).append(template)
            self.made += 1
            self._keep(template)
            return template

    def more(self, key: TemplateKey) -> tuple[Template, ...]:
        """Those of the user's cache, for whom the known ones do not answer; known ones from then on."""
        if self._cache is None:
            return ()
        with self._lock:
            if self._cached is None:
                self._cached = {}
                for template in _read_lines(_cache_file(self._cache)):
                    self._cached.setdefault(template.key, []).append(template)
            found = tuple(self._cached.pop(key, ()))
            self._templates.setdefault(key, []).extend(found)
        return found

    def _keep(self, template: Template) -> None:
        """Add a template to the user's cache; where that cannot be written, the next process makes it anew."""
        if self._cache is None:
            return
        file = _cache_file(self._cache)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            if not file.exists():  # those of other sources serve nobody any more
                for old in file.parent.glob("templates-*.jsonl"):
                    old.unlink(missing_ok=True)
            with file.open("ab") as stream:
                stream.write(_line(template))
        except OSError as error:
            self._cache = None
            logging.getLogger(__name__).warning(
                "what was traced cannot be kept in %s (%s), so every process traces it anew; "
                "NAS_COST_ORACLE_CACHE names another directory",
                file.parent,
                error.strerror,
            )


def tracing() -> Any:
    """The module that traces cells.

    Raises:
        MissingDependencyError: torch is not installed.
    """
    need = "a cell of this network has no closed form among those that ship: it is traced once, which needs torch"
    return with_torch("oracle.closedform.symbolic", need)


def _line(template: Template) -> bytes:
    words, steps = Words(), Steps()
    packed = pack(template, words, steps)
    ends = template.output_format, template.input_gradient
    plain = [key_to(template.key), packed, ends, words.table, steps.plain()]
    text = json.dumps(plain, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _read_lines(file: Path) -> list[Template]:
    try:
        lines = file.read_bytes().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        with suppress(ValueError, KeyError, TypeError, IndexError, RecursionError, OracleError):
            checksum, text = line.split(b" ", 1)
            if int(checksum, 16) == zlib.crc32(text):
                key, packed, ends, words, steps = json.loads(text)
                template = unpack(key_from(key), packed, ends, words, StepTable(steps))
                hash((template.key, template.output_format, template.input_gradient))  # what they are looked up by
                found.append(template)
    return found


def _cache_file(directory: Path) -> Path:
    return directory / f"templates-{fingerprint()[:16]}.jsonl"


@cache
def fingerprint(kind: str | None = None) -> str:
    """A hash of the torch version and of the code that decides what a template says; comments do not matter.

    Args:
        kind: of a cell that is ours: what is common to all, and of the cells the file that defines it, with those of
            its package that this imports. None: all of them, and so for the loss, which is no cell.
    """
    cells = _PACKAGE / "cells"
    home = None if kind is None else _homes().get(kind)
    own = sorted(cells.rglob("*.py")) if home is None else sorted(_imported(home))
    digest = _common().copy()
    for path in own if kind is None or home else ():
        if path not in _common_files():
            _add(digest, path)
    return digest.hexdigest()


@cache
def _common_files() -> tuple[Path, ...]:
    """What decides about cells of every kind, in the order it is hashed."""
    return tuple(dict.fromkeys(path for name in _COMMON for path in _files(_PACKAGE / name)))


@cache
def _common() -> hashlib._Hash:
    """The hash of the torch version and of those files, which every kind's begins with; to be copied."""
    digest = hashlib.sha256(torch_version().encode())
    for path in _common_files():
        _add(digest, path)
    return digest


def _add(digest: hashlib._Hash, path: Path) -> None:
    digest.update(path.relative_to(_PACKAGE).as_posix().encode())
    digest.update(_code_of(path.read_text(encoding="utf-8")).encode())


def _files(root: Path) -> list[Path]:
    return sorted(root.rglob("*.py")) if root.is_dir() else [root]


@cache
def _homes() -> dict[str, Path]:
    """Kind -> the file that registers it, found without running any."""
    found = {}
    for path in _files(_PACKAGE / "cells"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "register_cell":
                first = node.args[0] if node.args else None
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    found[first.value] = path
    return found


def _imported(home: Path) -> set[Path]:
    """A file of cells, and those beside it that it imports, however indirectly."""
    found: set[Path] = set()
    stack = [home]
    while stack:
        path = stack.pop()
        if path in found:
            continue
        found.add(path)
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        modules = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
        stack += [home.parent / f"{name.rpartition('.')[2]}.py" for name in modules if name.startswith("oracle.cells.")]
    return found


def _code_of(source: str) -> str:
    """A module without comments, layout and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [item for item in body if not _is_text(item)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def cache_directory() -> Path:
    """Where templates are kept between processes: `$NAS_COST_ORACLE_CACHE`, or the user's cache directory."""
    root = os.environ.get("NAS_COST_ORACLE_CACHE")
    return Path(root) if root else Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "nas-cost-oracle"


def torch_version() -> str:
    """The version of torch that is installed, without importing it."""
    return version_of("torch", "unknown")
