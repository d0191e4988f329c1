"""The command line: every command of `oracle`, one file each.

This package parses arguments, calls the public functions and hands results to `oracle.report`. At the top of each
file stands nothing heavier than argparse: `oracle --help`, `oracle devices` and `oracle networks` answer without torch.

Exit codes: 0; 2 after one line on standard error that says what to correct; 1 after one that says that the
oracle has a defect; 130 when interrupted; 141 when the reader of a pipe has gone.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Args:
        argv: what stands after `oracle`; that of the process if None.
    """
    try:
        from oracle.cli._guard import guarded
        from oracle.cli._parser import parser

        return guarded("oracle", parser, argv)
    except KeyboardInterrupt:  # while these are imported, too
        return 130
