"""ncnn on the CPU, of networks that pnnx converts."""

from __future__ import annotations

import os
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from oracle.errors import OracleError
from oracle.imports.engines import Layer
from oracle.measure.engines.models import Models, images_of, module_of, quietly
from oracle.spec import NetSpec, Workload

_NO_PROFILER = "engine='ncnn' has no profiler; build ncnn with NCNN_BENCHMARK for the times of layers"


class Ncnn:
    """See `oracle.measure.engines.base.Engine`."""

    def session(
        self, net: NetSpec, workload: Workload, threads: int, models: Models, *, profiled: bool = False
    ) -> _Session:
        """See `Engine`: half precision in storage and, where the processor has it, arithmetic, only on request."""
        if profiled:
            raise OracleError(_NO_PROFILER)
        path = models.made(net, 1, "ncnn.param", partial(_convert, net))
        return _Session(path, images_of(net, workload.batch_size).numpy(), threads, workload.dtype)


class _Session:
    """Images one by one: ncnn's tensors have no axis for a batch, so that each image is a call of the network."""

    def __init__(self, path: Path, images: Any, threads: int, dtype: str) -> None:
        import ncnn

        self._net = ncnn.Net()
        options = self._net.opt
        options.num_threads = threads
        options.use_vulkan_compute = False
        options.use_fp16_packed = options.use_fp16_storage = options.use_fp16_arithmetic = dtype == "float16"
        options.use_bf16_packed = options.use_bf16_storage = False
        if self._net.load_param(str(path)) or self._net.load_model(str(path.with_suffix(".bin"))):
            raise OracleError(f"engine='ncnn' cannot load {path.name}")
        self._images = [ncnn.Mat(image).clone() for image in images]
        (self._input,), (self._output,) = self._net.input_names(), self._net.output_names()

    def __call__(self) -> Any:
        return np.stack([self._scores(image) for image in self._images])

    def _scores(self, image: Any) -> Any:
        extractor = self._net.create_extractor()
        extractor.input(self._input, image)
        _, found = extractor.extract(self._output)
        return np.array(found)

    def profile(self, repeats: int) -> tuple[Layer, ...]:  # noqa: ARG002 - of the protocol
        """None can be had, as `Engine.session` says before anything is built."""
        raise OracleError(_NO_PROFILER)


def _convert(net: NetSpec, path: Path) -> None:
    """A .param file and the .bin file beside it, by the program that the package pnnx brings."""
    import pnnx

    image = images_of(net, 1)
    script = path.with_name("network.pt")
    with quietly(), torch.no_grad():
        torch.jit.trace(module_of(net), image, check_trace=False).save(str(script))  # type: ignore[no-untyped-call]
    sides = ",".join(map(str, image.shape))
    others = dict.fromkeys(("pnnxparam", "pnnxbin", "pnnxpy", "pnnxonnx", "ncnnpy"), os.devnull)
    files = {**others, "ncnnparam": str(path), "ncnnbin": str(path.with_suffix(".bin"))}
    command = [pnnx.EXEC_PATH, str(script), f"inputshape=[{sides}]f32", "fp16=0"]
    command += [f"{name}={file}" for name, file in files.items()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=path.parent)  # noqa: S603
    script.unlink()
    if done.returncode or not path.exists():
        output = (done.stderr or done.stdout).strip().splitlines()
        raise OracleError(f"network={net.name!r}: pnnx cannot convert it: {output[-1] if output else done.returncode}")
