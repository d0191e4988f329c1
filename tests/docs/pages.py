"""Pages of the documentation as programs: their fenced blocks, in order, in one directory.

| block | what the tests do with it |
|---|---|
| `console` | runs every `$ command`, and compares what it prints with what the page shows |
| `sh` | runs every line; each has to succeed |
| `py` | runs it; blocks of a page share their names |
| `pycon` | a doctest, with the names of the page |
| a first line `# file: NAME` | writes the block to a file instead, for the blocks that follow |
| `text` and others | nothing |

A comment `<!-- test: nightly -->` before a block leaves it, and what follows on the page, to the nightly run;
`<!-- test: skip, REASON -->` leaves out the block alone. Commands of other programs than ours are left out.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PROGRAMS", "ROOT", "Block", "blocks_of", "commands_in", "pages", "sessions_in"]

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("oracle", "oracle-search")
_BLOCK = re.compile(
    r"(?:^<!-- test: (?P<mark>[^>]*) -->\n+)?^```(?P<language>[\w-]*)[^\n]*\n(?P<text>.*?)^```",
    re.MULTILINE | re.DOTALL,
)
_FILE = re.compile(r"# file: (\S+)\n")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block.

    Attributes:
        language: the word after the fence.
        text: what stands in it.
        file: the file that it is written to, "" for none.
        nightly: whether the nightly run alone has it.
        line: of the page, where it begins.
    """

    language: str
    text: str
    file: str
    nightly: bool
    line: int


def pages() -> list[Path]:
    """README and every page of the site."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks_of(page: Path) -> list[Block]:
    """The blocks of a page that run, in order."""
    content = page.read_text(encoding="utf-8")
    found, nightly = [], False
    for match in _BLOCK.finditer(content):
        mark = match["mark"] or ""
        if mark.startswith("skip, "):
            continue
        if mark not in ("", "nightly"):
            raise ValueError(f"{page}: test: {mark}: expected nightly, or skip with a reason")
        nightly = nightly or mark == "nightly"
        named = _FILE.match(match["text"])
        file = named[1] if named else ""
        if match["language"] in ("console", "sh", "py", "pycon") or file:
            line = content.count("\n", 0, match.start()) + 1
            found.append(Block(match["language"], match["text"], file, nightly, line))
    return found


def commands_in(text: str) -> list[list[str]]:
    """The commands of ours in lines of a shell, as words; a backslash joins lines, a # ends one."""
    lines = text.replace("\\\n", " ").splitlines()
    words = [shlex.split(line, comments=True) for part in lines for line in part.split("; ")]
    return [command for command in words if command and command[0] in PROGRAMS]


def sessions_in(text: str) -> list[tuple[list[str], str]]:
    """The commands of ours in a console, each with what the page says it prints."""
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    split = (part.partition("\n") for part in parts)
    found = [(shlex.split(command), output) for command, _, output in split]
    return [(command, output) for command, output in found if command[0] in PROGRAMS]
