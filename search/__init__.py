"""Which network should I take? Spaces, sweeps, fronts and studies over the costs that `oracle` tells."""

from __future__ import annotations
