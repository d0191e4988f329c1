"""How far predictions for Arm's Ethos-U are from what its compiler, vela, estimates.

    python -m tests.benchmarks.vela [--devices ethos-u55-256 ...] [--networks ResNet-8 ...]

Each small network is written as a quantised TFLite file, compiled by vela for the NPU of a device file, and predicted by
the oracle under the engine `litert`, whose graph the compiler is given. Vela's figures are estimates of a model of its
own, the maximum of computing and of each memory's traffic per operator: no silicon has been measured.

Needs `pip install ethos-u-vela tflite-micro`; says so and ends where they are missing.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

import oracle
from oracle._ranks import kendall_tau_b
from tests.benchmarks._small_networks import NETWORKS
from tests.benchmarks._tflite import quantised

_SYSTEMS = {
    "ethos-u55": "Ethos_U55_High_End_Embedded",
    "ethos-u65": "Ethos_U65_Embedded",
    "ethos-u85": "Ethos_U85_SYS_Flash_High",
}
"""NPU -> vela's name of the memories around it, those of our device files."""
_ALL = tuple(name for name in oracle.list_devices() if name.startswith("ethos-"))


def vela_ms(file: Path, device: str) -> float:
    """Milliseconds per inference that vela estimates for a TFLite file on an Ethos-U."""
    command = [sys.executable, "-c", "from ethosu.vela.vela import main; main()", str(file)]
    system = _SYSTEMS[device.rpartition("-")[0]]
    words = ["--accelerator-config", device, "--config", "Arm/vela.ini", "--system-config", system]
    with tempfile.TemporaryDirectory() as folder:
        words += ["--memory-mode", "Shared_Sram", "--output-dir", folder]
        subprocess.run([*command, *words], check=True, capture_output=True)
        (summary,) = Path(folder).glob("*summary*.csv")
        with summary.open() as stream:
            (row,) = csv.DictReader(stream)
    return float(row["cycles_total"]) / float(row["core_clock"]) * 1e3


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line per network and device, and a line on each device."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", nargs="*", default=_ALL, choices=_ALL, metavar="NAME")
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS), choices=list(NETWORKS), metavar="NAME")
    args = parser.parse_args(argv)
    for package in ("ethosu", "tflite_micro"):
        if importlib.util.find_spec(package) is None:
            print(f"skipped: {package} is not installed; pip install ethos-u-vela tflite-micro")
            return 0
    predicted = {}
    with tempfile.TemporaryDirectory() as folder:
        files: dict[str, Path] = {}
        for name in args.networks:
            make, shape = NETWORKS[name]
            files[name] = Path(folder) / f"{len(files)}.tflite"
            files[name].write_bytes(quantised(make(), shape))
            image = torch.empty(shape, device="meta")
            predicted[name] = oracle.profile(make(), image, devices=args.devices, dtype="int8", engine="litert")
        for device in args.devices:
            truth = {name: vela_ms(file, device) for name, file in files.items()}
            ours = {name: cost.latency_ms[device] for name, cost in predicted.items()}
            bound = {name: cost.roofline_ms[device] for name, cost in predicted.items()}
            for name, ms in truth.items():
                print(
                    f"{device:15} {name:22} vela {ms:9.4f} ms   predicted {ours[name]:9.4f} {ours[name] / ms - 1:+7.1%}"
                    f"   bound {bound[name]:9.4f} {bound[name] / ms - 1:+7.1%}"
                )
            print(f"{device:15} {_summary(truth, ours)}; the bound: {_summary(truth, bound)}")
    return 0


def _summary(truth: dict[str, float], found: dict[str, float]) -> str:
    true, ours = (np.array(list(values.values())) for values in (truth, found))
    off = np.abs(ours / true - 1)
    low, high = np.quantile(true / ours, [0.1, 0.9])
    tau = kendall_tau_b(true, ours)
    return (
        f"{len(off)} networks, mean error {off.mean():.1%}, largest {off.max():.1%}, {np.sum(off <= 0.25)} within 25 %, "
        f"tau {tau:.3f}, vela / predicted {low:.2f} to {high:.2f} in 80 %"
    )


if __name__ == "__main__":
    raise SystemExit(main())
