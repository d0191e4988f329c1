"""What Linux tells of processes."""

from __future__ import annotations

from pathlib import Path


def workers_of(parent: int) -> list[int]:
    """Processes that a pool has started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            command = (stat.parent / "cmdline").read_text()
        except OSError:
            continue
        if int(fields[1]) == parent and fields[0] != "Z" and "spawn_main" in command:
            found.append(int(stat.parent.name))
    return found
