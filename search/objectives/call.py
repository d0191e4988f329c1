"""Quality by a user's own function."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module, invalidate_caches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oracle.errors import ConfigError

if TYPE_CHECKING:
    from ..space import Space
    from . import Quality


def quality(section: Mapping[str, Any], space: Space) -> Quality:  # noqa: ARG001 - every type is made alike
    """The function that FUNCTION names; it is called with (spec, builder, evaluation).

    Raises:
        ConfigError: as `imported`.
    """
    return imported(section["FUNCTION"], "QUALITY.FUNCTION")


def imported(name: str, key: str) -> Callable[..., Any]:
    """The function behind `package.module:function`; modules in the working directory are found too.

    Args:
        name: of the function.
        key: dotted key, for complaints.

    Raises:
        ConfigError: a name of another form, a module that does not import, or no such function in it.
    """
    module_name, mark, attribute = name.partition(":")
    if not mark or not module_name or not attribute.isidentifier():
        raise ConfigError(f"value {name!r}: expected package.module:function", key=key)
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    invalidate_caches()  # the file may be younger than the last look into its directory
    try:
        module = import_module(module_name)
    except Exception as error:  # noqa: BLE001 - importing runs a user's code, which may raise anything
        raise ConfigError(
            f"value {name!r}: {module_name} cannot be imported: {type(error).__name__}: {error}", key=key
        ) from None
    function = getattr(module, attribute, None)
    if not callable(function):
        raise ConfigError(f"value {name!r}: {module_name} has no function {attribute}", key=key)
    return function  # type: ignore[no-any-return]
