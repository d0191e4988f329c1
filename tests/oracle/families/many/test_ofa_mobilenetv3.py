from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st


def _list(values: list[int], length: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.sampled_from(values), min_size=length, max_size=length)


_LISTS = {"OFA.KERNELS": ([3, 5, 7], 20), "OFA.EXPANSIONS": ([3, 4, 6], 20), "OFA.DEPTHS": ([2, 3, 4], 5)}
_OTHERS: dict[str, st.SearchStrategy[Any]] = {
    "OFA.RESOLUTION": st.sampled_from([0, 127, 128, 176, 224, 225]),
    "TRAIN.IM_SIZE": st.sampled_from([0, 16, 32, 64, 224]),
    "MODEL.NUM_CLASSES": st.sampled_from([0, 10, 1000]),
    "MODEL.ACTIVATION_FUN": st.sampled_from(["relu", "silu"]),
}


@given(st.data())
def test_columns_are_the_networks_that_configs_are(agree: Callable[..., Any], data: st.DataObject) -> None:
    """Lists with an entry per place, or one for all; now and then a value that the space does not have."""
    keys = data.draw(st.sets(st.sampled_from(sorted({*_LISTS, *_OTHERS})), min_size=1))
    columns: dict[str, st.SearchStrategy[Any]] = {}
    for key in sorted(keys):
        if key in _LISTS:
            values, length = _LISTS[key]
            more = [*values, 1] if data.draw(st.booleans()) else values
            columns[key] = _list(more, data.draw(st.sampled_from([length, length, 1, 2])))
        else:
            columns[key] = _OTHERS[key]
    agree(
        {"MODEL": {"TYPE": "ofa_mobilenetv3"}},
        data.draw(st.lists(st.fixed_dictionaries(columns), min_size=1, max_size=8)),
    )
