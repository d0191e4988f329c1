"""What is read of a decoder's `config.json`: values of one kind each, and what no decoder here has refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from oracle.config.merge import shown
from oracle.errors import ConfigError

_LARGEST = 2**31
_ALIKE = 0.9  # a letter more, less or swapped; further apart are other keys, such as head_dim and v_head_dim
_RELATED = 0.75  # within keys of one part, of which none but ours decide counts
_PARTS = ("linear_", "index_")
_ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}


class Reader:
    """Values of a file, each checked as it is read.

    Args:
        values: by key.
        file: where they are from, for the messages.
    """

    def __init__(self, values: Mapping[str, Any], file: str) -> None:
        self._values, self._file = values, file
        self._asked: set[str] = set()

    def _get(self, name: str, default: Any = None) -> Any:
        self._asked.add(name)
        return self._values.get(name, default)

    def fail(self, name: str, expected: str) -> ConfigError:
        """The error about a value."""
        if name not in self._values:
            near = _nearest(name, self._values.keys() - self._asked, _ALIKE)
            hint = f"; found {near}" if near else ""
            return ConfigError(f"missing: expected {expected}{hint}", key=name, file=self._file)
        return ConfigError(f"value {shown(self._values[name])}: expected {expected}", key=name, file=self._file)

    def integer(self, name: str, default: int | None = None, low: int = 1) -> int:
        """An integer, which must be there unless it has a default; null is as if it were not."""
        value = self._get(name)
        if value is None and default is not None:
            return default
        if type(value) is not int or not low <= value <= _LARGEST:
            raise self.fail(name, f"an integer from {low} to {_LARGEST}")
        return value

    def rank(self, name: str, default: int) -> int:
        """An integer that null, unlike no key at all, makes 0."""
        return self.integer(name, 0 if name in self._values else default)

    def number(self, name: str, default: float) -> float:
        """A part, from 0 to 1; newer files have it among the rotary parameters."""
        value = self._get(name)
        rotary = self._get("rope_parameters")
        if value is None and isinstance(rotary, Mapping):
            value = rotary.get("partial_rotary_factor")
        if value is None:
            return default
        if type(value) not in (int, float) or not 0 <= value <= 1:
            raise self.fail(name, "a number from 0 to 1")
        return float(value)

    def flag(self, name: str, default: bool) -> bool:
        """True or false."""
        value = self._get(name, default)
        if type(value) is not bool:
            raise self.fail(name, "true or false")
        return value

    def word(self, name: str, default: str, known: tuple[str, ...]) -> str:
        """One of some words."""
        value = self._get(name, default)
        if value not in known:
            raise self.fail(name, f"one of {', '.join(known)}")
        return str(value)

    def words(self, name: str, usual: list[str], known: tuple[str, ...]) -> list[str]:
        """One of some words for each layer, as `usual` where the file does not say."""
        value = self._get(name)
        if value is None:
            return usual
        if not isinstance(value, list) or len(value) != len(usual) or any(word not in known for word in value):
            raise self.fail(name, f"{' or '.join(known)} for each of {len(usual)} layers")
        return value

    def expect(self, name: str, value: Any) -> None:
        """Refuse a part that the cells do not have."""
        found = self._get(name, value)
        if found != value:
            raise self.fail(name, f"{json.dumps(value)}, for no other is built here")

    def without(self, name: str, part: str) -> None:
        """Refuse a part that decoders may have, and those of this kind have not here; one of something is none."""
        value = self._get(name)
        if value is True or value not in (None, 0, 1):
            raise self.fail(name, f"none, for no {self._values['model_type']} with {part} is built here")

    def kinds(self, name: str, known: str) -> None:
        """Refuse words of a list, where there is one, that are all but one."""
        value = self._get(name)
        if value is not None and (not isinstance(value, list) or any(word != known for word in value)):
            raise self.fail(name, f"{known} for each layer")

    def heads(self, name: str, known: tuple[str, ...]) -> None:
        """Refuse names of modules, where there are any, none of which ends as it should."""
        value = self._get(name)
        if value and not (isinstance(value, list) and any(str(word).endswith(known) for word in value)):
            raise self.fail(name, f"one that ends in {' or '.join(known)}, for no other head is built here")

    def activation(self, name: str, default: str) -> str:
        """The activation between the products."""
        value = self._get(name)
        if value is None:
            return _ACTIVATIONS[default]
        if not isinstance(value, str) or value not in _ACTIVATIONS:
            raise self.fail(name, f"one of {', '.join(_ACTIVATIONS)}")
        return _ACTIVATIONS[value]

    def integers(self, name: str) -> list[int]:
        """A list of integers, none by default."""
        value = self._get(name) or []
        if not isinstance(value, list) or any(type(item) is not int for item in value):
            raise self.fail(name, "a list of integers")
        return value

    def agree(self, names: tuple[str, ...]) -> str:
        """The first of some names for one value that the file has, or else the first; all that it has must agree."""
        there = [name for name in names if self.has(name)]
        for name in there[1:]:
            if self._get(name) != self._get(there[0]):
                raise self.fail(name, f"{shown(self._get(there[0]))}, as {there[0]} says")
        return there[0] if there else names[0]

    def has(self, name: str) -> bool:
        """Whether a value is there, and is not null."""
        return self._get(name) is not None

    def denies(self, name: str) -> bool:
        """Whether a value is null, and not left out."""
        return self._get(name, False) is None

    def refuse_misspelt(self) -> None:
        """Complain of a key that nothing has read and that is all but one that was looked for in vain."""
        missed = self._asked - self._values.keys()
        for name in sorted(self._values.keys() - self._asked):
            if name.startswith("_"):  # transformers' own notes, such as _sliding_window_pattern
                continue
            part = next((part for part in _PARTS if name.startswith(part)), "")
            alike = {other for other in missed if other.startswith(part)}
            if near := _nearest(name, alike, _RELATED if part else _ALIKE):
                raise ConfigError(f"unknown key; did you mean {near}?", key=name, file=self._file)

    def windows(self, layers: int, usual: Callable[[int], bool], window: int = 0) -> list[int]:
        """The window of each layer; 0 for none.

        Args:
            layers: how many.
            usual: number of a layer -> whether it has the window, where the file does not say it of each.
            window: of a file that does not say, as the kind's class in transformers has it; null is none.
        """
        window = self.rank("sliding_window", window)
        kinds = self._get("layer_types")
        if kinds is None:
            found = [window if usual(layer) else 0 for layer in range(layers)]
        else:
            if not isinstance(kinds, list) or len(kinds) != layers:
                raise self.fail("layer_types", f"a list of {layers}, one per layer")
            of = {"full_attention": 0, "sliding_attention": window}
            if not all(isinstance(kind, str) and kind in of for kind in kinds):
                raise self.fail("layer_types", f"{' or '.join(of)} for each layer")
            found = [of[kind] for kind in kinds]
        return [] if not any(found) else found


def _nearest(name: str, others: Iterable[str], cutoff: float) -> str:
    """The name that is most like another, whatever its case and however it writes keys and values; "" for none."""
    from difflib import get_close_matches

    plain = {_plain(other): other for other in sorted(others)}
    near = get_close_matches(_plain(name), plain, n=1, cutoff=cutoff)
    return plain[near[0]] if near else ""


def _plain(name: str) -> str:
    return name.lower().replace("kv_", "key_value_")
