"""A decoder's `config.json`, as transformers writes it, as the sections of our config. It is data: nothing is run.

Every rule is what transformers' own module of that `model_type` builds (`tests/benchmarks/decoders.py` holds each equal
to it in parameters and multiply-adds). What changes no count is not read: scaling of rotary positions, dropout, the
numbers of special tokens, how weights are quantised.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oracle._resources import closest
from oracle.config.huggingface_kinds import CONVERTERS
from oracle.config.huggingface_reader import Reader
from oracle.config.merge import shown
from oracle.errors import ConfigError
from oracle.spec import HALVES

PREFIX = "hf:"
_FILE = "config.json"
_MAX_BYTES = 1_000_000
_Keys = dict[str, Any]


def is_huggingface(source: object) -> bool:
    """Whether a network's name is `hf:` and the path of such a file, or of a directory that has one."""
    return isinstance(source, str) and source.startswith(PREFIX)


def read_huggingface(source: str) -> tuple[dict[str, _Keys], str]:
    """The sections that `hf:PATH` describes, and a name: that of the directory, or of the file.

    Raises:
        ConfigError: no such file, no JSON object, or as `sections_of`.
    """
    path = Path(source.removeprefix(PREFIX))
    try:
        path = path / _FILE if path.is_dir() else path
        with path.open("rb") as stream:
            raw = stream.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"cannot be read: {reason}; expected the path of a {_FILE}, for nothing is downloaded", file=source
        ) from None
    if len(raw) > _MAX_BYTES:
        raise ConfigError("larger than 1 MB; a config is a few lines", file=source)
    try:
        values = json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        shown = str(error) if isinstance(error, json.JSONDecodeError) else type(error).__name__
        raise ConfigError(f"not JSON: {shown}", file=source) from None
    name = path.resolve().parent.name if path.name == _FILE else path.stem
    return sections_of(values, source), name


def sections_of(values: Any, file: str = "") -> dict[str, _Keys]:
    """The sections of our config that a parsed `config.json` stands for.

    Args:
        values: its content.
        file: where it is from, for the messages.

    Raises:
        ConfigError: an architecture that is not known, a key that is missing, misspelt, of the wrong type or beyond all
            networks, or a part that decoders here do not have.

    Example:
        >>> sizes = {"vocab_size": 96, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
        >>> sections_of({"model_type": "llama", "num_attention_heads": 4, **sizes})["DECODER"]["FF"]
        128
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"expected an object with a model_type, found a {type(values).__name__}", file=file)
    outer, inner = values, values.get("text_config")
    if isinstance(inner, Mapping):  # the decoder of a network that sees images as well
        values = {**{name: outer[name] for name in _SHARED if name in outer}, **inner}
        values |= {name: outer[name] for name in _SHARED[:1] if name in outer}  # whose head is tied is its own matter
        values.setdefault("model_type", outer.get("model_type"))
    kind = values.get("model_type")
    if not isinstance(kind, str) or kind not in CONVERTERS:
        known = ", ".join(CONVERTERS)
        hint = closest(kind, CONVERTERS, 1) if isinstance(kind, str) else ""
        raise ConfigError(
            f"value {shown(kind)}: expected a decoder of a known kind: {known}{hint}", key="model_type", file=file
        )
    reader = Reader(values, file)
    keys = CONVERTERS[kind](reader)
    _refuse_other_parts(reader, keys)
    reader.refuse_misspelt()
    dtype = _dtype(reader, values)
    cost = {"DTYPE": dtype, "WEIGHTS": dtype} if dtype in HALVES else {}
    return {"MODEL": {"TYPE": "decoder"}, "DECODER": keys, "COST": cost}


def _dtype(read: Reader, values: Mapping[str, Any]) -> str:
    """What the file says that its weights are in, by the new name or the old one; "" where it says nothing.

    What is not packed of MXFP4 is in bfloat16, and so is what is unpacked (transformers' `integrations/mxfp4.py`).
    """
    packed = values.get("quantization_config")
    for word in ("dtype", "torch_dtype"):
        dtype = values.get(word)
        if dtype in ("float32", *HALVES):
            return str(dtype)
        if dtype not in (None, "auto"):
            raise read.fail(word, f"float32, {' or '.join(HALVES)}")
    return "bfloat16" if isinstance(packed, Mapping) and packed.get("quant_method") == "mxfp4" else ""


_SHARED = ("tie_word_embeddings", "dtype", "torch_dtype", "quantization_config")
"""What a network that sees images may say beside its decoder's config, of both."""

_HEADS = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")


def _refuse_other_parts(read: Reader, keys: _Keys) -> None:
    """Complain of a part that decides counts, and that transformers' module of this kind would leave out in silence.

    Raises:
        ConfigError: the first of them.
    """
    read.heads("architectures", _HEADS)
    for name in ("is_encoder_decoder", "add_cross_attention", "use_bidirectional_attention"):
        read.without(name, "it")
    if not keys.get("EXPERTS"):
        for name in ("num_experts", "num_local_experts", "n_routed_experts"):
            read.without(name, "experts")
    if not keys.get("KV_RANK"):
        read.without("kv_lora_rank", "latents")
    if not keys.get("INDEX_TOPK"):
        read.without("index_topk", "sparse attention")
    if not (keys.get("WINDOWS") or keys.get("MIXERS")):
        read.kinds("layer_types", "indexed_attention" if keys.get("INDEX_TOPK") else "full_attention")
