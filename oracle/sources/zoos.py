"""Networks of torchvision and timm by name, without weights, and the input they are published for."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from oracle._resources import closest
from oracle.errors import MissingDependencyError, OracleError
from oracle.sources.building import built
from oracle.sources.inputs import InputSpec
from oracle.sources.opened import Opened
from oracle.sources.references import Reference

_WEIGHTS = ("weights", "weights_backbone", "pretrained", "pretrained_backbone", "checkpoint_path")
_FRAMES = 16  # torchvision nowhere says so; its counts of all ten video networks are equal to ours for 16
_LOUD = ("googlenet", "inception_v3")  # they warn unless weights are not initialised


def open_torchvision(reference: Reference) -> Opened:
    """`torchvision:NAME(options)`; the default input is that of its first published weights."""
    try:
        from torchvision import models
    except ImportError as error:
        raise _missing("torchvision", error) from error
    name, options = reference.name, _without_weights(reference)
    known = models.list_models()
    if name not in known:
        raise OracleError(f"network={reference.text!r}: torchvision has no model {name!r}{closest(name, known)}")
    if name in _LOUD:
        options = {"init_weights": False, **options}
    if "weights_backbone" in inspect.signature(models.get_model_builder(name)).parameters:
        options["weights_backbone"] = None  # its default downloads some
    module, place = built(lambda: models.get_model(name, weights=None, **options), reference.text)
    return Opened(module, _torchvision_input(models, name, module), place, ("torchvision",))


def _torchvision_input(models: Any, name: str, module: Any) -> tuple[InputSpec, ...]:
    """What its published operation counts are for: images, or clips of 16 frames; none where the recipe fixes none."""
    try:
        preset = next(iter(models.get_model_weights(name))).transforms
    except (StopIteration, ValueError):
        return ()
    words: Mapping[str, Any] = getattr(preset, "keywords", {})
    recipe = getattr(getattr(preset, "func", preset), "__name__", "")
    if recipe == "VideoClassification":
        return (InputSpec((1, 3, _FRAMES, *words["crop_size"])),)
    size = {"ImageClassification": words.get("crop_size"), "SemanticSegmentation": words.get("resize_size")}.get(recipe)
    size = getattr(module, "image_size", size)  # a vision transformer takes what it was built for
    return (InputSpec((1, 3, size, size)),) if isinstance(size, int) else ()


def open_timm(reference: Reference) -> Opened:
    """`timm:NAME(options)`; the default input is its `input_size`, or what the options say."""
    try:
        import timm
    except ImportError as error:
        raise _missing("timm", error) from error
    name, options = reference.name, _without_weights(reference)
    if not timm.is_model(name):
        raise OracleError(f"network={reference.text!r}: timm has no model {name!r}{closest(name, timm.list_models())}")
    module, place = built(lambda: timm.create_model(name, pretrained=False, **options), reference.text)
    config = getattr(module, "pretrained_cfg", None) or getattr(module, "default_cfg", None) or {}
    shape = config.get("input_size")
    return Opened(module, _timm_input(shape, options) if shape else (), place, ("timm",))


def _timm_input(shape: tuple[int, ...], options: Mapping[str, Any]) -> tuple[InputSpec, ...]:
    channels, height, width = shape
    size = options.get("img_size") or (height, width)
    height, width = (size, size) if isinstance(size, int) else size
    return (InputSpec((1, options.get("in_chans") or channels, height, width)),)


def _without_weights(reference: Reference) -> dict[str, Any]:
    if reference.args:
        raise OracleError(f"network={reference.text!r}: expected options by keyword, such as (num_classes=10)")
    for word in _WEIGHTS:
        if reference.kwargs.get(word):
            raise OracleError(f"network={reference.text!r}: {word} has no effect on cost and is never downloaded")
    return {word: value for word, value in reference.kwargs.items() if word not in _WEIGHTS}


def _missing(package: str, error: ImportError) -> MissingDependencyError:
    return MissingDependencyError(f"networks of {package} need {package}: pip install {package} ({error})")
