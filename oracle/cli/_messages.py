"""Lines on standard error."""

from __future__ import annotations

import sys

__all__ = ["complain", "warn"]


def complain(message: str, program: str = "oracle") -> None:
    """What the user has to correct, in one line."""
    _line(program, "error", message)


def warn(message: str, program: str = "oracle") -> None:
    """What the user should know of a result, in one line."""
    _line(program, "warning", message)


def _line(program: str, kind: str, message: str) -> None:
    text = " ".join("".join(c if c.isprintable() else " " for c in message).split())
    if sys.stderr is not None:  # closed before we began
        sys.stderr.write(f"{program}: {kind}: {text}\n")
