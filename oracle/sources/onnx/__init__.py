"""Networks from ONNX files, through their graph.

The graph is rebuilt as a torch module on meta, node by node with torch's own functions, and traced like any other: the
FLOP formulas are the same, for there is no second table of them. Shape arithmetic (Shape, Gather, Concat, ...) is done
with real integers, as a runtime does when it loads the file. Weights are shapes alone: no external data is loaded.

* `operators` says what each ONNX operator is in torch; its files are one kind of operator each.
* `graph` runs the nodes. An operator that nobody registered is a row without a formula, if the file or ONNX's own
  shape inference says what comes out of it, and an error if not.
* `reading` turns a file into both.
"""

from __future__ import annotations

from oracle.sources.onnx.reading import open_onnx

__all__ = ["open_onnx"]
