"""LiteRT (TensorFlow Lite) on the CPU, with its XNNPACK kernels."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from oracle.errors import OracleError
from oracle.imports.engines import Layer
from oracle.measure.engines.models import Models, images_of, module_of, quietly
from oracle.spec import NetSpec, Workload

_NO_PROFILER = (
    "engine='litert': its profiler is not to be had from Python; run benchmark_model --enable_op_profiling=true "
    "and read that with `oracle import`"
)


class LiteRt:
    """See `oracle.measure.engines.base.Engine`. int8 is what ai-edge-quantizer makes of the network.

    Inside, LiteRT keeps channels last; with the layout nchw images are turned around in every call.
    """

    def session(
        self, net: NetSpec, workload: Workload, threads: int, models: Models, *, profiled: bool = False
    ) -> _Session:
        """See `Engine`."""
        if profiled:
            raise OracleError(_NO_PROFILER)
        last = workload.layout == "nhwc"
        words = "nhwc.tflite" if last else "tflite"
        path = models.made(net, workload.batch_size, words, partial(_convert, net, workload.batch_size, last))
        images = _ordered(images_of(net, workload.batch_size), last).numpy()
        if workload.is_quantised:
            path = models.made(net, workload.batch_size, f"int8.{words}", partial(_quantise, path, images))
        return _Session(path, images, threads)


class _Session:
    def __init__(self, path: Path, images: Any, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        with quietly():  # it announces its kernels
            self._interpreter = Interpreter(str(path), num_threads=threads)
            self._interpreter.allocate_tensors()
        (given,), (self._output,) = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        if given["dtype"] is not np.float32:
            scale, zero = given["quantization"]
            border = np.iinfo(given["dtype"])
            images = np.clip(np.round(images / scale) + zero, border.min, border.max).astype(given["dtype"])
        self._interpreter.set_tensor(given["index"], images)

    def __call__(self) -> Any:
        self._interpreter.invoke()
        scores = self._interpreter.get_tensor(self._output["index"])
        if self._output["dtype"] is np.float32:
            return scores
        scale, zero = self._output["quantization"]
        return (scores.astype(np.float32) - zero) * scale

    def profile(self, repeats: int) -> tuple[Layer, ...]:  # noqa: ARG002 - of the protocol
        """None can be had, as `Engine.session` says before anything is built."""
        raise OracleError(_NO_PROFILER)


def _ordered(images: torch.Tensor, last: bool) -> torch.Tensor:
    return images.permute(0, 2, 3, 1).contiguous() if last else images


def _convert(net: NetSpec, batch_size: int, last: bool, path: Path) -> None:
    with quietly():
        import litert_torch

        module = module_of(net)
        if last:
            module = litert_torch.to_channel_last_io(module, args=[0])
        found = litert_torch.convert(module, (_ordered(images_of(net, batch_size), last),))
        found.export(str(path))


def _quantise(source: Path, images: Any, path: Path) -> None:
    """Every tensor in int8: weights symmetric per output channel, activations per tensor; statically."""
    with quietly():
        from ai_edge_litert.interpreter import Interpreter
        from ai_edge_quantizer import quantizer, recipe

        ((key, names),) = Interpreter(str(source)).get_signature_list().items()
        made = quantizer.Quantizer(str(source))
        made.load_quantization_recipe(recipe.static_wi8_ai8())
        found = made.calibrate({key: [{names["inputs"][0]: images}]})
        made.quantize(found).export_model(str(path))
