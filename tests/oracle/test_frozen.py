from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from oracle._frozen import Frozen


def test_it_is_a_dict_that_travels() -> None:
    frozen = Frozen({"t4": 1.5})
    assert frozen == {"t4": 1.5}
    assert json.dumps(frozen) == '{"t4": 1.5}'
    for twin in (pickle.loads(pickle.dumps(frozen)), copy.deepcopy(frozen), copy.copy(frozen)):  # noqa: S301
        assert (type(twin), twin) == (Frozen, frozen)
    assert {**frozen, "l4": 2.0} == frozen | {"l4": 2.0} == {"t4": 1.5, "l4": 2.0}


@pytest.mark.parametrize(
    "change",
    [
        lambda frozen: frozen.__setitem__("a", 2),
        lambda frozen: frozen.__delitem__("a"),
        lambda frozen: frozen.update(a=2),
        lambda frozen: frozen.setdefault("b", 2),
        lambda frozen: frozen.pop("a"),
        lambda frozen: frozen.popitem(),
        lambda frozen: frozen.clear(),
        lambda frozen: frozen.__ior__({"b": 2}),
    ],
    ids=["set", "delete", "update", "default", "pop", "pop an item", "clear", "unite"],
)
def test_it_refuses_changes(change: Callable[[Any], Any]) -> None:
    frozen = Frozen({"a": 1})
    with pytest.raises(TypeError, match="do not change"):
        change(frozen)
    assert frozen == {"a": 1}
