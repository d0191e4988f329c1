"""Find and read config files: small, UTF-8, YAML only, with `_BASE_` inheritance."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from oracle._resources import Stamp, closest, find_config, shipped, stamp_of
from oracle.errors import ConfigError

BASE_KEY = "_BASE_"
_SUFFIXES = (".yaml", ".yml")
_OF_TORCH = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")  # weights, or objects that only code can read
_MAX_BYTES = 1_000_000
_KEPT_FILES, _KEPT_BYTES = 256, 50_000  # files whose content is kept, and how large they may be
_MAX_FILES = 50
_FEW = 20  # names that an error still lists

# What pycls calls the networks that we ship under the names of their papers.
_PYCLS_NAMES = (
    (r"EN-(B\d)", r"EfficientNet-\1"),
    (r"R-(\d+)-1x64d", r"ResNet-\1"),
    (r"X-(\d+-32x4d)", r"ResNeXt-\1"),
)


def locate(source: str | Path, kind: str = "networks") -> Path:
    """The file that a path or the name of a shipped config means.

    Text with a YAML suffix or a directory in it is a path; anything else is a shipped name first.

    Raises:
        ConfigError: no such file or name, the nearest names being listed; or a Python file.
    """
    name = str(source)
    try:
        path = Path(source)
        by_path = isinstance(source, Path) or path.suffix in _SUFFIXES or name != path.name
        is_code = path.suffix.lower() == ".py"
        named = None if by_path or is_code else find_config(kind, name) or find_config(kind, _our_name(name))
        if named:
            return named
        is_file = path.is_file()
        is_dir = name != "" and not is_file and path.is_dir()
    except (OSError, TypeError, ValueError) as error:
        raise ConfigError(f"not a usable path: {error}", file=str(source)) from None
    if is_code:
        raise ConfigError("Python configs are refused, because loading one runs it; write YAML", file=str(source))
    if is_file:
        return path
    if is_dir:
        raise ConfigError("is a directory; expected a YAML file", file=str(source))
    if by_path:
        raise ConfigError("no such file", file=str(source))
    known = shipped(kind)
    hint = closest(name, known) or (f"; there are {', '.join(known)}" if len(known) <= _FEW else "")
    if kind == "networks" and name:
        hint = (hint or ".") + " Networks of others are torchvision:NAME or timm:NAME"
    raise ConfigError(f"no file and no shipped config called {name!r} among the {kind}{hint}")


def _our_name(name: str) -> str:
    for theirs, ours in _PYCLS_NAMES:
        name = re.sub(rf"(?i)^{theirs}$", ours, name)
    return name


@dataclass(frozen=True, slots=True)
class Layer:
    """What one file says. Layers are equal when nothing can have changed between them.

    Attributes:
        path: the file.
        stamp: of the file when it was read; None where it may have changed in the same moment.
        values: the mapping in it, without `_BASE_`. Others have it too: it must not be changed.
    """

    path: Path
    stamp: Stamp | None
    values: Mapping[str, Any] = field(compare=False)


def layers(path: Path) -> list[tuple[Path, dict[str, Any]]]:
    """The mappings to merge for one file, most basic first, each with the file it stands in.

    `_BASE_` names a file, or a list of files of which a later one wins: a path relative to the file that
    says it, or a shipped network.

    Raises:
        ConfigError: an unreadable file, or bases that run in a circle (the message shows it).
    """
    return [(layer.path, _copied(layer.values)) for layer in shared_layers(path)]


def shared_layers(path: Path) -> tuple[Layer, ...]:
    """`layers` without copies: a file that did not change is not parsed again.

    Raises:
        ConfigError: as `layers`.
    """
    return tuple(_layers(path, ()))


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copied(item) for name, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _layers(path: Path, chain: tuple[Path, ...]) -> list[Layer]:
    if chain:
        here = path.resolve()
        if here in chain:
            circle = " -> ".join(link.name for link in (*chain[chain.index(here) :], here))
            raise ConfigError(f"bases run in a circle: {circle}", key=BASE_KEY, file=str(path))
        if len(chain) >= _MAX_FILES:
            raise _too_many(path)
    values, stamp = _read(path)
    if BASE_KEY not in values:
        return [Layer(path, stamp, values)]
    own = dict(values)
    bases = own.pop(BASE_KEY)
    if isinstance(bases, str):
        bases = [bases]
    if not isinstance(bases, list) or not all(isinstance(base, str) for base in bases):
        raise ConfigError(f"value {bases!r}: expected a path or a list of paths", key=BASE_KEY, file=str(path))
    found: list[Layer] = []
    for base in bases:
        try:
            base_path = _base(base, path)
        except ConfigError as error:
            raise ConfigError(str(error), key=BASE_KEY, file=str(path)) from None
        found += _layers(base_path, (*chain, path.resolve()))
        if len(found) >= _MAX_FILES:
            raise _too_many(path)
    return [*found, Layer(path, stamp, own)]


def _too_many(path: Path) -> ConfigError:
    return ConfigError(f"expected at most {_MAX_FILES} files to build on", key=BASE_KEY, file=str(path))


def _base(base: str, child: Path) -> Path:
    relative = child.parent / base
    return locate(base) if base == Path(base).name and not relative.exists() else locate(relative)


def _read(path: Path) -> tuple[dict[str, Any], Stamp | None]:
    """The mapping in a YAML file, which must not be changed, and the stamp of the file."""
    stamp = stamp_of(path)  # before reading: should it change meanwhile, what is kept is never found again
    if stamp is None or stamp.size > _KEPT_BYTES:
        return _parsed(path), stamp
    return _kept(str(path), stamp), stamp


@lru_cache(maxsize=_KEPT_FILES)
def _kept(path: str, _stamp: Stamp) -> dict[str, Any]:
    return _parsed(Path(path))


def _parsed(path: Path) -> dict[str, Any]:
    if path.suffix not in (*_SUFFIXES, ""):
        files = "; a network of PyTorch is taken as a file of torch.export (.pt2) or ONNX (.onnx)"
        decoder = f", or hf:{path} for the config.json of a decoder" if path.suffix.lower() == ".json" else ""
        more = files if path.suffix.lower() in _OF_TORCH else decoder
        raise ConfigError(f"suffix {path.suffix!r}: expected .yaml or .yml{more}", file=str(path))
    try:
        with path.open("rb") as stream:
            raw = stream.read(_MAX_BYTES + 1)
        if len(raw) > _MAX_BYTES:
            raise ConfigError("larger than 1 MB; a config is a few lines", file=str(path))
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror or error}", file=str(path)) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"not UTF-8 text (byte {error.start})", file=str(path)) from None
    from oracle.config.strict_yaml import parse_yaml

    values = parse_yaml(text, str(path))
    if not isinstance(values, dict):
        shown = "an empty file" if values is None else f"a {type(values).__name__}"
        raise ConfigError(f"expected a mapping of sections, found {shown}", file=str(path))
    return values
