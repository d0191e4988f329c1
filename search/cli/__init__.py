"""The command line: `oracle-search sweep | pareto | spaces | ...`.

One file per command, listed in `oracle.search.cli._parser`; at the top of each nothing heavier than argparse, so that
`oracle-search --help` answers without numpy, torch or optuna.

Exit codes are those of `oracle`: 0; 2 after one line on standard error that says what to correct, also where a
sweep found nothing feasible, with a line for each limit; 1 after one that says that there is a defect; 130 when
interrupted, 143 where SIGTERM ended a sweep; 141 when the reader of a pipe has gone.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Args:
        argv: what stands after `oracle-search`; that of the process if None.
    """
    try:
        from oracle.cli._guard import guarded

        from ._parser import PROGRAM, parser

        return guarded(PROGRAM, parser, argv)
    except KeyboardInterrupt:  # while these are imported, too
        return 130
