"""Micro-architectures of processor cores: what a core does per cycle. One table, from which devices derive peaks.

A row is what vector instructions of one core do at most per clock cycle, an FMA (or a multiply-add of integers)
being two operations:

- fp32, fp16: floating point; fp16 0 where half precision is only a storage format (before ARMv8.2-FP16).
- int8: with dot-product instructions (SDOT, i8mm's SMMLA, VNNI's VPDPBUSD) where the core has them, else by
  widening multiply-accumulate (SMLAL, VWMACC, PMADDWD after widening).
- stream_gbps: what one core alone reads and writes at most, from memory or a large cache that holds what a layer just
  wrote: line fills in flight times line size over latency, far below what the memory gives to all cores. Unsourced
  estimates, chosen so that no network of ncnn's benchmark is faster than they allow; `oracle.devices.threads`.
- width: instructions renamed a cycle at most, by which `oracle.devices.hosts` tells how fast a host launches kernels.
  Issue widths of compilers' models count other things (micro-operations, or what pays off), so that none is a source.
- kin: whose calibration serves a core that nobody measured, nearest first.

`unsourced` marks figures that were checked against neither a vendor's manual nor a compiler's scheduling model of the
very core, as everywhere in device files. Compilers borrow models: LLVM schedules a Cortex-A76 as an A57, a 5th Zen as a
4th, which says nothing of either. `python -m tests.benchmarks.core_models` prints what LLVM's own models say beside
this table, and why they are not followed where they differ.
"""

from __future__ import annotations

from dataclasses import dataclass

from oracle._frozen import Frozen

__all__ = ["CORES", "LITTLE", "Core"]


@dataclass(frozen=True, slots=True)
class Core:
    """A micro-architecture.

    Attributes:
        name: as device files say it.
        fp32, fp16, int8: operations per cycle; fp16 is 0 where the core computes in none.
        l2_kib: second-level cache of a core, or its part of a shared one, as commonly built.
        stream_gbps: what one core reads from memory, 1e9 byte/s.
        width: instructions renamed a cycle; published by vendors and WikiChip, unsourced here.
        kin: names of the nearest relatives.
        source: of the operations per cycle.
    """

    name: str
    fp32: float
    fp16: float
    int8: float
    l2_kib: int
    stream_gbps: float
    width: int
    kin: tuple[str, ...]
    source: str


_ARM = "Arm {core} Software Optimization Guide: {what}"
_INTEL = "Intel 64 and IA-32 Optimization Reference Manual: {what}"
_AMD = "AMD Software Optimization Guide, family {what}"
_LLVM = "LLVM 22.1.8: {what}"
_GCC = "GCC 16.2: {what}"
_DERIVED = "derived: {what}"
_RECALLED = "unsourced ({what})"

# name, fp32, fp16, int8, l2_kib, stream_gbps, width, kin, source and what it says
_ROWS: tuple[tuple[str, float, float, float, int, float, int, str, str, str], ...] = (
    # Arm, 32 bit
    ("cortex-a5", 4, 0, 8, 512, 0.8, 1, "cortex-a7", _RECALLED, "two 32-bit FMA a cycle"),
    ("cortex-a7", 4, 0, 8, 128, 1.2, 2, "cortex-a5", _RECALLED, "two 32-bit FMA a cycle"),
    ("cortex-a9", 4, 0, 16, 256, 1.0, 2, "cortex-a17 cortex-a7", _GCC, "cortex-a9-neon.md, a 64-bit VMLA a cycle"),
    ("cortex-a15", 8, 0, 16, 512, 4.0, 3, "cortex-a17", _GCC, "cortex-a15-neon.md, 2 x 64-bit VMLA, a VMLAL.S8"),
    ("cortex-a17", 4, 0, 16, 256, 3.0, 2, "cortex-a9 cortex-a15", _RECALLED, "1 x 64-bit FMA"),
    # Arm, little
    ("cortex-a35", 4, 0, 16, 128, 2.0, 2, "cortex-a53", _RECALLED, "64-bit FMA"),
    ("cortex-a53", 8, 0, 16, 128, 2.5, 2, "cortex-a35 cortex-a55", _LLVM, "CortexA53Model, an FMLA, an SMLAL a cycle"),
    ("cortex-a55", 8, 16, 32, 128, 4.0, 2, "cortex-a510 cortex-a53", _ARM, "FMLA, SDOT 1 a cycle"),
    (
        "cortex-a510",
        8,
        16,
        64,
        128,
        8.0,
        3,
        "cortex-a520 cortex-a55",
        _LLVM,
        "CortexA510Model, half of 2 FMLA, SMMLA",
    ),
    ("cortex-a520", 8, 16, 64, 128, 8.0, 3, "cortex-a510 cortex-a55", _RECALLED, "as cortex-a510"),
    # Arm, big
    ("cortex-a57", 8, 0, 16, 512, 5.0, 3, "cortex-a72 cortex-a73", _ARM, "2 x 64-bit FMA"),
    ("cortex-a72", 8, 0, 16, 256, 4.5, 3, "cortex-a57 cortex-a73", _ARM, "2 x 64-bit FMA"),
    ("cortex-a73", 8, 0, 16, 256, 7.0, 2, "cortex-a72 cortex-a75", _RECALLED, "2 x 64-bit FMA"),
    ("cortex-a75", 8, 16, 32, 256, 10.0, 3, "cortex-a73 cortex-a76", _RECALLED, "2 x 64-bit FMA"),
    ("cortex-a76", 16, 32, 64, 512, 13.0, 4, "cortex-a77 cortex-a78", _ARM, "2 x 128-bit FMA"),
    ("cortex-a77", 16, 32, 64, 512, 16.0, 4, "cortex-a76 cortex-a78", _ARM, "2 x 128-bit FMA"),
    ("cortex-a78", 16, 32, 64, 512, 16.0, 4, "cortex-a78ae cortex-a76", _ARM, "2 x 128-bit FMA"),
    ("cortex-a78ae", 16, 32, 64, 256, 16.0, 4, "cortex-a78 cortex-a76", _DERIVED, "as cortex-a78"),
    ("cortex-a710", 16, 32, 128, 512, 22.0, 5, "cortex-a720 cortex-a78", _ARM, "2 x 128-bit FMA, i8mm"),
    ("cortex-a715", 16, 32, 128, 512, 22.0, 5, "cortex-a720 cortex-a710", _RECALLED, "as cortex-a710"),
    ("cortex-a720", 16, 32, 128, 512, 22.0, 5, "cortex-a715 cortex-a710", _RECALLED, "as cortex-a710"),
    ("cortex-x1", 32, 64, 128, 1024, 24.0, 5, "cortex-x2 cortex-x3 cortex-a78", _ARM, "4 x 128-bit FMA"),
    ("cortex-x2", 32, 64, 256, 1024, 26.0, 5, "cortex-x3 cortex-x1", _ARM, "4 x 128-bit FMA, i8mm"),
    ("cortex-x3", 32, 64, 256, 1024, 30.0, 6, "cortex-x2 cortex-x4", _ARM, "4 x 128-bit FMA, i8mm"),
    ("cortex-x4", 32, 64, 256, 2048, 32.0, 8, "cortex-x3 cortex-x2", _RECALLED, "as cortex-x2"),
    ("neoverse-n1", 16, 32, 64, 1024, 18.0, 4, "tsv110 cortex-a76", _ARM, "2 x 128-bit FMA"),
    ("neoverse-n2", 16, 32, 128, 1024, 24.0, 5, "neoverse-n1 cortex-a710", _ARM, "2 x 128-bit FMA, i8mm"),
    ("neoverse-v1", 32, 64, 256, 1024, 26.0, 5, "neoverse-n2 cortex-x1", _ARM, "two 256-bit SVE pipes, i8mm"),
    ("neoverse-v2", 32, 64, 256, 2048, 30.0, 6, "neoverse-v1 neoverse-n2", _ARM, "4 x 128-bit FMA, i8mm"),
    # others that run Arm's instructions
    ("kryo", 8, 0, 16, 512, 8.0, 4, "cortex-a73 cortex-a72", _LLVM, "KryoModel, an FMLA, an SMLAL a cycle"),
    ("denver2", 16, 0, 32, 1024, 10.0, 2, "cortex-a57 cortex-a72", _RECALLED, "2 x 128-bit FMA"),
    ("carmel", 16, 32, 32, 1024, 12.0, 3, "cortex-a76 cortex-a75", _RECALLED, "2 x 128-bit FMA, no SDOT"),
    ("cyclone", 16, 0, 32, 512, 6.0, 6, "kryo cortex-a72", _LLVM, "CycloneModel (Apple A7), 2 FMLA, 2 SMLAL a cycle"),
    ("firestorm", 32, 64, 128, 3072, 55.0, 8, "avalanche oryon cortex-x1", _RECALLED, "Apple M1, A14: 4 x 128-bit"),
    ("avalanche", 32, 64, 256, 4096, 60.0, 8, "firestorm oryon", _RECALLED, "Apple M2, A15: 4 x 128-bit"),
    ("everest", 32, 64, 256, 4096, 65.0, 9, "avalanche firestorm", _RECALLED, "Apple M3, A16: 4 x 128-bit"),
    ("icestorm", 16, 32, 64, 1024, 10.0, 4, "cortex-a78", _RECALLED, "2 x 128-bit FMA"),
    (
        "oryon",
        32,
        64,
        128,
        2048,
        50.0,
        8,
        "firestorm cortex-x4",
        _LLVM,
        "OryonModel, 4 FMLA, SDOT or 2 SMMLA a cycle",
    ),
    ("tsv110", 16, 32, 64, 512, 15.0, 4, "neoverse-n1 cortex-a76", _LLVM, "TSV110Model, 2 FMLA, 2 SDOT a cycle"),
    ("ftc66x", 8, 0, 16, 512, 9.0, 4, "cortex-a72 cortex-a57", _RECALLED, "Phytium; as cortex-a72"),
    ("ftc310", 8, 0, 16, 128, 2.5, 2, "cortex-a53", _RECALLED, "Phytium; as cortex-a53"),
    # x86
    ("zen1", 16, 0, 16, 512, 36.0, 5, "zen2", _LLVM, "Znver1Model, 2 x 128-bit FMA, a PMADDWD a cycle"),
    ("zen2", 32, 0, 32, 512, 45.0, 5, "zen3 zen1 skylake", _LLVM, "Znver2Model, 2 x 256-bit FMA, a PMADDWD a cycle"),
    ("zen3", 32, 0, 64, 512, 65.0, 6, "zen2 zen4", _AMD, "19h: 2 x 256-bit FMA"),
    ("zen4", 32, 0, 128, 1024, 75.0, 6, "zen5 zen3", _AMD, "19h models 10h: 512 bit in two passes, VNNI"),
    ("zen5", 64, 0, 256, 1024, 90.0, 8, "zen4 golden-cove-server", _AMD, "1Ah: 2 x 512-bit FMA, VNNI"),
    ("nehalem", 8, 0, 16, 256, 16.0, 4, "haswell yonah", _INTEL, "a 128-bit multiply and a 128-bit add a cycle"),
    ("haswell", 32, 0, 32, 256, 28.0, 4, "skylake", _LLVM, "HaswellModel, 2 x 256-bit FMA, a PMADDWD a cycle"),
    ("skylake", 32, 0, 64, 256, 33.0, 4, "haswell zen2 golden-cove", _INTEL, "2 x 256-bit FMA"),
    ("skylake-server", 64, 0, 128, 1024, 33.0, 4, "golden-cove-server ice-lake", _INTEL, "2 x 512-bit FMA"),
    ("cascade-lake", 64, 0, 256, 1024, 35.0, 4, "golden-cove-server skylake-server", _INTEL, "2 x 512-bit FMA, VNNI"),
    ("ice-lake", 32, 0, 128, 512, 54.0, 5, "golden-cove skylake", _INTEL, "client: 1 x 512-bit FMA, VNNI"),
    ("ice-lake-server", 64, 0, 256, 1280, 50.0, 5, "golden-cove-server cascade-lake", _INTEL, "2 x 512-bit FMA, VNNI"),
    ("golden-cove", 32, 0, 128, 1280, 60.0, 6, "ice-lake zen3 skylake", _INTEL, "Alder Lake: 2 x 256-bit FMA, VNNI"),
    ("golden-cove-server", 64, 0, 256, 2048, 60.0, 6, "zen5 ice-lake-server", _INTEL, "2 x 512-bit FMA, VNNI"),
    ("gracemont", 16, 0, 64, 512, 25.0, 5, "tremont skylake", _INTEL, "2 x 128-bit FMA, AVX-VNNI"),
    ("tremont", 8, 0, 16, 384, 14.0, 4, "silvermont", _RECALLED, "a 128-bit multiply and add a cycle"),
    ("silvermont", 4, 0, 8, 512, 3.0, 2, "tremont yonah", _LLVM, "SLMModel, a MULPS, a PMADDWD every second cycle"),
    ("yonah", 4, 0, 8, 1024, 2.5, 3, "silvermont", _RECALLED, "64-bit halves of SSE"),
    # RISC-V, LoongArch and MIPS
    ("u74", 2, 0, 2, 512, 1.5, 2, "la264 gs264", _LLVM, "SiFive7Model, no vectors: a scalar FMA a cycle"),
    ("c906", 8, 16, 16, 128, 1.0, 1, "x60", _RECALLED, "T-Head, 128-bit vectors"),
    ("c910", 16, 32, 64, 256, 4.0, 3, "x60 c906", _RECALLED, "T-Head, two 128-bit vector pipes"),
    ("x60", 16, 32, 32, 128, 3.0, 2, "c910 c906", _LLVM, "SpacemitX60Model, a VFMACC, half a VWMACC a cycle"),
    ("la264", 4, 0, 4, 1024, 1.5, 2, "gs264", _RECALLED, "two scalar FMA a cycle"),
    ("la364", 8, 0, 16, 512, 4.0, 3, "la464", _RECALLED, "128-bit LSX"),
    ("la464", 32, 0, 64, 256, 12.0, 4, "la364 gs464v", _RECALLED, "two 256-bit LASX pipes"),
    ("la664", 32, 0, 64, 256, 16.0, 6, "la464", _RECALLED, "two 256-bit LASX pipes"),
    ("gs264", 4, 0, 4, 1024, 1.0, 2, "la264", _RECALLED, "two scalar FMA a cycle"),
    ("gs464e", 4, 0, 8, 256, 3.0, 4, "gs264", _RECALLED, "two scalar FMA a cycle"),
    ("gs464v", 16, 0, 32, 256, 5.5, 4, "la364 gs464e", _RECALLED, "two 128-bit MSA pipes"),
)


def _core(
    name: str,
    fp32: float,
    fp16: float,
    int8: float,
    l2_kib: int,
    stream_gbps: float,
    width: int,
    kin: str,
    source: str,
    what: str,
) -> Core:
    said = source.format(core=name.title(), what=what)
    return Core(name, fp32, fp16, int8, l2_kib, stream_gbps, width, tuple(kin.split()), said)


CORES = Frozen({row[0]: _core(*row) for row in _ROWS})
"""By name."""

LITTLE = frozenset(
    "cortex-a7 cortex-a35 cortex-a53 cortex-a55 cortex-a510 cortex-a520 ftc310 icestorm gracemont".split()
)
"""Cores built for efficiency: beside others, they run what the fast ones need not."""
