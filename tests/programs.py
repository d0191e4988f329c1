"""Code in an interpreter of its own: for what is imported when, and what an environment decides."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

__all__ = ["ROOT", "imported", "printed", "public_imports"]

ROOT = Path(__file__).resolve().parents[1]


def printed(code: str, where: Path = ROOT, **environment: str) -> str:
    """What some code prints, in the directory and with the variables that are given; that it fails fails the test."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=where,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}", **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def imported(code: str, modules: Iterable[str], where: Path = ROOT, **environment: str) -> set[str]:
    """Which of some modules are imported once some code has run, whatever that prints."""
    asked = f"print('imported:', *[name for name in {sorted(modules)!r} if name in sys.modules])"
    return set(printed(f"{code}\nimport sys\n{asked}", where, **environment).rpartition("imported:")[2].split())


def public_imports(package: Path) -> dict[str, str]:
    """Public name -> module, as the `if TYPE_CHECKING` block of a package's `__init__.py` says it."""
    tree = ast.parse((package / "__init__.py").read_text(encoding="utf-8"))
    block = next(n for n in tree.body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING")
    imports = [n for n in block.body if isinstance(n, ast.ImportFrom)]
    return {alias.name: node.module or "" for node in imports for alias in node.names}
