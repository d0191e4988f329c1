"""A program: integer expressions of a cell's symbols as one list of shared steps.

Steps are data (so that a cache file holds no code) and become a Python function on use, which runs unchanged on
ints and on numpy arrays. Free of torch and sympy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from oracle.errors import OracleError

__all__ = ["OPERATIONS", "RELATIONS", "Program", "Step"]

Step = tuple[str, int, int]
"""Operation and the numbers of two earlier steps; ("const", value, 0) and ("symbol", index, 0) start."""

OPERATIONS = ("const", "symbol", "add", "sub", "mul", "floordiv", "mod", "max", "min")
_SIGNS = {"add": "+", "sub": "-", "mul": "*"}
RELATIONS = ("eq", "ne", "lt", "le")


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
        """A function of the symbols that returns the steps asked for; ints in, ints out, arrays in, arrays out.

        An output that depends on no symbol comes out as an int.
        """
        return self._compile(outputs, "")

    def predicate(self, relations: Iterable[tuple[str, int, int]]) -> Callable[..., Any]:
        """A function of the symbols that says whether all relations (name, left step, right step) hold."""
        signs = {"eq": "==", "ne": "!=", "lt": "<", "le": "<="}
        pairs = list(relations)
        terms = [f"(v{a} {signs[name]} v{b})" for name, a, b in pairs]
        return self._compile([step for _, a, b in pairs for step in (a, b)], " & ".join(terms) or "True")

    def _compile(self, outputs: Sequence[int], result: str) -> Callable[..., Any]:
        lines = [self._line(number) for number in self._needed(outputs)]
        body = result or "(" + "".join(f"v{step}, " for step in outputs) + ")"
        names = ", ".join(f"a{index}" for index in range(len(self.symbols)))
        source = "\n    ".join([f"def run({names}):", *lines, f"return {body}"])
        # The source is made of the operations above, numbers and names we chose: nothing of a file's reaches it.
        scope: dict[str, Any] = {"__builtins__": {}, "maximum": _maximum, "minimum": _minimum}
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
                if operation not in ("const", "symbol"):
                    stack += [a, b]
        return sorted(needed)

    def _line(self, number: int) -> str:
        operation, a, b = self.steps[number]
        if operation == "const":
            return f"v{number} = {a}"
        if operation == "symbol":
            return f"v{number} = a{a}"
        if operation in _SIGNS:
            return f"v{number} = v{a} {_SIGNS[operation]} v{b}"
        if operation in ("max", "min"):
            return f"v{number} = {operation}imum(v{a}, v{b})"
        divisor = self.steps[b]
        if divisor[0] == "const" and divisor[1] > 0 and divisor[1] & (divisor[1] - 1) == 0:
            # Floor division by a power of two: a shift is several times faster on arrays, and the same on ints.
            shift = divisor[1].bit_length() - 1
            return f"v{number} = v{a} >> {shift}" if operation == "floordiv" else f"v{number} = v{a} & {divisor[1] - 1}"
        return f"v{number} = v{a} {'//' if operation == 'floordiv' else '%'} v{b}"

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
                if operation == "mod":
                    low[number], high[number] = 0, max(high[b] - 1, 0)
        return [max(abs(low[step]), abs(high[step])) for step in outputs]


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
    if operation == "floordiv":
        return x // y if y else x
    if operation == "mod":
        return x % y if y else 0
    return max(x, y) if operation == "max" else min(x, y)


def _maximum(a: Any, b: Any) -> Any:
    return np.maximum(a, b) if isinstance(a, np.ndarray) or isinstance(b, np.ndarray) else (max(a, b))


def _minimum(a: Any, b: Any) -> Any:
    return np.minimum(a, b) if isinstance(a, np.ndarray) or isinstance(b, np.ndarray) else (min(a, b))
