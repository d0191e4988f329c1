"""What LLVM's scheduling models say that a core does per cycle, beside `oracle.devices.cores`.

    python -m tests.benchmarks.core_models [--mca llvm-mca-22]

Needs llvm-mca, and no network: `apt-get install llvm-19`; the X60's model came with LLVM 21. Only cores with a model of
their own are asked, for compilers borrow: LLVM schedules a Cortex-A76 as an A57, a Tremont as a Silvermont. Operations
per cycle are those of an instruction over its reciprocal throughput, by the resources that the model gives it; a core
that has several instructions for int8 uses the best. `DIFFERS` says why a figure of the table is not the model's.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
from collections.abc import Mapping
from typing import NamedTuple

from oracle._frozen import Frozen
from oracle.devices.cores import CORES

__all__ = ["DIFFERS", "MODELS", "Asked", "Modelled", "mca_found", "modelled"]

OLDEST = 19  # before, models of half of the cores were others' or missing
_MANY = 12  # independent accumulators, so that no latency counts

INSTRUCTIONS: Mapping[str, tuple[int, str]] = Frozen(
    {
        "fmla.4s": (8, "fmla v{}.4s, v30.4s, v31.4s"),
        "fmla.8h": (16, "fmla v{}.8h, v30.8h, v31.8h"),
        "smlal": (16, "smlal v{}.8h, v30.8b, v31.8b"),
        "sdot": (32, "sdot v{}.4s, v30.16b, v31.16b"),
        "smmla": (64, "smmla v{}.4s, v30.16b, v31.16b"),
        "vmla.q": (8, "vmla.f32 q{}, q14, q15"),
        "vmlal": (16, "vmlal.s8 q{}, d30, d31"),
        "mulps": (8, "mulps %xmm14, %xmm{}"),  # with an ADDPS, which has a port of its own
        "fma.xmm": (8, "vfmadd231ps %xmm14, %xmm15, %xmm{}"),
        "fma.ymm": (16, "vfmadd231ps %ymm14, %ymm15, %ymm{}"),
        "fma.zmm": (32, "vfmadd231ps %zmm14, %zmm15, %zmm{}"),
        "pmaddwd.xmm": (16, "pmaddwd %xmm14, %xmm{}"),
        "pmaddwd.ymm": (32, "vpmaddwd %ymm14, %ymm15, %ymm{}"),
        "pmaddwd.zmm": (64, "vpmaddwd %zmm14, %zmm15, %zmm{}"),
        "vpdpbusd.ymm": (64, "vpdpbusd %ymm14, %ymm15, %ymm{}"),
        "vpdpbusd.zmm": (128, "vpdpbusd %zmm14, %zmm15, %zmm{}"),
        "fmadd.s": (2, "fmadd.s f{0}, f30, f31, f{0}"),
        "mul": (2, "mul x{}, x30, x31"),  # with an ADD, which has a port of its own
        "vfmacc.e32": (16, "vfmacc.vv v{}, v30, v31"),  # of 256 bits
        "vfmacc.e16": (32, "vfmacc.vv v{}, v30, v31"),
        "vwmacc.e8": (64, "vwmacc.vv v{}, v30, v31"),
    }
)
"""Operations of one instruction, and its text with a place for the accumulator."""

_SET_WIDTH = {"e8": "vsetvli x1, x2, e8, m1, ta, ma", "e16": "vsetvli x1, x2, e16, m1, ta, ma"}
_SET_WIDTH["e32"] = "vsetvli x1, x2, e32, m1, ta, ma"


class Asked(NamedTuple):
    """A core's own model.

    Attributes:
        target: LLVM's triple.
        cpu: LLVM's name of the core.
        fp32, fp16, int8: the instructions to ask for, of `INSTRUCTIONS`.
        share: of what the model gives one core, where cores share a unit.
    """

    target: str
    cpu: str
    fp32: str
    fp16: str = ""
    int8: str = ""
    share: float = 1.0


class Modelled(NamedTuple):
    """What a model says: operations per cycle, 0 where the core has no such instruction, and instructions issued."""

    fp32: float
    fp16: float
    int8: float
    width: int


_ARM, _ARM_32, _X86, _RISC_V = "aarch64", "armv7", "x86_64", "riscv64"
MODELS: Mapping[str, Asked] = Frozen(
    {
        "cortex-a9": Asked(_ARM_32, "cortex-a9", "vmla.q", int8="vmlal"),
        "cortex-a53": Asked(_ARM, "cortex-a53", "fmla.4s", int8="smlal"),
        "cortex-a55": Asked(_ARM, "cortex-a55", "fmla.4s", "fmla.8h", "sdot"),
        "cortex-a510": Asked(_ARM, "cortex-a510", "fmla.4s", "fmla.8h", "sdot smmla", share=0.5),
        "cortex-a57": Asked(_ARM, "cortex-a57", "fmla.4s", int8="smlal"),
        "neoverse-n1": Asked(_ARM, "neoverse-n1", "fmla.4s", "fmla.8h", "sdot"),
        "neoverse-n2": Asked(_ARM, "neoverse-n2", "fmla.4s", "fmla.8h", "sdot smmla"),
        "neoverse-v1": Asked(_ARM, "neoverse-v1", "fmla.4s", "fmla.8h", "sdot smmla"),
        "neoverse-v2": Asked(_ARM, "neoverse-v2", "fmla.4s", "fmla.8h", "sdot smmla"),
        "kryo": Asked(_ARM, "kryo", "fmla.4s", int8="smlal"),
        "cyclone": Asked(_ARM, "apple-a7", "fmla.4s", int8="smlal"),
        "oryon": Asked(_ARM, "oryon-1", "fmla.4s", "fmla.8h", "sdot smmla"),
        "tsv110": Asked(_ARM, "tsv110", "fmla.4s", "fmla.8h", "sdot"),
        "zen1": Asked(_X86, "znver1", "fma.xmm fma.ymm", int8="pmaddwd.xmm pmaddwd.ymm"),
        "zen2": Asked(_X86, "znver2", "fma.ymm", int8="pmaddwd.ymm"),
        "zen3": Asked(_X86, "znver3", "fma.ymm", int8="pmaddwd.ymm"),
        "zen4": Asked(_X86, "znver4", "fma.ymm fma.zmm", int8="vpdpbusd.ymm vpdpbusd.zmm"),
        "haswell": Asked(_X86, "haswell", "fma.ymm", int8="pmaddwd.ymm"),
        "skylake": Asked(_X86, "skylake", "fma.ymm", int8="pmaddwd.ymm"),
        "skylake-server": Asked(_X86, "skylake-avx512", "fma.zmm", int8="pmaddwd.zmm"),
        "ice-lake": Asked(_X86, "icelake-client", "fma.ymm fma.zmm", int8="vpdpbusd.ymm vpdpbusd.zmm"),
        "golden-cove": Asked(_X86, "alderlake", "fma.ymm", int8="vpdpbusd.ymm"),
        "golden-cove-server": Asked(_X86, "sapphirerapids", "fma.zmm", int8="vpdpbusd.zmm"),
        "silvermont": Asked(_X86, "silvermont", "mulps", int8="pmaddwd.xmm"),
        "u74": Asked(_RISC_V, "sifive-u74", "fmadd.s", int8="mul"),
        "x60": Asked(_RISC_V, "spacemit-x60", "vfmacc.e32", "vfmacc.e16", "vwmacc.e8"),
    }
)
"""Cores that LLVM models as such."""

DIFFERS: Mapping[str, str] = Frozen(
    {
        "cortex-a9": "fp32: the model has no unit that a Q register takes twice; GCC 16.2's cortex-a9-neon.md has",
        "cortex-a55": "fp32, fp16: FMLA of a Q register takes one of two 64-bit units, all else both, SDOT included",
        "zen4": "int8: VPDPBUSD is left at a default of two cycles; both 256-bit multipliers do it",
        "ice-lake": "int8: VPDPBUSD of 512 bits stands on two ports, one of which has no multiplier; OSACA 0.7.1: one",
        "golden-cove-server": "all: 512 bits on one port, as in Alder Lake; OSACA 0.7.1 has two, and a server's core was "
        "measured at 48 FLOP a cycle in ncnn's mobilenet (Azure D64s v6)",
    }
)
"""Where the table is not what a model says: which figures, and why."""


def mca_found(named: str | None = None) -> str | None:
    """The llvm-mca to ask: the one named, else the newest installed that is new enough; None if there is none."""
    names = [named] if named else [*(f"llvm-mca-{release}" for release in range(40, OLDEST - 1, -1)), "llvm-mca"]
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None or named:
        return found
    told = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    return found if int(told.partition("LLVM version ")[2].partition(".")[0]) >= OLDEST else None


def modelled(mca: str, asked: Asked) -> Modelled | None:
    """What a model says; None where this LLVM has none.

    Args:
        mca: the program.
        asked: the core.
    """
    regions = [name for each in (asked.fp32, asked.fp16, asked.int8) for name in each.split()]
    text = "".join(_region(name) for name in regions)
    command = [mca, f"-mtriple={asked.target}", f"-mcpu={asked.cpu}", "-iterations=1", "-json"]
    if asked.target == _ARM_32:
        command.append("-mattr=+neon")
    ran = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if ran.returncode or "is not a recognized processor" in ran.stderr:
        return None
    views = {region["Name"]: region["SummaryView"] for region in json.loads(ran.stdout)["CodeRegions"]}

    def best(names: str) -> float:
        rates = [INSTRUCTIONS[name][0] * _MANY / views[name]["BlockRThroughput"] for name in names.split()]
        return asked.share * max(rates, default=0.0)

    width = next(iter(views.values()))["DispatchWidth"]
    return Modelled(best(asked.fp32), best(asked.fp16), best(asked.int8), width)


def _region(name: str) -> str:
    """Independent instructions of one sort, as llvm-mca reads them."""
    _, text = INSTRUCTIONS[name]
    width = _SET_WIDTH.get(name.partition(".")[2], "")
    step = 2 if text.startswith("vwmacc") else 1  # its results are pairs of registers
    lines = [text.format(2 + step * place) for place in range(_MANY)]
    return "\n".join([f"# LLVM-MCA-BEGIN {name}", *([width] if width else []), *lines, f"# LLVM-MCA-END {name}", ""])


def main() -> None:
    """Print both, core by core."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mca", help="the llvm-mca to ask; the newest installed")
    mca = mca_found(parser.parse_args().mca)
    if mca is None:
        print(f"llvm-mca {OLDEST} or newer is not installed: apt-get install llvm-{OLDEST}")
        return
    print(f"{mca}: fp32, fp16, int8 operations per cycle and instructions issued; the table's in brackets")
    for name, asked in MODELS.items():
        core, found = CORES[name], modelled(mca, asked)
        if found is None:
            print(f"{name:20s} has no model in this LLVM")
            continue
        pairs = zip(found, (core.fp32, core.fp16, core.int8, core.width), strict=True)
        told = "  ".join(f"{model:5.4g} ({table:g})" for model, table in pairs)
        print(f"{name:20s} {told}  {DIFFERS.get(name, '')}".rstrip())


if __name__ == "__main__":
    main()
