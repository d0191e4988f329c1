"""A program: integer expressions of a cell's symbols as one list of shared steps.

Steps are data (so that a cache file holds no code) and become a Python function on use, which runs unchanged on
ints and on numpy arrays. Free of torch and sympy.
"""

from __future__ import annotations

import operator
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from oracle.errors import OracleError
from oracle.experts import PACK, reached_of

Step = tuple[str, int, int]
"""Operation and the numbers of two earlier steps; ("const", value, 0) and ("symbol", index, 0) start."""

Relation = tuple[str, int, int]
"""One of `RELATIONS`, and the steps on its left and on its right."""

_End: TypeAlias = tuple[Sequence[int], Callable[[Mapping[int, str]], str]]
"""Steps, and the line that uses them, given the text of each."""

OPERATIONS = ("const", "symbol", "add", "sub", "mul", "floordiv", "mod", "max", "min", "reached")
_LEAVES = ("const", "symbol")
_NESTED = 32  # brackets within an expression; Python reads 200 within each other
_CALLS = 8  # of a function that are not worth compiling it
_DIVISION = 8  # what a division takes, in additions
_SIGNS = {"add": "+", "sub": "-", "mul": "*"}
RELATIONS = ("eq", "ne", "lt", "le")
_COMPARISONS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<="}
_HOLDS = {"eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le}


@dataclass(frozen=True)
class Program:
    """Steps over symbols; expressions are step numbers.

    Attributes:
        symbols: names of the arguments, in order.
        steps: each uses earlier ones only.
    """

    symbols: tuple[str, ...]
    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        for number, (operation, a, b) in enumerate(self.steps):
            if not _sound(operation, a, b, number, len(self.symbols)):
                raise OracleError(f"step {number} of a closed form is broken: {operation!r}, {a!r}, {b!r}")

    def function(self, outputs: Sequence[int]) -> Callable[..., tuple[Any, ...]]:
        """A function of the symbols that returns the steps requested; ints in, ints out, arrays in, arrays out.

        An output that depends on no symbol comes out as an int.
        """
        return self._compile([(outputs, lambda texts: f"return {_tuple(outputs, texts)}")])

    def predicate(self, relations: Iterable[Relation]) -> Callable[..., Any]:
        """A function of the symbols that says whether all relations hold."""
        pairs = list(relations)
        return self._compile([(_sides(pairs), lambda texts: f"return {_all(pairs, '&', texts)}")])

    def work(self, outputs: Sequence[int]) -> int:
        """How many operations the outputs take together; a division of integers costs as much as several others."""
        weight = {"const": 0, "symbol": 0, "floordiv": _DIVISION, "mod": _DIVISION}
        return sum(weight.get(self.steps[number][0], 1) for number in self._needed(outputs))

    def scalar(
        self, relations: Iterable[Relation], outputs: Sequence[int], packed: Sequence[int] | None = None
    ) -> Callable[..., tuple[Any, ...] | None]:
        """A function for plain ints, several times faster on them than `function`; None where a relation fails.

        Compiling takes as long as twenty calls without: the first calls go step by step. Once compiled, nothing but the
        relations is computed where one of them fails.

        Args:
            relations: that must hold.
            outputs: steps whose values it returns.
            packed: steps whose values follow as one item, the bytes of 64-bit integers, which become an array at once;
                larger ones raise `struct.error`. None for no such item.
        """
        pairs = list(relations)
        pack = struct.Struct(f"={len(packed or ())}q").pack
        calls, compiled = 0, None

        def run(*values: int) -> tuple[Any, ...] | None:
            nonlocal calls, compiled
            if compiled is None:
                calls += 1
                if calls <= _CALLS:
                    found = self.values(values)
                    holds = all(_HOLDS[name](found[a], found[b]) for name, a, b in pairs)
                    if not holds:
                        return None
                    last = [] if packed is None else [pack(*[found[step] for step in packed])]
                    return (*[found[step] for step in outputs], *last)
                holding = _sides(pairs), lambda texts: f"if not ({_all(pairs, 'and', texts)}): return None"
                answering = [*outputs, *(packed or ())], lambda texts: f"return {_tuple(outputs, texts, packed)}"
                compiled = self._compile([holding, answering], pack)
            try:
                answer: tuple[Any, ...] | None = compiled(*values)
            except ZeroDivisionError:  # sizes that guards rule out
                return None
            return answer

        return run

    def values(self, symbols: Sequence[int]) -> list[int]:
        """The value of every step, for plain ints; where a guard fails, steps that divide by 0 count as 0."""
        found: list[int] = []
        for operation, a, b in self.steps:
            if operation == "const":
                found.append(a)
            elif operation == "symbol":
                found.append(symbols[a])
            else:
                found.append(_apply(operation, found[a], found[b]))
        return found

    def _compile(self, ends: Sequence[_End], pack: Callable[..., bytes] | None = None) -> Callable[..., Any]:
        """A function that computes, for one end after the other, the steps that it needs, and then runs its line.

        A step that is used once is written where it is used: a fifth of the time of small integers goes into names.

        Args:
            ends: one or more.
            pack: what lines call so, in a function for plain ints; None for a function that takes arrays, too.
        """
        uses = Counter(step for steps, _ in ends for step in steps)
        for number in self._needed(list(uses)):
            operation, *terms = self.steps[number]
            if operation not in _LEAVES:
                uses.update(terms * (2 if operation in ("max", "min") else 1))
        texts: dict[int, str] = {}
        lines: list[str] = []
        for steps, line in ends:
            for number in self._needed(steps):
                if number in texts:
                    continue
                text = self._text(number, texts, scalar=pack is not None)
                if self.steps[number][0] not in _LEAVES:
                    if uses[number] > 1 or text.count("(") > _NESTED:
                        lines.append(f"v{number} = {text}")
                        text = f"v{number}"
                    else:
                        text = f"({text})"
                texts[number] = text
            lines.append(line(texts))
        names = ", ".join(f"a{index}" for index in range(len(self.symbols)))
        source = "\n    ".join([f"def run({names}):", *lines])
        # The source is made of the operations above, numbers and names we chose: nothing of a file's reaches it.
        scope: dict[str, Any] = {"__builtins__": {}, "maximum": _maximum, "minimum": _minimum, "reached": reached_of}
        scope["pack"] = pack
        exec(compile(source, "<closed form>", "exec"), scope)  # noqa: S102
        function: Callable[..., Any] = scope["run"]
        return function

    def _needed(self, outputs: Iterable[int]) -> list[int]:
        needed: set[int] = set()
        stack = list(outputs)
        while stack:
            number = stack.pop()
            if number not in needed:
                needed.add(number)
                operation, a, b = self.steps[number]
                if operation not in _LEAVES:
                    stack += [a, b]
        return sorted(needed)

    def _text(self, number: int, texts: Mapping[int, str], *, scalar: bool) -> str:
        """A step as an expression of the texts of those before it."""
        operation, a, b = self.steps[number]
        if operation == "const":
            return str(a) if a >= 0 else f"({a})"
        if operation == "symbol":
            return f"a{a}"
        x, y = texts[a], texts[b]
        if operation == "reached" or operation in _SIGNS:
            return f"{x} {_SIGNS[operation]} {y}" if operation in _SIGNS else f"reached({x}, {y})"
        if operation in ("max", "min"):
            return (
                f"{x} if {x} {'>' if operation == 'max' else '<'} {y} else {y}"
                if scalar
                else f"{operation}imum({x}, {y})"
            )
        divisor = self.steps[b]
        if divisor[0] == "const" and divisor[1] > 0 and divisor[1] & (divisor[1] - 1) == 0:
            # Floor division by a power of two: a shift is several times faster on arrays, and the same on ints.
            return f"{x} >> {divisor[1].bit_length() - 1}" if operation == "floordiv" else f"{x} & {divisor[1] - 1}"
        return f"{x} {'//' if operation == 'floordiv' else '%'} {y}"

    def bounds(self, largest: Mapping[str, int], smallest: Mapping[str, int], outputs: Sequence[int]) -> list[int]:
        """Upper bounds of outputs over a box of symbol values, in exact arithmetic (to rule out overflow)."""
        low: dict[int, int] = {}
        high: dict[int, int] = {}
        for number in self._needed(outputs):
            operation, a, b = self.steps[number]
            if operation == "const":
                low[number] = high[number] = a
            elif operation == "symbol":
                low[number], high[number] = smallest[self.symbols[a]], largest[self.symbols[a]]
            else:
                corners = [_apply(operation, x, y) for x in (low[a], high[a]) for y in (low[b], high[b])]
                low[number], high[number] = min(corners), max(corners)
                if operation == "reached":
                    low[number], high[number] = 0, high[a] // PACK
                if operation == "mod":
                    low[number], high[number] = 0, max(high[b] - 1, 0)
        return [max(abs(low[step]), abs(high[step])) for step in outputs]


def _tuple(steps: Sequence[int], texts: Mapping[int, str], packed: Sequence[int] | None = None) -> str:
    items = [texts[step] for step in steps]
    if packed is not None:
        items.append(f"pack({', '.join(texts[step] for step in packed)})")
    return "(" + "".join(f"{item}, " for item in items) + ")"


def _sides(relations: Iterable[Relation]) -> list[int]:
    return [step for _, a, b in relations for step in (a, b)]


def _all(relations: Sequence[Relation], joined: str, texts: Mapping[int, str]) -> str:
    held = (f"({texts[a]} {_COMPARISONS[name]} {texts[b]})" for name, a, b in relations)
    return f" {joined} ".join(held) or "True"


def _sound(operation: Any, a: Any, b: Any, number: int, symbols: int) -> bool:
    """Whether a step is one of ours and uses earlier steps only; nothing else may become source code."""
    if operation not in OPERATIONS or type(a) is not int or type(b) is not int:
        return False
    if operation in ("const", "symbol"):
        return operation == "const" or 0 <= a < symbols
    return 0 <= a < number and 0 <= b < number


def _apply(operation: str, x: int, y: int) -> int:
    if operation == "add":
        return x + y
    if operation == "sub":
        return x - y
    if operation == "mul":
        return x * y
    if operation in ("floordiv", "mod"):
        return _divided(operation, x, y)
    if operation == "reached":
        return int(reached_of(x, y))
    return max(x, y) if operation == "max" else min(x, y)


def _divided(operation: str, x: int, y: int) -> int:
    if operation == "floordiv":
        return x // y if y else x
    return x % y if y else 0


def _maximum(a: Any, b: Any) -> Any:
    return np.maximum(a, b) if isinstance(a, np.ndarray) or isinstance(b, np.ndarray) else (max(a, b))


def _minimum(a: Any, b: Any) -> Any:
    return np.minimum(a, b) if isinstance(a, np.ndarray) or isinstance(b, np.ndarray) else (min(a, b))
