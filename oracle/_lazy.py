"""Packages whose public names are loaded on first use, so that nobody waits for what is not used."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any


class _Package(ModuleType):
    """A package with names that are yet to be loaded.

    A public name is never replaced by the submodule of the same name, which Python binds to its package once it is
    imported: without this, `oracle.build` would be the function or the module depending on who imported what before.
    """

    def __getattr__(self, name: str) -> Any:
        makers: dict[str, Callable[[], Any]] = self.__dict__["_makers"]
        if name not in makers:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return makers[name]()

    def __setattr__(self, name: str, value: object) -> None:
        if not (isinstance(value, ModuleType) and name in self.__dict__["_homes"]):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted(self.__dict__["_makers"])  # what it offers, and not what it imports


def lazy(
    package: str, modules: Mapping[str, str], made: Mapping[str, Callable[[], Any]] | None = None
) -> dict[str, str]:
    """Let a package load its public names on first use; each is an ordinary attribute from then on.

    A type checker does not see them: it reads the imports that the package states under `TYPE_CHECKING`.

    Args:
        package: `__name__` there.
        modules: module -> the names that it defines, parted by blanks.
        made: further names -> what makes their value, each time somebody asks.

    Returns:
        Name -> the module that defines it.
    """
    homes = {name: module for module, names in modules.items() for name in names.split()}
    module = sys.modules[package]

    def loader(name: str) -> Callable[[], Any]:
        def load() -> Any:
            value = getattr(import_module(homes[name]), name)
            module.__dict__[name] = value
            return value

        return load

    module.__dict__["_homes"] = homes
    module.__dict__["_makers"] = {**{name: loader(name) for name in homes}, **(made or {})}
    module.__class__ = _Package
    return homes
