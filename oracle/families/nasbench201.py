"""NAS-Bench-201 (arXiv 2001.00326): one cell of four nodes, repeated five times at each of three widths."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from oracle.families._cells import IMAGE_CHANNELS, classes, network
from oracle.families._checks import MAX_IMAGE, choice, integer, require
from oracle.families.canonical import canonical_form, path_counts
from oracle.families.graphs import Edge, Graph, Structure, register_structure
from oracle.families.scaling import refuse_scaling
from oracle.spec import CellSpec, NetSpec, Scalar

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")

STRING = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|"
"""An architecture, to be filled with the operations of its edges."""

EDGES = 6
IMAGE_STEP = 4
"""What divides the image's side: the benchmark's pools round odd sizes down and its convolutions up."""

CELL = "nasbench201_cell"

_WIDTHS = (16, 32, 64)
_REPEATS = 5
_FORM = f"{STRING.replace('{}', 'op')} with op one of {', '.join(OPERATIONS)}"


def graph_of(arch: str) -> Graph:
    """The graph of an architecture: node by node, the operations and the nodes they read; any number of nodes."""
    return Graph(tuple([_node(target, node) for target, node in enumerate(arch.split("+"), start=1)]))


@lru_cache(maxsize=1024)
def _node(target: int, text: str) -> tuple[Edge, ...]:
    """The edges to a node: `|op~0|op~1|`."""
    edges = enumerate(text.strip("|").split("|"))
    return tuple(Edge(f"{source}to{target}", edge.removesuffix(f"~{source}"), source) for source, edge in edges)


@lru_cache(maxsize=65_536)
def canonical(arch: str) -> str:
    """The function that an architecture's cell computes, as a text: 5,044 of the 15,625 differ, "" is disconnected."""
    return canonical_form(graph_of(arch), "none", "skip_connect", ("avg_pool_3x3",))


def paths(arch: str) -> dict[tuple[str, ...], int]:
    """The operations along paths from a cell's input to its output -> how many paths run them."""
    return path_counts(graph_of(arch), "none", "skip_connect")


register_structure(Structure(CELL, "arch", OPERATIONS, graph_of, "|{}~0|".format, canonical, paths))


def to_spec(cfg: Any) -> NetSpec:
    """The network of NB201.ARCH, or of NB201.OPS, the six operations of such a string as a list.

    A config of this type has images of 32 x 32 and 10 classes unless it says otherwise.

    Raises:
        ConfigError: a string of another form, an unknown operation, an image that cannot be halved twice.
    """
    refuse_scaling(cfg)
    choice("MODEL.ACTIVATION_FUN", cfg.MODEL.ACTIVATION_FUN.lower(), ("relu",))  # the benchmark's own
    arch, image = (
        architecture(cfg.NB201.ARCH, cfg.NB201.OPS),
        integer("TRAIN.IM_SIZE", cfg.TRAIN.IM_SIZE, high=MAX_IMAGE),
    )
    require(image % IMAGE_STEP == 0, "TRAIN.IM_SIZE", image, "a multiple of 4, as two reductions halve it")
    cells = [cell for cell, count in chain(cfg, arch, classes(cfg)) for _ in range(count)]
    return network(cfg, cells, image)


def chain(cfg: Any, arch: str, num_classes: int) -> list[tuple[CellSpec, int]]:
    """The cells of a network, from the stem to the head, and how often each is repeated."""
    norm: dict[str, Scalar] = {"bn_eps": cfg.BN.EPS, "bn_momentum": cfg.BN.MOM}
    w_in = _WIDTHS[0]
    cells = [(CellSpec.make("nasbench201_stem", w_in=IMAGE_CHANNELS, w_out=w_in, **norm), 1)]
    for width in _WIDTHS:
        if width != w_in:
            cells.append((CellSpec.make("nasbench201_reduction", w_in=w_in, w_out=width, **norm), 1))
        cells.append((CellSpec.make(CELL, width=width, arch=arch, **norm), _REPEATS))
        w_in = width
    inplace = cfg.MODEL.ACTIVATION_INPLACE
    head = CellSpec.make("nasbench201_head", w_in=w_in, num_classes=num_classes, inplace=inplace, **norm)
    return [*cells, (head, 1)]


def architecture(arch: str, ops: list[str]) -> str:
    """The string of an architecture, given as one or as its operations; there is one way to write each.

    Raises:
        ConfigError: neither or both, or none of the space.
    """
    key = "NB201.ARCH"
    if ops:
        key = "NB201.OPS"
        require(not arch, key, ops, "nothing beside NB201.ARCH, which says the same")
        require(len(ops) == EDGES, key, ops[:40], f"{EDGES} operations, one per edge, found {len(ops)}")
    else:
        edges = arch.replace("+", "").split("|")
        ops = [edge.rpartition("~")[0] for edge in edges if edge]
        written = len(ops) == EDGES and arch == STRING.format(*ops)
        require(written, key, arch[:200], _FORM)
    for operation in ops:
        choice(key, operation, OPERATIONS)
    return STRING.format(*ops)
