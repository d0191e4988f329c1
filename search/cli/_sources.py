"""What several commands are about: a sweep, a file of candidates, or a study."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from oracle._files import is_file
from oracle.errors import OracleError

from ._studies import STORAGE_HELP

if TYPE_CHECKING:
    from ..study import Results
    from ..sweep import Candidates

_FILES = (".csv", ".parquet")


def add_source(parser: argparse.ArgumentParser) -> None:
    """Candidates or a study."""
    parser.add_argument(
        "source",
        metavar="DIR|FILE|STUDY",
        help="directory of a sweep, CSV or Parquet file; or name of a study, study file, or journal file",
    )
    parser.add_argument(
        "--storage", default="", metavar="FILE|URL", help=f"of a study: {STORAGE_HELP} (default: NAME.journal)"
    )


def add_pictured(parser: argparse.ArgumentParser) -> None:
    """What to draw."""
    add_source(parser)
    parser.add_argument(
        "--objective",
        action="append",
        default=[],
        metavar="'min|max COLUMN'",
        help="of candidates: what latency is weighed against; may be repeated (default: quality or accuracy "
        "and every count; of bytes less is better)",
    )


def is_candidates(source: str) -> bool:
    """Whether a source is candidates rather than a study."""
    path = Path(source)
    return path.suffix.lower() in _FILES or path.is_dir()


def candidates_of(args: argparse.Namespace) -> Candidates:
    """The candidates that the flags name.

    Raises:
        OracleError: they cannot be read; or a storage, which candidates have none of.
    """
    from ..sweep import read_candidates

    if args.storage:
        raise OracleError(f"--storage is about studies, and {args.source} is a sweep or a file of candidates")
    return read_candidates(args.source)


def results_of(args: argparse.Namespace) -> Results:
    """The study that the flags name.

    Raises:
        OracleError: there is none.
    """
    from ..study import find_study, open_results

    _, place = find_study(args.source, args.storage)
    if not args.storage and "://" not in place and not is_file(place):
        raise OracleError(f"{args.source}: no directory of a sweep, no file of candidates, and no study in {place}")
    return open_results(args.source, args.storage)


def pictured_results(args: argparse.Namespace) -> Results:
    """The study to draw.

    Raises:
        OracleError: there is none; or an objective, which a study states itself.
    """
    if args.objective:
        raise OracleError(f"--objective {args.objective[0]!r} is about candidates: a study states its own")
    return results_of(args)


def command_of(args: argparse.Namespace) -> str:
    """The command as it was typed; a storage's password is left out."""
    from ..study.labels import storage_label

    return shlex.join(["oracle-search", *map(storage_label, args.argv)])
