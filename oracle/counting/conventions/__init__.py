"""Re-counts of one trace as other tools would count the same module on the same inputs, to the last integer.

Tools that disagree about a network look at different things and call different things an operation:

| convention | looks at | multiply-add | bias | norm | activation | pooling | attention |
|---|---|---|---|---|---|---|---|
| fvcore | framework calls that the output needs | 1 | 0 | batch 2, layer 5 | 0 | adaptive: 1 per input | 0 |
| thop | modules of types it knows | 1 | 0 | 4 | 0 | average: 1 per output, adaptive 1 per input more | 0 |
| ptflops | modules, and functions it replaces | 1 | 1 | batch 2, layer 1 | 2 or 1 | 2 per input | 0 |
| torch | operators, those of the backward pass too | 2 | 0 | 0 | 0 | 0 | 2 |
| pycls | layers, by formulas of their own | 1 | 1 | 0 | 0 | 0 | 1 |
| note | layers of a textbook's table | 1 | 0 | 0 | ReLU 1, sigmoid 4 | 1 per input | 0 |

Per element, unless it says otherwise; attention: per multiply-add of `F.scaled_dot_product_attention`. In the
figures of fvcore, THOP, ptflops and pycls one counts 1, whatever they call them; here they are `macs`.

* What a forward writes as an operator is no module: THOP and ptflops miss `x + y` and `q @ k`, fvcore has a
  rule for `q @ k` only. Nobody but ptflops counts an `x.add(y)`.
* ptflops counts a layer twice that is both a module it knows and a function it replaces: ReLU, GELU, every
  pool. Its figure is for one image, for it divides what modules count by the batch; the others' is for all.
* Recurrent layers are nothing to fvcore, their matrix products to torch, and formulas to THOP and ptflops.
* Parameters: fvcore and pycls count all of them, ptflops those that train, THOP those of modules it has rules
  for, which leaves out embeddings, group norms, attention's own and all that no layer owns (class tokens).

All figures but `torch`'s are of the forward pass, in training too. They add up over the cells of a chain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from oracle.counting.conventions import flop_counter, fvcore, note, ptflops, pycls, thop
from oracle.counting.conventions.recounting import Recount
from oracle.errors import WorkloadError
from oracle.optable import OpTable

__all__ = ["CONVENTIONS", "Recount", "recount"]

_RECOUNTS: Mapping[str, Callable[[OpTable], Recount]] = MappingProxyType(
    {
        "fvcore": fvcore.recount,
        "thop": thop.recount,
        "ptflops": ptflops.recount,
        "torch": flop_counter.recount,
        "pycls": pycls.recount,
        "note": note.recount,
    }
)

CONVENTIONS = tuple(_RECOUNTS)
"""Names of the conventions."""


def recount(table: OpTable, convention: str) -> Recount:
    """What a tool would report for the module and the inputs that a table is the trace of.

    Args:
        table: in float32, or under autocast; tools see no difference.
        convention: one of `CONVENTIONS`.

    Raises:
        WorkloadError: there is no such convention, or its tool fails on this module.
    """
    if convention not in _RECOUNTS:
        raise WorkloadError(f"convention={convention!r}: expected one of {', '.join(CONVENTIONS)}")
    return _RECOUNTS[convention](table)
