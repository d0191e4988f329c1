"""Lines on standard error."""

from __future__ import annotations

import sys


def complain(message: str, *details: str, program: str = "oracle") -> None:
    """What the user has to correct, in one line; details on lines of their own below it."""
    _line(f"{program}: error", message)
    if sys.stderr is not None:
        sys.stderr.writelines(f"  {_plain(detail)}\n" for detail in details)


def warn(message: str, program: str = "oracle") -> None:
    """What the user should know of a result, in one line."""
    _line(f"{program}: warning", message)


def say(message: str, program: str = "oracle") -> None:
    """What takes long, in one line."""
    _line(program, message)


def _line(head: str, message: str) -> None:
    if sys.stderr is not None:  # closed before we began
        sys.stderr.write(f"{head}: {' '.join(_plain(message).split())}\n")


def _plain(text: str) -> str:
    """Without what would move a cursor."""
    return "".join(c if c.isprintable() else " " for c in text)
