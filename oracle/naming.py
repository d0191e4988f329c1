"""What the cells of a network are called, as attributes of its module and in every table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from oracle.spec import CellSpec, NetSpec


def cell_names(net: NetSpec, role_of: Callable[[str], str]) -> tuple[str, ...]:
    """A readable, unique attribute name per cell.

    `stem` and `head` (numbered when there are several); blocks that have a stride are `s1_b2`, stage and
    block, where a stage begins whenever resolution or width change; other blocks are `block1`, `block2`, ...

    Args:
        net: the network.
        role_of: kind of a cell -> stem, block, head or shard.
    """
    by_role: dict[str, list[CellSpec]] = {}
    for cell in net.cells:
        by_role.setdefault(role_of(cell.kind), []).append(cell)
    names = {
        role: iter(_block_names(cells) if role == "block" else _numbered(role, len(cells)))
        for role, cells in by_role.items()
    }
    return tuple(next(names[role_of(cell.kind)]) for cell in net.cells)


def _numbered(role: str, count: int) -> Iterable[str]:
    return [role] if count == 1 else [f"{role}{i}" for i in range(1, count + 1)]


def _block_names(cells: Iterable[CellSpec]) -> Iterator[str]:
    stage = place = plain = 0
    for cell in cells:
        arguments = cell.kwargs
        if "stride" not in arguments:
            plain += 1
            yield f"block{plain}"
            continue
        if not stage or arguments["stride"] != 1 or arguments.get("w_in") != arguments.get("w_out"):
            stage, place = stage + 1, 0
        place += 1
        yield f"s{stage}_b{place}"


def near_names(name: str) -> tuple[str, ...]:
    """What a cell is meant by in `NetSpec.dtypes`, the nearest first: its name, its stage, its role.

    Example:
        >>> near_names("s3_b1"), near_names("block4")
        (('s3_b1', 's3', 'block'), ('block4', 'block'))
    """
    stage, _, block = name.partition("_b")
    role = "block" if block else name.rstrip("0123456789")
    return tuple(dict.fromkeys((name, stage, role)))


def cell_dtypes(net: NetSpec, dtype: str, role_of: Callable[[str], str]) -> tuple[str, ...]:
    """The type that each cell computes in.

    Args:
        net: the network.
        dtype: of cells that the network says nothing of.
        role_of: as in `cell_names`.
    """
    requested = dict(net.dtypes)
    return tuple(
        next((requested[near] for near in near_names(name) if near in requested), dtype)
        for name in cell_names(net, role_of)
    )
