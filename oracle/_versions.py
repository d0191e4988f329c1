"""What results were made by and when: versions of installed packages, without importing them, and the date."""

from __future__ import annotations


def today() -> str:
    """The date in UTC, as in `2026-11-28`."""
    from datetime import datetime, timezone

    return datetime.now(timezone.utc).date().isoformat()


def version_of(package: str, missing: str = "") -> str:
    """The version of a package; `missing` for one that is not installed as such, and for what is no package's name."""
    from importlib.metadata import PackageNotFoundError, version  # takes as long as a score

    try:
        return version(package)
    except (PackageNotFoundError, ValueError):
        return missing
