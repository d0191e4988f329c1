"""Lines on standard error."""

from __future__ import annotations

import sys

__all__ = ["complain", "warn"]


def complain(message: str) -> None:
    """What the user has to correct, in one line."""
    _line("error", message)


def warn(message: str) -> None:
    """What the user should know of a result, in one line."""
    _line("warning", message)


def _line(kind: str, message: str) -> None:
    text = " ".join("".join(c if c.isprintable() else " " for c in message).split())
    if sys.stderr is not None:  # closed before we began
        sys.stderr.write(f"oracle: {kind}: {text}\n")
