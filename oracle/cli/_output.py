"""Hand a result to `oracle.report`: in the requested format, to the requested place."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from oracle.errors import OracleError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from oracle.report.page import PageFacts

_WIDTH = 7.2  # inches: a journal's page; one of its columns is 3.5
YAML = ("yaml", "yml", "")
"""Suffixes of devices and calibrations."""
_PAGES = ("html", "htm", "")
_FORMATS = {"csv": "csv", "json": "json", "txt": "table", "": "table"}


def check_output(args: argparse.Namespace, also: Iterable[str] = ()) -> None:
    """Complain of a file that `deliver` could not write, before there is anything to lose.

    Args:
        args: parsed, with the flags of `add_output`.
        also: suffixes that the command itself writes, besides those of `deliver`.

    Raises:
        OracleError: a suffix that says no format, or a file that cannot be written.
    """
    check_file(args.output, None if args.format else (*_FORMATS, *also))


def check_file(file: str | None, known: Iterable[str] | None) -> None:
    """The same for a file of one kind; any suffix will do where `known` is None."""
    from oracle.report.export import check_writable

    if file in (None, "-"):
        return
    if known is not None:
        _suffix_of(file, known)
    check_writable(file)


def _suffix_of(file: str, known: Iterable[str]) -> str:
    """A file's suffix without its dot, in lower case; "" among those known stands for a name without one."""
    suffix = PurePath(file).suffix.lower().removeprefix(".")
    if suffix not in known:
        there = ", ".join(filter(None, known))
        raise OracleError(f"output={file!r}: suffix {suffix!r}: expected a name that ends in {there}")
    return suffix


def _format_of(args: argparse.Namespace) -> str:
    """The requested format: by the flag, else by the file's suffix."""
    if args.format or args.output in (None, "-"):
        return str(args.format or "table")
    return _FORMATS[_suffix_of(args.output, _FORMATS)]


def deliver(
    args: argparse.Namespace,
    *,
    table: Callable[[], Sequence[RenderableType]],
    data: Callable[[], Mapping[str, Any]],
    rows: Callable[[], Sequence[Mapping[str, Any]]],
) -> None:
    """Print or write a result.

    Args:
        args: parsed, with the flags of `add_output`.
        table, data, rows: make what the formats table, json and csv need; only the requested one is called.

    Raises:
        OracleError: a suffix that says no format, or a file that cannot be written.
    """
    from oracle.report.console import show, text_of, write
    from oracle.report.export import to_csv, to_json, write_text

    file, chosen = None if args.output == "-" else args.output, _format_of(args)
    if chosen == "table" and file is None:
        show(table())
        return
    text = to_json(data()) if chosen == "json" else to_csv(rows()) if chosen == "csv" else text_of(table())
    if file is None:
        write(text)
    else:
        write_text(file, text)


def add_page(parser: argparse.ArgumentParser) -> Any:
    """Where a page goes; the group of flags, for more of them."""
    group = parser.add_argument_group("page")
    group.add_argument(
        "-o", "--output", default="report.html", metavar="FILE", help="default: report.html; - for standard output"
    )
    parser.set_defaults(check=lambda args: check_file(args.output, _PAGES))
    return group


def deliver_page(output: str, page: PageFacts) -> None:
    """Write a page, and say what it is about; with `-` print the page itself.

    Raises:
        OracleError: the file cannot be written.
    """
    from oracle.report.console import write
    from oracle.report.page import page_html, write_page

    if output == "-":
        write(page_html(page))
        return
    write_page(output, page)
    write(f"{output}: {page.title}\n")


def add_figure(parser: argparse.ArgumentParser, default: str) -> None:
    """Where a figure goes, and how wide it is."""
    group = parser.add_argument_group("figure")
    group.add_argument(
        "-o", "--output", default=default, metavar="FILE", help=f"ends in svg, png or pdf (default: {default})"
    )
    group.add_argument(
        "--width",
        type=_inches,
        default=_WIDTH,
        metavar="INCHES",
        help=f"default: {_WIDTH}, both columns of a page; 3.5 is one",
    )
    parser.set_defaults(check=_check_figure)


def _check_figure(args: argparse.Namespace) -> None:
    from oracle.report.export import check_writable
    from oracle.report.plot import format_of

    format_of(args.output)
    check_writable(args.output)


def deliver_figure(args: argparse.Namespace, make: Callable[[], Any]) -> None:
    """Make and write a figure, and say where.

    Args:
        args: parsed, with the flags of `add_figure`.
        make: makes it.

    Raises:
        OracleError: another suffix, no matplotlib, or a file that cannot be written.
    """
    from oracle.report.console import write
    from oracle.report.plot import write_figure

    write_figure(args.output, make())
    write(f"{args.output}\n")


def _inches(text: str) -> float:
    """A width, for argparse."""
    try:
        width = float(text)
    except ValueError:
        width = 0.0
    if not 1 <= width <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is no width in inches from 1 to 100")
    return width
