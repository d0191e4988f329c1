"""Make the templates that ship, or check them: python -m tests.benchmarks.make_templates [--check] [--only decoder].

Makes all files of oracle/closedform/shipped anew, in some twenty minutes on two cores. With --check, holds every
template that is there against a fresh trace of its cell at sizes of its own, in some minutes; where all agree, the
files are noted to be of these sources, whatever was refactored since they were made. Exit code 1 on a difference.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterable
from multiprocessing import get_context

from oracle.closedform.library import library, library_directory
from oracle.closedform.structural.parts import load_parts, member_of
from oracle.closedform.template import Template, TemplateKey
from tests.benchmarks.templates import checking, making
from tests.benchmarks.templates.plain import plain_parts
from tests.benchmarks.templates.specimens import networks
from tests.benchmarks.templates.structures import make_archive, make_parts, traced_workloads
from tests.benchmarks.templates.writing import stamp

_STRUCTURES = ("nasbench201_cell",)


def check(kind: str) -> tuple[str, list[str]]:
    """A kind and all its differences."""
    if kind in _STRUCTURES:
        parts = ((under, load_parts(kind, member_of(under)), make_parts(kind, under)) for under in traced_workloads())
        return kind, [f"{under}" for under, ours, made in parts if plain_parts(ours) != plain_parts(made)]
    return kind, list(checking.differences(kind, random.Random(kind)))


def main() -> int:
    """Make or check, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--check", action="store_true", help="make nothing: hold what ships against fresh traces")
    parser.add_argument(
        "--only", default="", help="what the kinds of cells begin with whose files are made, or checked"
    )
    arguments = parser.parse_args()
    chosen = [name for name in networks() if name.startswith(arguments.only)]
    with get_context("spawn").Pool(arguments.jobs, maxtasksperchild=1) as pool:
        if arguments.check:
            kinds = [kind for kind in (*_STRUCTURES, *library().kinds()) if kind.startswith(arguments.only)]
            return _checked(pool.imap_unordered(check, kinds), arguments.only)
        entries: dict[TemplateKey, tuple[list[Template], bool]] = {}
        for found in pool.imap_unordered(making.made, chosen):
            print(f"{len(found)} keys", flush=True)
            for key, several in found.items():
                entries.setdefault(key, several)
    for file in making.write(entries, library_directory(), arguments.only):
        print(f"{file.name}: {file.stat().st_size:,} bytes")
    for kind in _STRUCTURES if not arguments.only else ():
        file = make_archive(kind)
        print(f"{file.name}: {file.stat().st_size:,} bytes")
    return 0


def _checked(kinds: Iterable[tuple[str, list[str]]], only: str) -> int:
    different = 0
    for kind, differences in kinds:
        print(f"{kind}: {len(differences)} differences", *differences, sep="\n", flush=True)
        different += len(differences)
    print(f"{different} differences")
    if not different:
        stamp(library_directory(), making.made_of, only)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
