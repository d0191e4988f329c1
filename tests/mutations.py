"""Real files made wrong, for readers of what other people's tools wrote: the outcome is a result or one line."""

from __future__ import annotations

import copy
import random
from typing import Any

__all__ = ["flipped_bits", "mutated_bytes", "mutated_json", "mutated_text"]

_ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, -0.0, 1e308, float("inf"), float("nan"), 10**30, 10**400, -(10**19), 2**63, "", "x", "1e999",
    "\x1b[31m\r\n", "=1+1", [], {}, [[]], [None], {"a": {}}, [1] * 5, "é" * 300, "__import__('os')", "../../etc/passwd",
)  # fmt: skip


def mutated_json(tree: Any, seed: int, times: int = 2) -> Any:
    """The tree with some of its values replaced by odd ones, left out, doubled or put where others were."""
    rng, tree = random.Random(seed), copy.deepcopy(tree)
    for _ in range(times):
        places = list(_places(tree))
        holder, key = rng.choice(places)
        action = rng.random()
        value = holder[key]
        if action < 0.4 and isinstance(value, (int, float)) and not isinstance(value, bool):
            holder[key] = _near(value, rng)
        elif action < 0.6:
            holder[key] = copy.deepcopy(rng.choice(_ODD))
        elif action < 0.75:
            del holder[key]
        elif action < 0.9:
            other, where = rng.choice(places)
            holder[key] = copy.deepcopy(other[where]) if where in _keys(other) else None
        elif isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        else:
            holder[f"{key}x"] = holder.pop(key)
        if not tree:
            break
    return tree


def mutated_text(text: str, seed: int, times: int = 3) -> str:
    """The text with lines, fields and characters replaced, left out, doubled or moved."""
    rng = random.Random(seed)
    for _ in range(times):
        lines = text.split("\n")
        place = rng.randrange(len(lines))
        action = rng.random()
        if action < 0.15:
            del lines[place]
        elif action < 0.3:
            lines.insert(place, lines[rng.randrange(len(lines))])
        elif action < 0.7:
            mark = rng.choice([",", " ", "=", ":", "\t"])
            fields = lines[place].split(mark)
            odd = rng.choice(_ODD)
            fields[rng.randrange(len(fields))] = (
                odd if isinstance(odd, str) else str(odd) if odd != 10**400 else "1" * 400
            )
            lines[place] = mark.join(fields)
        elif action < 0.9:
            line = lines[place]
            at = rng.randrange(len(line) + 1)
            lines[place] = (
                line[:at] + rng.choice(['"', ",", "\x00", "\x1b", "-", "9" * 20, "\ufeff", "\u2028"]) + line[at:]
            )
        else:
            lines = lines[:place]
        text = "\n".join(lines)
        if not text:
            break
    return text


def mutated_bytes(raw: bytes, seed: int, times: int = 3) -> bytes:
    """The bytes with some replaced, left out, doubled or cut off."""
    rng, bad = random.Random(seed), bytearray(raw)
    for _ in range(times):
        place, length = rng.randrange(len(bad) + 1), rng.choice([1, 1, 4, 40])
        action = rng.random()
        if action < 0.5:
            bad[place : place + length] = rng.randbytes(length)
        elif action < 0.7:
            del bad[place : place + length]
        elif action < 0.9:
            bad[place:place] = bad[place : place + length]
        else:
            del bad[place:]
    return bytes(bad)


def flipped_bits(raw: bytes, seed: int, times: int = 3) -> bytes:
    """The bytes, as many, with at most so many bits flipped."""
    rng, bad = random.Random(seed), bytearray(raw)
    for _ in range(rng.randint(1, times)):
        bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
    return bytes(bad)


def _near(number: float, rng: random.Random) -> float:
    """A number that may have stood there as well, or one that is too large or too small."""
    factor = rng.choice([-1, 0.5, 2, 3, 10, 1000, 10**6, 10**9])
    return number + 1 if rng.random() < 0.2 else type(number)(number * factor)


def _keys(holder: Any) -> Any:
    return range(len(holder)) if isinstance(holder, list) else holder


def _places(tree: Any) -> Any:
    stack = [tree]
    while stack:
        holder = stack.pop()
        if isinstance(holder, (dict, list)):
            for key in list(_keys(holder)):
                yield holder, key
                stack.append(holder[key])
