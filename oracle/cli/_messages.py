"""Lines on standard error."""

from __future__ import annotations

import sys

__all__ = ["complain", "warn"]


def complain(message: str, *details: str, program: str = "oracle") -> None:
    """What the user has to correct, in one line; details on lines of their own below it."""
    _line(program, "error", message)
    if sys.stderr is not None:
        sys.stderr.writelines(f"  {_plain(detail)}\n" for detail in details)


def warn(message: str, program: str = "oracle") -> None:
    """What the user should know of a result, in one line."""
    _line(program, "warning", message)


def _line(program: str, kind: str, message: str) -> None:
    if sys.stderr is not None:  # closed before we began
        sys.stderr.write(f"{program}: {kind}: {' '.join(_plain(message).split())}\n")


def _plain(text: str) -> str:
    """Without what would move a cursor."""
    return "".join(c if c.isprintable() else " " for c in text)
