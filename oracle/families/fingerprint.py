"""Fingerprints of networks: 128 bits per candidate, equal for equal specs and for those only.

A chain is hashed as the sum, over its cells, of a mixed word of the cell times a random word of its position,
modulo 2**64; twice, with independent words. A run of equal cells needs one product with the difference of two
running sums, so a run, its parts and single cells give the same. Words come from BLAKE2 of names and from
SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014), so that every
process finds the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.families.population import Ints, Population, index_of
from oracle.spec import NetSpec, Scalar

Fingerprints = NDArray[np.uint64]
Words = NDArray[np.uint64]

_LANES = (0, 1)
_MASK = 2**64 - 1
_STEP = 0x9E3779B97F4A7C15
_MIX = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


def fingerprints(population: Population) -> Fingerprints:
    """(2, n) two words per candidate; names do not matter."""
    found = np.empty((2, population.size), dtype=np.uint64)
    for lane in _LANES:
        dims = tuple((f"dim {axis}", size) for axis, size in enumerate(population.input_shape))
        found[lane] = _cell_words("input", dims, population.size, lane)
        for name, own in population.dtypes:
            found[lane] += _dtype_words(name, own, lane)
    done: Ints = np.zeros(population.size, dtype=np.int64)  # cells so far, of each candidate
    longest = sum(int(group.counts.max(initial=0)) for place in population.places for group in place)
    sums = [_running_sums(longest + 1, lane) for lane in _LANES]
    reached = np.zeros((2, population.size), dtype=np.uint64)  # their running sums so far
    for group in (group for place in population.places for group in place):
        rows = index_of(group.rows, population.size)
        done[rows] += group.counts
        for lane in _LANES:
            after = sums[lane].take(done[rows])
            step = after - reached[lane][rows]
            step *= _cell_words(group.kind, group.params, len(group.rows), lane)
            found[lane][rows] += step
            reached[lane][rows] = after
    return found


def fingerprint(net: NetSpec) -> tuple[int, int]:
    """The two words of one network, in plain integers: what `fingerprints` finds for a population of it."""
    dims = tuple((f"dim {axis}", size) for axis, size in enumerate(net.input_shape))
    found = []
    for lane in _LANES:
        places, word, cell, own = _place_words(len(net.cells), lane), _one_word("input", dims, lane), None, 0
        word += sum(_mixed_word(_word(f"{name} in {dtype}", lane)) for name, dtype in net.dtypes)
        for place, following in zip(places, net.cells, strict=True):
            if following != cell:  # most blocks repeat the one before
                cell = following
                own = _one_word(cell.kind, cell.params, lane)
            word += own * place
        found.append(word & _MASK)
    return found[0], found[1]


def _dtype_words(name: str, own: Any, lane: int) -> Any:
    """The mixed words of the types of a stage, one for all or one each; 0 where nothing is stated."""
    words = {word: _mixed_word(_word(f"{name} in {word}", lane)) if word else 0 for word in np.unique(own).tolist()}
    if not isinstance(own, np.ndarray):
        return np.uint64(words[own])
    return np.array([words[word] for word in own.tolist()], dtype=np.uint64)


@lru_cache(maxsize=256)
def _place_words(count: int, lane: int) -> tuple[int, ...]:
    """The random words of the first positions."""
    start = _word("position", lane)
    return tuple(_mixed_word(place * _STEP + start & _MASK) for place in range(1, count + 1))


def _one_word(kind: str, params: Sequence[tuple[str, Scalar]], lane: int) -> int:
    word = _word(kind, lane)
    for name, value in params:
        if isinstance(value, int) and not isinstance(value, bool):
            word += value * _word(name, lane)
        else:
            word += _word(f"{name}={value!r}", lane)
    return _mixed_word(word & _MASK)


def _mixed_word(word: int) -> int:
    for shift, factor in _MIX:
        word = (word ^ word >> shift) * factor & _MASK
    return word ^ word >> 31


def _cell_words(kind: str, params: Sequence[tuple[str, object]], size: int, lane: int) -> Words:
    """A mixed word for each of `size` cells, or one where they are equal; a value for all counts as an array of it."""
    shared = _word(kind, lane)
    columns: dict[int, tuple[Ints, int]] = {}  # by identity: several parameters often share one array
    texts: list[Words] = []
    for name, value in params:
        if isinstance(value, np.ndarray) and value.dtype == object:
            texts.append(_text_words(name, tuple(value.tolist()), lane))
        elif isinstance(value, np.ndarray):
            columns[id(value)] = value, columns.get(id(value), (value, 0))[1] + _word(name, lane)
        elif isinstance(value, int) and not isinstance(value, bool):
            shared += value * _word(name, lane)
        else:
            shared += _word(f"{name}={value!r}", lane)
    words = np.full(size if columns or texts else 1, shared & _MASK, dtype=np.uint64)
    for column, factor in columns.values():
        words += np.asarray(column, dtype=np.int64).view(np.uint64) * np.uint64(factor & _MASK)
    for own in texts:
        words += own
    return _mixed(words)


@lru_cache(maxsize=4)  # the places of a chain mostly hold the same texts, of both lanes
def _text_words(name: str, values: tuple[str, ...], lane: int) -> Words:
    """The word of a parameter that is a text, for each cell."""
    known = {value: _long_word(f"{name}={value!r}", lane) for value in set(values)}
    return np.array([known[value] for value in values], dtype=np.uint64)


@lru_cache(maxsize=4096)
def _word(text: str, lane: int) -> int:
    """An odd 64-bit word for a text, remembered."""
    return _long_word(text, lane)


def _long_word(text: str, lane: int) -> int:
    return int.from_bytes(blake2b(f"{lane} {text}".encode(), digest_size=8).digest(), "little") | 1


def _mixed(words: Words) -> Words:
    """SplitMix64's finaliser, in place."""
    for shift, factor in _MIX:
        words ^= words >> np.uint64(shift)
        words *= np.uint64(factor)
    words ^= words >> np.uint64(31)
    return words


def _running_sums(count: int, lane: int) -> Words:
    """Sums of the random words of the first 0, 1, 2, ... positions."""
    states = np.arange(1, count, dtype=np.uint64) * np.uint64(_STEP) + np.uint64(_word("position", lane))
    return np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(_mixed(states), dtype=np.uint64)])


def first_of_each(prints: Fingerprints) -> Ints:
    """Ascending positions of candidates that equal none before them."""
    some = _sharing_bits(prints[0])
    some = some[_sharing_bits(prints[1][some])]  # few by now: sorting all would take longer than all else here
    some = some[np.lexsort((some, prints[1][some], prints[0][some]))]
    repeated = some[1:][(prints[:, some[1:]] == prints[:, some[:-1]]).all(axis=0)]
    first = np.ones(prints.shape[1], dtype=bool)
    first[repeated] = False
    return np.flatnonzero(first)


def _sharing_bits(words: Words) -> Ints:
    """Positions of words that share their last bits with others: all that are equal, and a few by chance."""
    slots = (words & np.uint64((1 << (4 * len(words)).bit_length()) - 1)).view(np.int64)
    return np.flatnonzero((np.bincount(slots) > 1)[slots])


class Seen:
    """Candidates met so far; 16 bytes each."""

    def __init__(self) -> None:
        # Sorted by the first word; each is more than twice as large as the next, so that there are few.
        self._parts: list[Fingerprints] = []

    def __len__(self) -> int:
        return sum(part.shape[1] for part in self._parts)

    def add(self, prints: Fingerprints) -> Ints:
        """Ascending positions of the candidates that were never met before, nor earlier in this call."""
        new = first_of_each(prints)
        new = new[np.argsort(prints[0][new])]
        for part in self._parts:
            new = new[~_among(prints[:, new], part)]
        fresh = prints[:, new]
        while self._parts and self._parts[-1].shape[1] <= 2 * fresh.shape[1]:
            fresh = _united(self._parts.pop(), fresh)
        if fresh.shape[1]:
            self._parts.append(fresh)
        return np.sort(new)


def _among(requested: Fingerprints, known: Fingerprints) -> NDArray[np.bool_]:
    """Which are among some known ones; both are sorted by their first words."""
    found = np.zeros(requested.shape[1], dtype=bool)
    position = np.searchsorted(known[0], requested[0])
    left = np.arange(requested.shape[1])
    while len(left):  # once more only for a first word that two different candidates share
        left = left[position[left] < known.shape[1]]
        left = left[known[0][position[left]] == requested[0][left]]
        found[left] = known[1][position[left]] == requested[1][left]
        left = left[~found[left]]
        position[left] += 1
    return found


def _united(first: Fingerprints, second: Fingerprints) -> Fingerprints:
    """Both, sorted as each of them is."""
    size = first.shape[1] + second.shape[1]
    here = np.searchsorted(first[0], second[0]) + np.arange(second.shape[1])
    others = np.ones(size, dtype=bool)
    others[here] = False
    united = np.empty((2, size), dtype=np.uint64)
    for lane in _LANES:
        united[lane][here], united[lane][others] = second[lane], first[lane]
    return united
