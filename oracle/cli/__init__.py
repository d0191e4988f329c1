"""The command line: `oracle score | ops | rank | devices | networks`.

This package parses arguments, calls the public functions and hands results to `oracle.report`. One file per
command, and at the top of each nothing heavier than argparse: `oracle --help`, `oracle devices` and `oracle
networks` answer without torch.

Exit codes: 0; 2 after one line on standard error that says what to correct; 1 after one that says that the
oracle has a defect; 130 when interrupted; 141 when the reader of a pipe has gone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from oracle.cli._messages import complain
from oracle.cli._parser import TRACEBACK, parser
from oracle.errors import OracleError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Args:
        argv: what stands after `oracle`; that of the process if None.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _run(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _abandon_stdout()
        return 141
    except OracleError as error:
        return _fail(str(error))
    except OSError as error:
        if error.filename is None:
            _abandon_stdout()
        return _fail(f"{error.filename or 'standard output'}: {error.strerror or error}")
    except Exception as error:
        if TRACEBACK in arguments:
            raise
        return _fail(
            f"{type(error).__name__}: {error} (a defect of the oracle; `oracle {TRACEBACK} ...` shows where)",
            1,
        )
    return code


def _run(arguments: list[str]) -> int:
    try:
        chosen = parser().parse_args(arguments)
    except SystemExit as done:  # --help and --version
        return int(done.code or 0)
    code: int = chosen.run(chosen)
    return code


def _fail(message: str, code: int = 2) -> int:
    complain(message)
    return code


def _abandon_stdout() -> None:
    """Nobody takes what is still in the buffer; without this the interpreter would complain when it exits."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
