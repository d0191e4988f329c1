"""The nn.Modules a NetSpec is made of: explicit integer arguments in, never a config.

Every cell is built on the meta device from plain `torch.nn` layers and is not initialised: it costs no
memory and next to no time, whatever its widths. `module.to_empty(device=...)` gives it storage,
`oracle.build.initialise` values. Symbolic integers pass through unharmed.
"""

from oracle.cells import (  # noqa: F401  (importing a file registers its cells)
    blocks,
    decoder,
    fbnet,
    head,
    latent,
    linear,
    mbconv,
    nasbench201,
    ofa,
    sparse,
    stems,
    vit,
)
from oracle.cells.registry import cell_arguments, cell_kinds, cell_role, make_cell, register_cell

__all__ = ["cell_arguments", "cell_kinds", "cell_role", "make_cell", "register_cell"]
