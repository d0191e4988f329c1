"""What a decoder's layers have in the place of plain attention: which it is, and what excludes what."""

from __future__ import annotations

from typing import Any

from oracle.families._checks import MAX_TOKENS, MAX_WIDTH, choice, integer, require
from oracle.families.sharding import Parallel, cuts_heads

__all__ = ["MIXERS", "check_index", "check_mixers", "mixers_of"]

MIXERS = ("full", "linear")


def check_mixers(section: Any, shared: Parallel) -> None:
    """Complain of linear attention that there is not, or that GPUs cannot share."""
    mixers = mixers_of(section)
    if not any(mixers):
        return
    for name in ("PARALLEL", "KV_RANK", "WINDOWS"):
        require(not section[name], f"DECODER.{name}", section[name], "none where MIXERS has linear")
    heads, groups = (integer(f"DECODER.LINEAR_{name}", section[f"LINEAR_{name}"]) for name in ("HEADS", "KEY_HEADS"))
    for name, low in (("KEY_DIM", 1), ("VALUE_DIM", 1), ("KERNEL", 2)):
        integer(f"DECODER.LINEAR_{name}", section[f"LINEAR_{name}"], low=low)
    widest = heads * max(section["LINEAR_KEY_DIM"], section["LINEAR_VALUE_DIM"])
    require(widest <= MAX_WIDTH, "DECODER.LINEAR_HEADS", heads, f"heads of {MAX_WIDTH} elements at most")
    require(heads % groups == 0, "DECODER.LINEAR_KEY_HEADS", groups, f"a divisor of LINEAR_HEADS, {heads}")
    fit = cuts_heads(heads, groups, shared)
    require(fit, "COST.PARALLEL.TP", shared.tp, f"a divisor of LINEAR_HEADS, {heads}, as of LINEAR_KEY_HEADS, {groups}")


def mixers_of(section: Any) -> list[bool]:
    """Whether the attention of layers is linear, again and again."""
    return [choice("DECODER.MIXERS", word, MIXERS) == "linear" for word in section["MIXERS"]] or [False]


def check_index(section: Any, training: bool) -> None:
    """Complain of an indexer that there is not."""
    if not integer("DECODER.INDEX_TOPK", section["INDEX_TOPK"], low=0, high=MAX_TOKENS):
        return
    for name in ("HEADS", "DIM"):
        integer(f"DECODER.INDEX_{name}", section[f"INDEX_{name}"])
    width = section["INDEX_HEADS"] * section["INDEX_DIM"]
    require(width <= MAX_WIDTH, "DECODER.INDEX_HEADS", section["INDEX_HEADS"], f"{MAX_WIDTH} elements at most")
    built = section["KV_RANK"] and not training
    require(built, "DECODER.INDEX_TOPK", section["INDEX_TOPK"], "0 where KV_RANK is 0, and in training")
