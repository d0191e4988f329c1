"""`search` is `oracle.search`: every module of it is loaded once, by whichever name it is imported."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

_ALIAS = "search"
_RUN = f"{_ALIAS}.cli.__main__"  # `python -m search.cli` runs a file of its own


class _Finder(MetaPathFinder):
    """Finds `search.space` as `oracle.search.space`, as long as `search` is ours."""

    def __init__(self, package: ModuleType) -> None:
        self._package = package

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,  # noqa: ARG002 - the protocol's
    ) -> ModuleSpec | None:
        """The protocol of `sys.meta_path`."""
        if not fullname.startswith(f"{_ALIAS}.") or sys.modules.get(_ALIAS) is not self._package:
            return None
        found = PathFinder.find_spec(fullname, path)
        if found is None or fullname == _RUN:
            return found
        same = self._package.__name__ + fullname[len(_ALIAS) :]
        spec = ModuleSpec(fullname, _Loader(same), is_package=found.submodule_search_locations is not None)
        spec.submodule_search_locations = found.submodule_search_locations
        return spec


class _Loader(Loader):
    """Loads a module under its own name, and hands it out as it is."""

    def __init__(self, name: str) -> None:
        self._name = name

    def create_module(self, spec: ModuleSpec) -> ModuleType:  # noqa: ARG002 - the protocol's
        """The module, loaded."""
        module = import_module(self._name)
        self._spec = module.__spec__  # the import system is about to write another one
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: it has run already."""
        module.__spec__ = self._spec


def become(name: str) -> None:
    """Let the package `search` be another one, for everybody who imports it from now on.

    Args:
        name: of the other package.
    """
    package = import_module(name)
    sys.modules[_ALIAS] = package
    sys.meta_path.insert(0, _Finder(package))
