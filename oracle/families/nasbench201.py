"""NAS-Bench-201 (arXiv 2001.00326): one cell of four nodes, repeated five times at each of three widths."""

from __future__ import annotations

from typing import Any

from oracle.families._cells import IMAGE_CHANNELS, classes, network
from oracle.families._checks import MAX_IMAGE, choice, integer, require
from oracle.families.scaling import refuse_scaling
from oracle.spec import CellSpec, NetSpec, Scalar

__all__ = ["OPERATIONS", "to_spec"]

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")

_WIDTHS = (16, 32, 64)
_REPEATS = 5
_STRING = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|"
_EDGES = 6
_FORM = f"{_STRING.replace('{}', 'op')} with op one of {', '.join(OPERATIONS)}"


def to_spec(cfg: Any) -> NetSpec:
    """The network of NB201.ARCH, or of NB201.OPS, the six operations of such a string as a list.

    A config of this type has images of 32 x 32 and 10 classes unless it says otherwise.

    Raises:
        ConfigError: a string of another form, an unknown operation, an image that cannot be halved twice.
    """
    refuse_scaling(cfg)
    choice("MODEL.ACTIVATION_FUN", cfg.MODEL.ACTIVATION_FUN.lower(), ("relu",))  # the benchmark's own
    arch, image = _architecture(cfg.NB201), integer("TRAIN.IM_SIZE", cfg.TRAIN.IM_SIZE, high=MAX_IMAGE)
    # The benchmark's pools round odd sizes down and its convolutions up: they would not meet.
    require(image % 4 == 0, "TRAIN.IM_SIZE", image, "a multiple of 4, as two reductions halve it")
    norm: dict[str, Scalar] = {"bn_eps": cfg.BN.EPS, "bn_momentum": cfg.BN.MOM}
    w_in = _WIDTHS[0]
    cells = [CellSpec.make("nasbench201_stem", w_in=IMAGE_CHANNELS, w_out=w_in, **norm)]
    for width in _WIDTHS:
        if width != w_in:
            cells.append(CellSpec.make("nasbench201_reduction", w_in=w_in, w_out=width, **norm))
        cells += [CellSpec.make("nasbench201_cell", width=width, arch=arch, **norm)] * _REPEATS
        w_in = width
    inplace = cfg.MODEL.ACTIVATION_INPLACE
    cells.append(CellSpec.make("nasbench201_head", w_in=w_in, num_classes=classes(cfg), inplace=inplace, **norm))
    return network(cfg, cells, image)


def _architecture(section: Any) -> str:
    """The string of an architecture; there is one way to write each."""
    key, arch, ops = "NB201.ARCH", section.ARCH, section.OPS
    if ops:
        key = "NB201.OPS"
        require(not arch, key, ops, "nothing beside NB201.ARCH, which says the same")
        require(len(ops) == _EDGES, key, ops[:40], f"{_EDGES} operations, one per edge, found {len(ops)}")
    else:
        edges = arch.replace("+", "").split("|")
        ops = [edge.rpartition("~")[0] for edge in edges if edge]
        written = len(ops) == _EDGES and arch == _STRING.format(*ops)
        require(written, key, arch[:200], _FORM)
    for operation in ops:
        choice(key, operation, OPERATIONS)
    return _STRING.format(*ops)
