"""Where the files that ship with the oracle are: `configs/<kind>/**/<name>.yaml`, found by name.

Free of torch, yacs and numpy, so that every room may use it.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from oracle.errors import ConfigError

__all__ = ["closest", "find_config", "shipped", "shipped_dir"]


def shipped_dir() -> Path:
    """The directory `configs`: inside the package when installed, beside it in a source checkout.

    Raises:
        ConfigError: neither exists, i.e. the installation is incomplete.
    """
    package = Path(__file__).resolve().parent
    inside, beside = package / "configs", package.parent / "configs"
    if inside.is_dir():
        return inside
    # A wheel's neighbour called `configs` would be somebody else's: only a checkout has a pyproject.toml.
    if beside.is_dir() and (package.parent / "pyproject.toml").is_file():
        return beside
    raise ConfigError(f"no shipped configs in {inside}; reinstall nas-cost-oracle")


def shipped(kind: str) -> dict[str, Path]:
    """Name (file stem) -> path of every shipped config of a kind: networks, devices, spaces, studies."""
    return {path.stem: path for path in sorted((shipped_dir() / kind).rglob("*.yaml"))}


def find_config(kind: str, name: str) -> Path | None:
    """The shipped config of that name, upper and lower case being equal; None when there is none."""
    known = shipped(kind)
    if name in known:
        return known[name]
    return next((path for stem, path in known.items() if stem.lower() == name.lower()), None)


def closest(word: str, options: Iterable[str], count: int = 3) -> str:
    """`"; did you mean a, b?"` with the options most like a word, "" when none is near."""
    by_lower = {option.lower(): option for option in options}
    near = get_close_matches(word.lower(), list(by_lower), n=count, cutoff=0.5)
    return f"; did you mean {', '.join(by_lower[match] for match in near)}?" if near else ""
