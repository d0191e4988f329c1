"""What a decoder's layers have in the place of plain attention: which it is, and what excludes what."""

from __future__ import annotations

from typing import Any

from oracle.families._checks import MAX_TOKENS, MAX_WIDTH, choice, integer, require
from oracle.families.sharding import Parallel, cuts_heads

MIXERS = ("full", "linear")


def check_mixers(section: Any) -> None:
    """Complain of linear attention that there is not."""
    if not any(mixers_of(section)):
        return
    for name in ("PARALLEL", "KV_RANK", "WINDOWS"):
        require(not section[name], f"DECODER.{name}", section[name], "none where MIXERS has linear")
    integer("DECODER.LINEAR_KERNEL", section["LINEAR_KERNEL"], low=2)


def linear_sizes(section: Any, shared: Parallel) -> tuple[int, int, int, int]:
    """Heads of values and of keys of linear attention, and elements of each; zeros where there is none.

    Raises:
        ConfigError: sizes with which there is none, or that GPUs cannot share.
    """
    if not any(mixers_of(section)):
        return 0, 0, 0, 0
    names = [f"LINEAR_{name}" for name in ("HEADS", "KEY_HEADS", "KEY_DIM", "VALUE_DIM")]
    heads, groups, keys, values = (integer(f"DECODER.{name}", section[name]) for name in names)
    widest = heads * max(keys, values)
    require(widest <= MAX_WIDTH, "DECODER.LINEAR_HEADS", heads, f"heads of {MAX_WIDTH} elements at most")
    require(heads % groups == 0, "DECODER.LINEAR_KEY_HEADS", groups, f"a divisor of LINEAR_HEADS, {heads}")
    fit = cuts_heads(heads, groups, shared)
    require(fit, "COST.PARALLEL.TP", shared.tp, f"a divisor of LINEAR_HEADS, {heads}, as of LINEAR_KEY_HEADS, {groups}")
    return heads, groups, keys, values


def mixers_of(section: Any) -> list[bool]:
    """Whether the attention of layers is linear, again and again."""
    return [choice("DECODER.MIXERS", word, MIXERS) == "linear" for word in section["MIXERS"]] or [False]


def check_index(section: Any, training: bool) -> None:
    """Complain of an indexer that there is not."""
    most = integer("DECODER.INDEX_TOPK", section["INDEX_TOPK"], low=0, high=MAX_TOKENS)
    built = section["KV_RANK"] and not training
    require(built or not most, "DECODER.INDEX_TOPK", most, "0 where KV_RANK is 0, and in training")


def index_sizes(section: Any) -> tuple[int, int]:
    """Heads of an indexer, and elements of each; zeros where there is none.

    Raises:
        ConfigError: sizes with which there is none.
    """
    if not section["INDEX_TOPK"]:
        return 0, 0
    heads, width = (integer(f"DECODER.INDEX_{name}", section[f"INDEX_{name}"]) for name in ("HEADS", "DIM"))
    require(heads * width <= MAX_WIDTH, "DECODER.INDEX_HEADS", heads, f"{MAX_WIDTH} elements at most")
    return heads, width
