"""The language of references: which text names a network that is no config, and what it says."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any, NamedTuple

from oracle.errors import OracleError

ZOOS = ("torchvision", "timm")
_CONFIGS = "hf:"  # a config of somebody else's, which is read as one of ours: oracle.config.huggingface
FILES = {".pt2": "pt2", ".onnx": "onnx"}
_CALL = re.compile(r"(?P<module>[A-Za-z_]\w*(\.[A-Za-z_]\w*)*):(?P<name>[A-Za-z_][\w.\-]*)(?P<call>\(.*)?", re.DOTALL)


class Reference(NamedTuple):
    """A reference, taken apart.

    Attributes:
        text: as it was written.
        kind: torchvision, timm, code, pt2 or onnx.
        module: what to import; "" for a file.
        name: of the model or callable; the path of a file.
        args, kwargs: what to call it with.
        called: whether arguments were given, if only `()`.
    """

    text: str
    kind: str
    module: str
    name: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}  # noqa: RUF012 - a NamedTuple's default, which nobody changes
    called: bool = False


def is_reference(text: object) -> bool:
    """Whether a network's name is a reference rather than a config's name or path."""
    if isinstance(text, Path):
        return text.suffix.lower() in FILES
    if not isinstance(text, str):
        return False
    if text.startswith(_CONFIGS):
        return False
    return _suffix(text) in FILES or bool(_CALL.fullmatch(text) and not _exists(text))


def parse_reference(text: str | Path) -> Reference:
    """Take a reference apart. Arguments are literals, and nothing is run.

    Raises:
        OracleError: it is none, or no valid call, or its arguments are not literals.
    """
    text = str(text)
    if _suffix(text) in FILES:
        return Reference(text, FILES[_suffix(text)], "", text)
    match = _CALL.fullmatch(text)
    if match is None:
        raise OracleError(f"network={text!r}: expected torchvision:NAME, timm:NAME or package.module:callable(args)")
    module, name, call = match["module"], match["name"], match["call"]
    args, kwargs = _arguments(text, call) if call else ((), {})
    return Reference(text, module if module in ZOOS else "code", module, name, args, kwargs, call is not None)


def _arguments(text: str, call: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call: `(3, act="relu")`."""
    try:
        node: Any = ast.parse("f" + call, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise OracleError(
            f"network={text!r}: no valid call; expected package.module:callable(args), such as "
            'nets.mine:make(32, act="relu")'
        ) from None
    try:
        plain = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)  # one call, not `f(1)(2)`
        names = [word.arg for word in node.keywords] if plain else []
        if plain and all(names) and len(set(names)) == len(names):
            args = tuple(ast.literal_eval(item) for item in node.args)
            return args, {word.arg: ast.literal_eval(word.value) for word in node.keywords}
    except (ValueError, TypeError, RecursionError, MemoryError):
        pass
    raise OracleError(f'network={text!r}: its arguments must be literals, such as (32, act="relu", sizes=[3, 5])')


def _suffix(text: str) -> str:
    return Path(text).suffix.lower()


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):
        return False
