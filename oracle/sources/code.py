"""Networks from a user's own code: `package.module:callable(args)`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from oracle._resources import closest
from oracle.errors import OracleError
from oracle.sources.building import built, guest, reason
from oracle.sources.opened import Opened
from oracle.sources.references import Reference


def open_code(reference: Reference) -> Opened:
    """Import a module, as `python -m` would from the current directory, and call what the reference names.

    What it names may be a function, a class, or an nn.Module that exists already (which is then copied, not changed).

    Raises:
        OracleError: no such module or name; its code fails; it makes no nn.Module.
    """
    with _current_directory():
        found = _look_up(reference)
        package = (reference.module.split(".")[0],)
        if isinstance(found, nn.Module):
            if reference.called:
                raise OracleError(f"network={reference.text!r}: {reference.name} is a module already; leave out the ()")
            return Opened(found, (), "found", package)
        if not callable(found):
            raise OracleError(
                f"network={reference.text!r}: expected a callable or an nn.Module, {reference.name} is a "
                f"{type(found).__name__}"
            )
        module, place = built(lambda: found(*reference.args, **reference.kwargs), reference.text)
    return Opened(module, (), place, package)


def _look_up(reference: Reference) -> Any:
    try:
        with guest():
            found: Any = importlib.import_module(reference.module)
    except OracleError as error:
        raise OracleError(f"network={reference.text!r}: {error}") from None
    except ModuleNotFoundError as error:
        if error.name and (reference.module == error.name or reference.module.startswith(f"{error.name}.")):
            raise OracleError(
                f"network={reference.text!r}: no module {error.name!r}, neither here nor among what is installed"
            ) from None
        raise OracleError(
            f"network={reference.text!r}: importing {reference.module} failed: {reason(error)}"
        ) from error
    except Exception as error:
        raise OracleError(
            f"network={reference.text!r}: importing {reference.module} failed: {reason(error)}"
        ) from error
    for part in reference.name.split("."):
        if not hasattr(found, part):
            near = closest(part, [name for name in dir(found) if not name.startswith("_")])
            raise OracleError(f"network={reference.text!r}: {reference.module} has no {reference.name!r}{near}")
        found = getattr(found, part)
    return found


@contextmanager
def _current_directory() -> Iterator[None]:
    """Modules in the current directory can be imported meanwhile."""
    sys.path.insert(0, "")
    try:
        importlib.invalidate_caches()
        yield
    finally:
        sys.path.remove("")
