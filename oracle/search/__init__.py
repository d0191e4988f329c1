"""Which network should I take? The package `search`, under a name that no file of a user hides.

Its modules are those of the folder `search`: `oracle.search.space` and `search.space` are one module.
"""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from search import *  # noqa: F403
else:

    def _open() -> None:
        folder = Path(__file__).resolve().parents[2] / "search"
        spec = spec_from_file_location(__name__, folder / "__init__.py", submodule_search_locations=[str(folder)])
        package = module_from_spec(spec)
        sys.modules[__name__] = package  # importers get what stands here when we are done
        spec.loader.exec_module(package)

    _open()
