"""One text per function that a cell computes: equal for cells that learn the same, whatever edges spell them out.

Costs differ between such cells (an edge that only `none` reads runs all the same), what they can learn does not, so
that training one of them tells about all. Four rules of the cell's own algebra find them:

* `none` sends zeros: its edge is left out, and so is all that only such edges feed, or that does not reach the output.
  (A convolution of zeros sends its batch norm's shift, a constant per channel. It is left out as well, as in the
  benchmark's own comparison.)
* an identity sends what it reads, so that its edge is the sum of its source;
* sums have no order: they are multisets of terms;
* an operation without weights that is linear, as average pooling is, passes sums term by term.

An operation with weights keeps its identity: one convolution that is added twice is `2 f(x)`, two of them are
`f(x) + g(x)`. The text of NAS-Bench-201's own `to_unique_str` does not tell these apart, and keeps zeros as terms of
its sums: it finds 6,466 among the 15,625 cells (arXiv 2001.00326, section 2), this form 5,044.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain, permutations, product
from typing import NamedTuple

from oracle.families.graphs import Graph

_INPUT = "input"


class _Term(NamedTuple):
    """What an edge adds to a sum: an operation on a sum; the cell's input has neither.

    Attributes:
        operation: "" for the cell's input.
        operand: the terms of the sum that it reads.
        weights: the edge whose weights it applies, "" for none.
    """

    operation: str
    operand: tuple[_Term, ...] = ()
    weights: str = ""


def canonical_form(graph: Graph, zero: str, identity: str, linear: Collection[str] = ()) -> str:
    """The function that a cell computes, as a text; "" where no path leads from its input to its output.

    Args:
        graph: of the cell.
        zero: the operation that sends zeros.
        identity: the operation that sends what it reads.
        linear: operations without weights that are linear; all others have weights of their own on every edge.

    Example:
        >>> from oracle.families.nasbench201 import graph_of
        >>> arch = "|nor_conv_1x1~0|+|none~0|skip_connect~1|+|skip_connect~0|none~1|skip_connect~2|"
        >>> canonical_form(graph_of(arch), "none", "skip_connect", ["avg_pool_3x3"])
        'input + nor_conv_1x1.0(input)'
    """
    sums: list[tuple[_Term, ...]] = [(_Term(""),)]
    for node in graph.nodes:
        terms: list[_Term] = []
        for edge in node:
            source = sums[edge.source]
            if edge.operation == zero or not source:
                continue
            if edge.operation == identity:
                terms += source
            elif edge.operation in linear:
                terms += [_Term(edge.operation, (term,)) for term in source]
            else:
                terms.append(_Term(edge.operation, source, edge.name))
        sums.append(tuple(terms))
    output = sums[-1]
    return min(_written(output, names) for names in _namings(output)) if output else ""


def path_counts(graph: Graph, zero: str, identity: str) -> dict[tuple[str, ...], int]:
    """The operations along paths from a cell's input to its output -> how many paths run them; identities are none.

    Equal for cells with one canonical form: what a predictor of quality can describe cells by (the path encoding of
    White, Neiswanger and Savani, AAAI 2021, with counts).

    Example:
        >>> from oracle.families.nasbench201 import graph_of
        >>> arch = "|nor_conv_1x1~0|+|none~0|skip_connect~1|+|skip_connect~0|none~1|skip_connect~2|"
        >>> path_counts(graph_of(arch), "none", "skip_connect")
        {(): 1, ('nor_conv_1x1',): 1}
    """
    reached: list[Counter[tuple[str, ...]]] = [Counter({(): 1})]
    for node in graph.nodes:
        paths: Counter[tuple[str, ...]] = Counter()
        for edge in node:
            if edge.operation != zero:
                own = () if edge.operation == identity else (edge.operation,)
                for path, count in reached[edge.source].items():
                    paths[path + own] += count
        reached.append(paths)
    return dict(reached[-1])


def _namings(output: tuple[_Term, ...]) -> Iterator[Mapping[str, str]]:
    """Edges with weights -> numbers, in every order of those that look alike."""
    alike: dict[str, list[str]] = {}
    for edge, term in _weighted(output).items():
        alike.setdefault(_written((term,), {}), []).append(edge)
    groups = [alike[look] for look in sorted(alike)]
    for orders in product(*map(permutations, groups)):
        yield {edge: f".{number}" for number, edge in enumerate(chain.from_iterable(orders))}


def _weighted(terms: Iterable[_Term]) -> dict[str, _Term]:
    """The terms with weights, and those within them, by their edge."""
    found: dict[str, _Term] = {}
    for term in terms:
        found |= _weighted(term.operand)
        if term.weights:
            found[term.weights] = term
    return found


def _written(terms: Iterable[_Term], names: Mapping[str, str]) -> str:
    texts = [
        f"{term.operation}{names.get(term.weights, '')}({_written(term.operand, names)})" if term.operation else _INPUT
        for term in terms
    ]
    return " + ".join(sorted(texts))
