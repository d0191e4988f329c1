"""Templates by key: found, made on demand, saved to and loaded from a cache file.

The file is JSON and holds data only. It is keyed by the torch version and by a hash of the sources that decide
what a template says; a file that does not match, or cannot be read, is ignored and written anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import RLock

from oracle.closedform.template import Template, TemplateKey
from oracle.errors import OracleError
from oracle.spec import Workload

__all__ = ["TemplateStore", "default_cache_file", "fingerprint"]

_SOURCES = ("cells", "trace", "counting", "closedform", "calibration/classes.py", "optable.py", "spec.py")


class TemplateStore:
    """Templates made so far; safe to share between threads.

    Args:
        patience: cells of one kind that may be traced one by one before a template is made for the next. A template
            costs as much as 10 to 40 such traces, so it does not pay where candidates have many kinds of few cells.
    """

    def __init__(self, patience: int = 0) -> None:
        self._templates: dict[TemplateKey, list[Template]] = {}
        self._refused: set[TemplateKey] = set()
        self._patience = patience
        self._traced: Counter[TemplateKey] = Counter()
        self._lock = RLock()
        self.made = 0

    def __len__(self) -> int:
        return sum(len(found) for found in self._templates.values())

    def kinds(self) -> set[str]:
        """The kinds of cells that have templates."""
        return {key.kind for key in self._templates}

    def known(self, key: TemplateKey) -> tuple[Template, ...]:
        """The templates of a key, in the order they were made."""
        return tuple(self._templates.get(key, ()))

    def make(
        self,
        key: TemplateKey,
        order: Sequence[str],
        hints: Mapping[str, int],
        dims: Sequence[int],
        workload: Workload,
        rows: int = 1,
    ) -> Template | None:
        """A new template for rows that no known one covers, the first of which gives the hints.

        None where the rows are to be traced one by one: symbols cannot work, or it would not pay yet.
        """
        with self._lock:
            if key in self._refused:
                return None
            if self._traced[key] + rows <= self._patience:
                self._traced[key] += rows
                return None
            from oracle.cells import is_structural  # need torch; templates from a file do not
            from oracle.closedform.symbolic import make_template

            if is_structural(key.kind):
                self._refused.add(key)
                return None
            try:
                template = make_template(key, order, hints, dims, workload)
            except OracleError:
                # The row itself may be at fault; its concrete trace will say so, or answer.
                self._refused.add(key)
                return None
            self._templates.setdefault(key, []).append(template)
            self.made += 1
            return template

    def save(self, path: Path) -> None:
        """Write all templates; the file appears whole or not at all."""
        with self._lock:
            templates = [template.to_dict() for found in self._templates.values() for template in found]
        text = json.dumps({"fingerprint": fingerprint(), "templates": templates})
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        try:
            with os.fdopen(handle, "w") as file:
                file.write(text)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def load(self, path: Path) -> int:
        """Add the templates of a file; returns how many: 0 if it is absent, unreadable or of other sources."""
        try:
            data = json.loads(path.read_text())
            if data["fingerprint"] != fingerprint():
                return 0
            templates = [Template.from_dict(item) for item in data["templates"]]
        except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, OracleError):
            return 0
        with self._lock:
            for template in templates:
                self._templates.setdefault(template.key, []).append(template)
        return len(templates)


@cache
def fingerprint() -> str:
    """A hash of the torch version and of every source file that decides what a template says."""
    package = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256(_torch_version().encode())
    for source in _SOURCES:
        root = package / source
        for path in sorted(root.rglob("*.py")) if root.is_dir() else [root]:
            digest.update(path.relative_to(package).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def default_cache_file() -> Path:
    """Where templates are kept between processes: `$NAS_COST_ORACLE_CACHE`, or the user's cache directory."""
    root = os.environ.get("NAS_COST_ORACLE_CACHE")
    base = Path(root) if root else Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "nas-cost-oracle"
    return base / "templates.json"


def _torch_version() -> str:
    try:
        return version("torch")
    except PackageNotFoundError:
        return "unknown"
