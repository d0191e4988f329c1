"""What `oracle` and `oracle-search` do about everything that can end a command."""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from oracle.cli._messages import complain, say
from oracle.cli._parser import TRACEBACK
from oracle.errors import OracleError

_TERMINAL_EVERY_S, _LOG_EVERY_S = 5.0, 10.0  # between lines about what takes long


def guarded(
    program: str, parser: Callable[[Sequence[str]], argparse.ArgumentParser], argv: Sequence[str] | None
) -> int:
    """Run the command that some arguments name and return the exit code.

    Args:
        program: its name.
        parser: makes the parser of some arguments. The result of parsing has `run`, and may have `check`, which is
            called before it; it is given `argv`, the arguments as they came.
        argv: what stands after the program's name; that of the process if None.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        with _announced(program):
            code = _run(parser(arguments), arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        _abandon_stdout()
        return 141
    except OracleError as error:
        return _fail(program, str(error))
    except OSError as error:
        if error.filename is None:
            _abandon_stdout()
        return _fail(program, f"{error.filename or 'standard output'}: {error.strerror or error}")
    except Exception as error:
        if TRACEBACK in arguments:
            raise
        return _explain(program, error)
    return code


@contextmanager
def _announced(program: str) -> Iterator[None]:
    """Say what takes long: that cells are traced, and how many. At once on a terminal, elsewhere where it goes on."""
    import logging

    logger = logging.getLogger("oracle")
    if sys.stderr is None or logger.handlers:
        yield
        return
    every_s, before = (_TERMINAL_EVERY_S, -math.inf) if sys.stderr.isatty() else (_LOG_EVERY_S, time.monotonic())

    class Words(logging.Handler):
        """Prints warnings, and of what is traced a line now and then."""

        traced, spoke = 0, before

        def emit(self, record: logging.LogRecord) -> None:
            message, now = record.getMessage(), time.monotonic()
            if record.levelno < logging.WARNING:
                self.traced += 1
                if now - self.spoke < every_s:
                    return
                self.spoke = now
                message += f" ({self.traced} so far)" if self.traced > 1 else ""
            say(message, program)

    words, level = Words(), logger.level
    logger.addHandler(words)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(words)
        logger.setLevel(level)


def _run(parser: argparse.ArgumentParser, arguments: list[str]) -> int:
    try:
        chosen = parser.parse_args(arguments)
    except SystemExit as done:  # --help and --version
        return int(done.code or 0)
    chosen.argv = arguments
    if hasattr(chosen, "check"):
        chosen.check(chosen)
    code: int = chosen.run(chosen)
    return code


def _explain(program: str, error: Exception) -> int:
    """What nobody raised on purpose."""
    if isinstance(error, ModuleNotFoundError) and error.name == "torch":
        return _fail(program, "this needs torch, which is not installed; pip install torch")
    where = f"(a defect of the oracle; `{program} {TRACEBACK} ...` shows where)"
    return _fail(program, f"{type(error).__name__}: {error} {where}", 1)


def _fail(program: str, message: str, code: int = 2) -> int:
    complain(message, program=program)
    return code


def _abandon_stdout() -> None:
    """Nobody takes what is still in the buffer; without this the interpreter would complain when it exits."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
