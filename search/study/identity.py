"""What distinguishes one quality function from another: a study holds qualities of one scale."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

from optuna import Study

from oracle._files import is_file
from oracle.errors import ConfigError

from ..objectives import Quality
from ..objectives.call import imported

_ATTRIBUTE = "quality function"
_NAMES = ("FUNCTION", "DATA")  # keys of QUALITY that name a callable


def identity_of(section: Mapping[str, Any], quality: Quality | None = None) -> dict[str, str]:
    """What a quality depends on beside its section: name -> a digest of the content.

    Of a function, the content is the file that defines it; of a table, the file. A function without a file (of a
    notebook, say) is its source, or its code.

    Args:
        section: QUALITY of a study file.
        quality: a function that is called instead.
    """
    if quality is not None:
        return {_name(quality): _digest_of(quality)}
    found = {}
    for key in _NAMES:
        name = str(section.get(key) or "")
        if ":" in name:
            found[name] = _digest_of(imported(name, f"QUALITY.{key}"))
    if section.get("FILE"):
        found[str(section["FILE"])] = _digest(Path(str(section["FILE"])).read_bytes())
    return found


def check_identity(study: Study, identity: Mapping[str, str], *, evaluated: bool, accept: bool = False) -> None:
    """Refuse a quality that is not the one that the study was evaluated with; keep what identifies it.

    Args:
        study: of optuna.
        identity: of the quality now.
        evaluated: whether the study has qualities.
        accept: take what has changed as the same.

    Raises:
        ConfigError: it has changed.
    """
    old = study.user_attrs.get(_ATTRIBUTE)
    changed = [name for name, digest in identity.items() if old is not None and old.get(name) != digest]
    if changed and evaluated and not accept:
        raise ConfigError(
            f"{', '.join(changed)}: the content is not what it was when the study {study.study_name!r} was evaluated, "
            "so values of two kinds would be compared; expected the same, another NAME, or "
            "`--accept-changed-quality`, which takes them as one",
            key="QUALITY",
        )
    if dict(identity) != old:
        study.set_user_attr(_ATTRIBUTE, dict(identity))


def _name(function: Any) -> str:
    kind = function if hasattr(function, "__qualname__") else type(function)
    return f"{kind.__module__}:{kind.__qualname__}"


def _digest_of(function: Any) -> str:
    kind = inspect.unwrap(function) if inspect.isroutine(function) else type(function)
    try:
        file = inspect.getsourcefile(kind)
        if file and is_file(file):
            return _digest(Path(file).read_bytes())
        return _digest(inspect.getsource(kind).encode())
    except (OSError, TypeError):
        code = getattr(kind, "__code__", None)
        return _digest(repr((code.co_code, code.co_consts) if code else kind).encode())


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()
