"""Versions of installed packages, without importing them."""

from __future__ import annotations

__all__ = ["version_of"]


def version_of(package: str, missing: str = "") -> str:
    """The version of a package; `missing` for one that is not installed as such, and for what is no package's name."""
    from importlib.metadata import PackageNotFoundError, version  # takes as long as a score

    try:
        return version(package)
    except (PackageNotFoundError, ValueError):
        return missing
