"""How many of other people's models get an answer: python -m tests.benchmarks.zoo [--models 300] [--first 0].

Models of timm, torchvision (detectors, segmentation and video among them) and transformers (one per kind of config, two
layers deep), made without weights and profiled on inputs of their own kind. A model is `answered` where the multiply-adds
are those of torch's own FlopCounterMode on meta, `refused` where one line says what stopped it; anything else is a defect.
Needs torchvision, timm and transformers beside a torch that loads them.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import signal
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from oracle.errors import OracleError, TraceError
from oracle.query import Cost, profile
from oracle.sources.building import built

_SECONDS = 120  # per model
_SELECTED = 100  # rows that selections by values keep, in detectors and routers
Case = tuple[str, Callable[[], tuple[Any, tuple[Any, ...], dict[str, Any]]]]

# Fields that make any config of transformers small, where it has them.
_SMALL = {
    "num_hidden_layers": 2,
    "num_layers": 2,
    "n_layer": 2,
    "n_layers": 2,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "num_encoder_layers": 2,
    "num_decoder_layers": 2,
}


def some(names: list[str], count: int, first: int) -> list[str]:
    """As many of the names, evenly from all of them; another first one gives others."""
    step = max(1, len(names) // count)
    return names[first % step :: step][:count]


def timm_models(count: int, first: int) -> Iterator[Case]:
    """Some timm models, evenly from the list of all."""
    timm = importlib.import_module("timm")
    names = [name for name in timm.list_models() if "_test" not in name]
    for name in some(names, count, first):

        def make(name: str = name) -> Any:
            module: Any = built(lambda: timm.create_model(name), name)[0]
            return module, (torch.empty((1, *module.default_cfg["input_size"]), device="meta"),), {}

        yield f"timm:{name}", make


def torchvision_models(count: int, first: int) -> Iterator[Case]:
    """Some torchvision models, of every kind that it has."""
    models = importlib.import_module("torchvision").models
    names = [name for name in models.list_models() if not name.startswith("quantized")]
    for name in some(names, count, first):

        def make(name: str = name) -> Any:
            options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
            taken = inspect.signature(models.get_model_builder(name)).parameters
            backbone = {"weights_backbone": None} if "weights_backbone" in taken else {}
            module, _ = built(lambda: models.get_model(name, weights=None, **options, **backbone), name)
            crop = 299 if name == "inception_v3" else 224
            if name in models.list_models(module=models.video):
                return module, (torch.empty((1, 3, 16, crop, crop), device="meta"),), {}
            if name in models.list_models(module=models.optical_flow):
                image = torch.empty((1, 3, 256, 256), device="meta")
                return module, (image, image), {}
            if name in models.list_models(module=models.detection):
                return module, ([torch.empty((3, crop, crop), device="meta")],), {}
            return module, (torch.empty((1, 3, crop, crop), device="meta"),), {}

        yield f"torchvision:{name}", make


def transformers_models(count: int, first: int) -> Iterator[Case]:
    """A base model of some kinds of config, with token ids, a mask, or pixels, as its main input is named."""
    transformers = importlib.import_module("transformers")
    mapping = transformers.models.auto.configuration_auto.CONFIG_MAPPING_NAMES
    models = transformers.models.auto.modeling_auto.MODEL_MAPPING_NAMES
    kinds = sorted(kind for kind in mapping if kind in models)
    for kind in some(kinds, count, first):

        def make(kind: str = kind) -> Any:
            config = getattr(transformers, mapping[kind])()
            for part in (config, *(getattr(config, name, None) for name in ("text_config", "vision_config"))):
                for field, value in _SMALL.items():
                    if isinstance(getattr(part, field, None), int):
                        setattr(part, field, value)
            module, _ = built(lambda: transformers.AutoModel.from_config(config), kind)
            name = module.main_input_name
            if name == "pixel_values":
                side = getattr(config, "image_size", 224) or 224
                side = side if isinstance(side, int) else side[0]
                channels = getattr(config, "num_channels", 3)
                return module, (), {name: torch.empty((1, channels, side, side), device="meta")}
            if name in ("input_values", "input_features"):
                bins = getattr(config, "num_mel_bins", 80)
                shape = (1, 16000) if name == "input_values" else (1, bins, 3000)
                return module, (), {name: torch.empty(shape, device="meta")}
            ids = torch.zeros((1, 64), dtype=torch.long, device="meta")
            return module, (), {name: ids, "attention_mask": torch.ones_like(ids)}

        yield f"transformers:{kind}", make


def outcome(make: Callable[[], Any]) -> tuple[str, str]:
    """What becomes of a model, in a word and a line."""
    try:
        module, args, kwargs = make()
        module = module.eval()
    except Exception as error:  # noqa: BLE001 - a model that its own library cannot make is nobody's answer
        return "not made", f"{type(error).__name__}: {error}"
    try:
        cost = _profiled(module, args, kwargs)
    except OracleError as error:
        return "refused", str(error)
    except Exception as error:  # noqa: BLE001 - what is looked for
        return "defect", f"{type(error).__name__}: {error}"
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            module(*args, **kwargs)
    except Exception:  # noqa: BLE001 - torch's own cannot run all that a trace can
        return "answered", "FlopCounterMode has no answer"
    theirs = counter.get_total_flops() // 2
    if cost.macs == theirs:
        return "answered", ""
    return "differs", f"{cost.macs:,} MACs, FlopCounterMode {theirs:,}"


def _profiled(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Cost:
    """The cost; what selects by values, such as a detector, is told how many rows it keeps."""
    try:
        return profile(module, *args, kwargs=kwargs)
    except TraceError as error:
        if "selected=" not in str(error):
            raise
        return profile(module, *args, kwargs=kwargs, selected=_SELECTED)


def _stop(*_: object) -> None:
    raise TimeoutError(f"no answer in {_SECONDS} s")


def main() -> int:
    """Print a line per model that is not simply answered, and how many are what; exit code 1 where there is a defect."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=300, help="how many, about")
    parser.add_argument(
        "--first", type=int, default=0, help="where in each library to begin: another number, other models"
    )
    parser.add_argument("--only", nargs="*", default=[], help="those whose names hold one of these")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    signal.signal(signal.SIGALRM, _stop)
    which = max(1, arguments.models // 3), arguments.first
    found: Counter[str] = Counter()
    for cases in (timm_models(*which), torchvision_models(*which), transformers_models(*which)):
        for name, make in cases:
            if arguments.only and not any(part in name for part in arguments.only):
                continue
            signal.alarm(_SECONDS)
            word, line = outcome(make)
            signal.alarm(0)
            found[word] += 1
            if line:
                print(f"{word:9} {name}: {' '.join(line.split())[:300]}", flush=True)
    print(dict(found))
    return 1 if found["defect"] else 0


if __name__ == "__main__":
    sys.exit(main())
