from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

_LAYERS = 3
_SIZES: dict[str, list[int]] = {
    "VOCAB": [0, 96, 2**25],
    "LAYERS": [0, 1, _LAYERS, 5],
    "WIDTH": [0, 48, 64, 50],
    "HEADS": [0, 4, 6, 8],
    "KV_HEADS": [0, 1, 2, 3, 4],
    "HEAD_DIM": [0, 8, 20, 2**19],
    "FF": [0, 96, 112],
    "EXPERTS": [0, 4, 8, 2**13],
    "EXPERTS_PER_TOKEN": [0, 1, 2, 6],
    "EXPERT_FF": [0, 24],
    "SHARED_FF": [0, 32],
    "DENSE_LAYERS": [0, 1, 2, 9],
    "Q_RANK": [0, 24],
    "NOPE_DIM": [0, 16],
    "ROPE_DIM": [8, 12],
    "V_DIM": [0, 12],
    "LINEAR_HEADS": [0, 4, 6, 2**16],
    "LINEAR_KEY_HEADS": [0, 1, 2, 3],
    "LINEAR_KEY_DIM": [0, 14, 16],
    "LINEAR_VALUE_DIM": [0, 10, 2**14],
    "INDEX_HEADS": [0, 4, 6, 2**16],
    "INDEX_DIM": [0, 10, 2**14],
}
_SHARED: dict[str, st.SearchStrategy[Any]] = {
    "WINDOWS": st.sampled_from([[], [16], [16, 0], [0, 0]]),
    "ROTARY": st.sampled_from([0.0, 0.25, 1.0]),
    "PARALLEL": st.sampled_from(["", "", "one", "two"]),
    "GATED": st.booleans(),
    "TIED": st.booleans(),
    "SHARED_GATE": st.booleans(),
    "SINKS": st.sampled_from([False, False, True]),
    "KV_RANK": st.sampled_from([0, 28]),
    "INDEX_TOPK": st.sampled_from([0, 0, 20, 64]),
    "MIXERS": st.sampled_from([[], [], ["linear"], ["linear", "full"]]),
    "OUT_GATE": st.booleans(),
    "ROUTER": st.sampled_from(["softmax", "softmax_all", "sigmoid"]),
    "EXPERT_GROUPS": st.sampled_from([1, 2, 3]),
    "GROUPS_PER_TOKEN": st.sampled_from([1, 2]),
}
_CALLS: list[dict[str, Any]] = [
    {"PHASE": "prefill", "PROMPT": 24},
    {"PHASE": "decode", "PAST": 40, "KV_DTYPE": "int8"},
    {"PHASE": "prefill", "PROMPT": 8, "PAST": 20, "LOGITS": "all"},
    {"PHASE": "training", "PROMPT": 24},
]
_GPUS = [{}, {}, {"TP": 2}, {"TP": 3}, {"TP": 4, "EP": 4}, {"TP": 2, "PP": 2, "EP": 2}, {"PP": 4}]
_BASE = {"VOCAB": 96, "LAYERS": _LAYERS, "WIDTH": 48, "HEADS": 6, "KV_HEADS": 3, "FF": 112}
_BASE |= {"NOPE_DIM": 16, "ROPE_DIM": 8, "V_DIM": 12, "INDEX_HEADS": 4, "INDEX_DIM": 10}
_BASE |= {"LINEAR_HEADS": 6, "LINEAR_KEY_HEADS": 3, "LINEAR_KEY_DIM": 14, "LINEAR_VALUE_DIM": 10}


@given(st.data())
def test_columns_are_the_networks_that_configs_are(agree: Callable[..., Any], data: st.DataObject) -> None:
    """Sizes, lists with an entry per layer, and switches; now and then a value that no decoder has."""
    keys = data.draw(st.sets(st.sampled_from(sorted(_SIZES)), max_size=5))
    columns: dict[str, st.SearchStrategy[Any]] = {
        f"DECODER.{key}": st.sampled_from(_SIZES[key]) for key in sorted(keys)
    }
    lists = data.draw(st.sets(st.sampled_from(["LAYER_HEADS", "LAYER_KV_HEADS", "LAYER_FF"]), max_size=2))
    for name in sorted(lists):
        values = [0, 96, 32] if name == "LAYER_FF" else [0, 1, 2, 4, 6]
        length = data.draw(st.sampled_from([_LAYERS, _LAYERS, 2]))
        columns[f"DECODER.{name}"] = st.lists(st.sampled_from(values), min_size=length, max_size=length)
    if not columns:
        columns = {"DECODER.FF": st.sampled_from(_SIZES["FF"])}
    shared = {key: data.draw(value) for key, value in _SHARED.items() if data.draw(st.booleans())}
    cost = {**data.draw(st.sampled_from(_CALLS)), "PARALLEL": data.draw(st.sampled_from(_GPUS))}
    base = {"MODEL": {"TYPE": "decoder"}, "DECODER": {**_BASE, **shared}, "COST": cost}
    agree(base, data.draw(st.lists(st.fixed_dictionaries(columns), min_size=1, max_size=8)))


@given(st.data())
def test_switches_may_differ_between_candidates(agree: Callable[..., Any], data: st.DataObject) -> None:
    """They are grouped by what is no size."""
    columns = {f"DECODER.{key}": value for key, value in _SHARED.items() if key not in ("WINDOWS", "ROTARY", "MIXERS")}
    columns["DECODER.EXPERTS"] = st.sampled_from(_SIZES["EXPERTS"])
    rows = data.draw(st.lists(st.fixed_dictionaries(columns), min_size=1, max_size=6))
    agree({"MODEL": {"TYPE": "decoder"}, "DECODER": _BASE}, rows)
