"""What a storage is called where people read it."""

from __future__ import annotations


def storage_label(source: str) -> str:
    """A path or URL that can be shown: without a password."""
    scheme, mark, rest = source.partition("://")
    user, at, host = rest.rpartition("@")
    return f"{scheme}{mark}{user.partition(':')[0]}{at}{host}" if mark else source
