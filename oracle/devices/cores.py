"""Micro-architectures of processor cores: what a core does per cycle. One table, from which devices derive peaks.

A row is what vector instructions of one core do at most per clock cycle, an FMA (or a multiply-add of integers)
being two operations:

- fp32, fp16: floating point; fp16 0 where half precision is only a storage format (before ARMv8.2-FP16).
- int8: with dot-product instructions (SDOT, i8mm's SMMLA, VNNI's VPDPBUSD) where the core has them, else by
  widening multiply-accumulate (SMLAL, PMADDWD after widening).
- stream_gbps: what one core alone reads and writes at most, from memory or a large cache that holds what a layer just
  wrote: line fills in flight times line size over latency, far below what the memory gives to all cores. Unsourced
  estimates, chosen so that no network of ncnn's benchmark is faster than they allow; `oracle.devices.threads`.
- width: instructions renamed a cycle at most, by which `oracle.devices.hosts` tells how fast a host launches kernels.
- kin: whose calibration serves a core that nobody measured, nearest first.

`unsourced` marks figures that were not checked against the vendor's manual, as everywhere in device files.
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
        kin: names of the nearest relatives.
        source: of the operations per cycle.
        width: instructions renamed a cycle; published by vendors and WikiChip, unsourced here.
    """

    name: str
    fp32: float
    fp16: float
    int8: float
    l2_kib: int
    stream_gbps: float
    kin: tuple[str, ...]
    source: str
    width: int


_GUIDE = "Arm {0} Software Optimization Guide: {1}"
_RECALLED = "unsourced ({0})"
_INTEL = "Intel 64 and IA-32 Optimization Reference Manual: {0}"
_AMD = "AMD Software Optimization Guide, family {0}"


_WIDTHS = {
    1: "cortex-a5 c906",
    2: "cortex-a7 cortex-a9 cortex-a17 cortex-a35 cortex-a53 cortex-a55 cortex-a73 denver2 ftc310 silvermont "
    "u74 x60 la264 gs264",
    3: "cortex-a15 cortex-a510 cortex-a520 cortex-a57 cortex-a72 cortex-a75 carmel yonah c910 la364",
    4: "cortex-a76 cortex-a77 cortex-a78 cortex-a78ae neoverse-n1 kryo icestorm tsv110 ftc66x nehalem "
    "haswell skylake skylake-server cascade-lake tremont la464 gs464e gs464v",
    5: "cortex-a710 cortex-a715 cortex-a720 cortex-x1 cortex-x2 neoverse-n2 neoverse-v1 zen1 zen2 ice-lake "
    "ice-lake-server gracemont",
    6: "cortex-x3 neoverse-v2 cyclone zen3 zen4 golden-cove golden-cove-server la664",
    8: "cortex-x4 firestorm avalanche oryon zen5",
    9: "everest",
}
_WIDTH_OF = {name: width for width, names in _WIDTHS.items() for name in names.split()}


def _core(
    name: str, fp32: float, fp16: float, int8: float, l2_kib: int, stream_gbps: float, kin: str, source: str
) -> tuple[str, Core]:
    return name, Core(name, fp32, fp16, int8, l2_kib, stream_gbps, tuple(kin.split()), source, _WIDTH_OF[name])


CORES = Frozen(
    dict(
        [
            # Arm, 32 bit
            _core("cortex-a5", 4, 0, 8, 512, 0.8, "cortex-a7", _RECALLED.format("two 32-bit FMA a cycle")),
            _core("cortex-a7", 4, 0, 8, 128, 1.2, "cortex-a5", _RECALLED.format("two 32-bit FMA a cycle")),
            _core("cortex-a9", 4, 0, 16, 256, 1.0, "cortex-a17 cortex-a7", _RECALLED.format("64-bit NEON")),
            _core("cortex-a15", 8, 0, 16, 512, 4.0, "cortex-a17", _RECALLED.format("two 64-bit FMA pipes")),
            _core("cortex-a17", 4, 0, 16, 256, 3.0, "cortex-a9 cortex-a15", _RECALLED.format("one 64-bit FMA pipe")),
            # Arm, little
            _core("cortex-a35", 4, 0, 16, 128, 2.0, "cortex-a53", _RECALLED.format("64-bit FMA")),
            _core(
                "cortex-a53", 8, 0, 16, 128, 2.5, "cortex-a35 cortex-a55", _RECALLED.format("128-bit FMA, dual issue")
            ),
            _core(
                "cortex-a55",
                8,
                16,
                32,
                128,
                4.0,
                "cortex-a510 cortex-a53",
                _GUIDE.format("Cortex-A55", "FMLA, SDOT 1 a cycle"),
            ),
            _core(
                "cortex-a510",
                8,
                16,
                32,
                128,
                8.0,
                "cortex-a520 cortex-a55",
                _RECALLED.format("half a shared 2 x 128-bit unit"),
            ),
            _core(
                "cortex-a520",
                8,
                16,
                32,
                128,
                8.0,
                "cortex-a510 cortex-a55",
                _RECALLED.format("half a shared 2 x 128-bit unit"),
            ),
            # Arm, big
            _core(
                "cortex-a57",
                8,
                0,
                16,
                512,
                5.0,
                "cortex-a72 cortex-a73",
                _GUIDE.format("Cortex-A57", "two 64-bit FMA pipes"),
            ),
            _core(
                "cortex-a72",
                8,
                0,
                16,
                256,
                4.5,
                "cortex-a57 cortex-a73",
                _GUIDE.format("Cortex-A72", "two 64-bit FMA pipes"),
            ),
            _core("cortex-a73", 8, 0, 16, 256, 7.0, "cortex-a72 cortex-a75", _RECALLED.format("two 64-bit FMA pipes")),
            _core(
                "cortex-a75", 8, 16, 32, 256, 10.0, "cortex-a73 cortex-a76", _RECALLED.format("two 64-bit FMA pipes")
            ),
            _core(
                "cortex-a76",
                16,
                32,
                64,
                512,
                13.0,
                "cortex-a77 cortex-a78",
                _GUIDE.format("Cortex-A76", "two 128-bit FMA pipes"),
            ),
            _core(
                "cortex-a77",
                16,
                32,
                64,
                512,
                16.0,
                "cortex-a76 cortex-a78",
                _GUIDE.format("Cortex-A77", "two 128-bit FMA pipes"),
            ),
            _core(
                "cortex-a78",
                16,
                32,
                64,
                512,
                16.0,
                "cortex-a78ae cortex-a76",
                _GUIDE.format("Cortex-A78", "two 128-bit FMA pipes"),
            ),
            _core("cortex-a78ae", 16, 32, 64, 256, 16.0, "cortex-a78 cortex-a76", "derived: as cortex-a78"),
            _core(
                "cortex-a710",
                16,
                32,
                128,
                512,
                22.0,
                "cortex-a720 cortex-a78",
                _GUIDE.format("Cortex-A710", "two 128-bit FMA pipes, i8mm"),
            ),
            _core("cortex-a715", 16, 32, 128, 512, 22.0, "cortex-a720 cortex-a710", _RECALLED.format("as cortex-a710")),
            _core("cortex-a720", 16, 32, 128, 512, 22.0, "cortex-a715 cortex-a710", _RECALLED.format("as cortex-a710")),
            _core(
                "cortex-x1",
                32,
                64,
                128,
                1024,
                24.0,
                "cortex-x2 cortex-x3 cortex-a78",
                _GUIDE.format("Cortex-X1", "four 128-bit FMA pipes"),
            ),
            _core(
                "cortex-x2",
                32,
                64,
                256,
                1024,
                26.0,
                "cortex-x3 cortex-x1",
                _GUIDE.format("Cortex-X2", "four 128-bit FMA pipes, i8mm"),
            ),
            _core(
                "cortex-x3",
                32,
                64,
                256,
                1024,
                30.0,
                "cortex-x2 cortex-x4",
                _GUIDE.format("Cortex-X3", "four 128-bit FMA pipes, i8mm"),
            ),
            _core("cortex-x4", 32, 64, 256, 2048, 32.0, "cortex-x3 cortex-x2", _RECALLED.format("as cortex-x2")),
            _core(
                "neoverse-n1",
                16,
                32,
                64,
                1024,
                18.0,
                "tsv110 cortex-a76",
                _GUIDE.format("Neoverse N1", "two 128-bit FMA pipes"),
            ),
            _core(
                "neoverse-n2",
                16,
                32,
                128,
                1024,
                24.0,
                "neoverse-n1 cortex-a710",
                _GUIDE.format("Neoverse N2", "two 128-bit FMA pipes, i8mm"),
            ),
            _core(
                "neoverse-v1",
                32,
                64,
                256,
                1024,
                26.0,
                "neoverse-n2 cortex-x1",
                _GUIDE.format("Neoverse V1", "two 256-bit SVE pipes, i8mm"),
            ),
            _core(
                "neoverse-v2",
                32,
                64,
                256,
                2048,
                30.0,
                "neoverse-v1 neoverse-n2",
                _GUIDE.format("Neoverse V2", "four 128-bit FMA pipes, i8mm"),
            ),
            # others that run Arm's instructions
            _core(
                "kryo",
                8,
                0,
                16,
                512,
                8.0,
                "cortex-a73 cortex-a72",
                _RECALLED.format("Snapdragon 820, 821; as cortex-a73"),
            ),
            _core("denver2", 16, 0, 32, 1024, 10.0, "cortex-a57 cortex-a72", _RECALLED.format("two 128-bit FMA pipes")),
            _core(
                "carmel",
                16,
                32,
                32,
                1024,
                12.0,
                "cortex-a76 cortex-a75",
                _RECALLED.format("two 128-bit FMA pipes, no SDOT"),
            ),
            _core("cyclone", 16, 0, 32, 512, 6.0, "kryo cortex-a72", _RECALLED.format("Apple A7")),
            _core(
                "firestorm",
                32,
                64,
                128,
                3072,
                55.0,
                "avalanche oryon cortex-x1",
                _RECALLED.format("Apple M1, A14; four 128-bit pipes"),
            ),
            _core(
                "avalanche",
                32,
                64,
                256,
                4096,
                60.0,
                "firestorm oryon",
                _RECALLED.format("Apple M2, A15; four 128-bit pipes"),
            ),
            _core(
                "everest",
                32,
                64,
                256,
                4096,
                65.0,
                "avalanche firestorm",
                _RECALLED.format("Apple M3, A16; four 128-bit pipes"),
            ),
            _core("icestorm", 16, 32, 64, 1024, 10.0, "cortex-a78", _RECALLED.format("two 128-bit FMA pipes")),
            _core("oryon", 32, 64, 256, 2048, 50.0, "firestorm cortex-x4", _RECALLED.format("four 128-bit FMA pipes")),
            _core(
                "tsv110",
                16,
                32,
                64,
                512,
                15.0,
                "neoverse-n1 cortex-a76",
                _RECALLED.format("HiSilicon, two 128-bit FMA pipes"),
            ),
            _core("ftc66x", 8, 0, 16, 512, 9.0, "cortex-a72 cortex-a57", _RECALLED.format("Phytium; as cortex-a72")),
            _core("ftc310", 8, 0, 16, 128, 2.5, "cortex-a53", _RECALLED.format("Phytium; as cortex-a53")),
            # x86
            _core("zen1", 16, 0, 32, 512, 36.0, "zen2", _AMD.format("17h: two 128-bit FMA pipes")),
            _core(
                "zen2", 32, 0, 64, 512, 45.0, "zen3 zen1 skylake", _AMD.format("17h models 30h: two 256-bit FMA pipes")
            ),
            _core("zen3", 32, 0, 64, 512, 65.0, "zen2 zen4", _AMD.format("19h: two 256-bit FMA pipes")),
            _core(
                "zen4", 32, 0, 128, 1024, 75.0, "zen5 zen3", _AMD.format("19h models 10h: 512 bit in two passes, VNNI")
            ),
            _core(
                "zen5",
                64,
                0,
                256,
                1024,
                90.0,
                "zen4 golden-cove-server",
                _AMD.format("1Ah: two 512-bit FMA pipes, VNNI"),
            ),
            _core(
                "nehalem",
                8,
                0,
                16,
                256,
                16.0,
                "haswell yonah",
                _INTEL.format("a 128-bit multiply and a 128-bit add a cycle"),
            ),
            _core("haswell", 32, 0, 64, 256, 28.0, "skylake", _INTEL.format("two 256-bit FMA pipes")),
            _core("skylake", 32, 0, 64, 256, 33.0, "haswell zen2 golden-cove", _INTEL.format("two 256-bit FMA pipes")),
            _core(
                "skylake-server",
                64,
                0,
                128,
                1024,
                33.0,
                "golden-cove-server ice-lake",
                _INTEL.format("two 512-bit FMA pipes"),
            ),
            _core(
                "cascade-lake",
                64,
                0,
                256,
                1024,
                35.0,
                "golden-cove-server skylake-server",
                _INTEL.format("two 512-bit FMA pipes, VNNI"),
            ),
            _core(
                "ice-lake",
                32,
                0,
                128,
                512,
                54.0,
                "golden-cove skylake",
                _INTEL.format("client: one 512-bit FMA pipe, VNNI"),
            ),
            _core(
                "ice-lake-server",
                64,
                0,
                256,
                1280,
                50.0,
                "golden-cove-server cascade-lake",
                _INTEL.format("two 512-bit FMA pipes, VNNI"),
            ),
            _core(
                "golden-cove",
                32,
                0,
                128,
                1280,
                60.0,
                "ice-lake zen3 skylake",
                _INTEL.format("Alder, Raptor Lake: two 256-bit FMA pipes, AVX-VNNI"),
            ),
            _core(
                "golden-cove-server",
                64,
                0,
                256,
                2048,
                60.0,
                "zen5 ice-lake-server",
                _INTEL.format("two 512-bit FMA pipes, VNNI (AMX aside)"),
            ),
            _core(
                "gracemont", 16, 0, 64, 512, 25.0, "tremont skylake", _INTEL.format("two 128-bit FMA pipes, AVX-VNNI")
            ),
            _core("tremont", 8, 0, 16, 384, 14.0, "silvermont", _RECALLED.format("a 128-bit multiply and add a cycle")),
            _core(
                "silvermont",
                6,
                0,
                12,
                512,
                3.0,
                "tremont yonah",
                _RECALLED.format("a 128-bit add a cycle, a multiply every second"),
            ),
            _core("yonah", 4, 0, 8, 1024, 2.5, "silvermont", _RECALLED.format("64-bit halves of SSE")),
            # RISC-V, LoongArch and MIPS
            _core(
                "u74", 2, 0, 2, 512, 1.5, "la264 gs264", _RECALLED.format("SiFive, no vectors: a scalar FMA a cycle")
            ),
            _core("c906", 8, 16, 16, 128, 1.0, "x60", _RECALLED.format("T-Head, 128-bit vectors")),
            _core("c910", 16, 32, 64, 256, 4.0, "x60 c906", _RECALLED.format("T-Head, two 128-bit vector pipes")),
            _core("x60", 16, 32, 64, 128, 3.0, "c910 c906", _RECALLED.format("SpacemiT, 256-bit vectors")),
            _core("la264", 4, 0, 4, 1024, 1.5, "gs264", _RECALLED.format("two scalar FMA a cycle")),
            _core("la364", 8, 0, 16, 512, 4.0, "la464", _RECALLED.format("128-bit LSX")),
            _core("la464", 32, 0, 64, 256, 12.0, "la364 gs464v", _RECALLED.format("two 256-bit LASX pipes")),
            _core("la664", 32, 0, 64, 256, 16.0, "la464", _RECALLED.format("two 256-bit LASX pipes")),
            _core("gs264", 4, 0, 4, 1024, 1.0, "la264", _RECALLED.format("two scalar FMA a cycle")),
            _core("gs464e", 4, 0, 8, 256, 3.0, "gs264", _RECALLED.format("two scalar FMA a cycle")),
            _core("gs464v", 16, 0, 32, 256, 5.5, "la364 gs464e", _RECALLED.format("two 128-bit MSA pipes")),
        ]
    )
)
"""By name."""

LITTLE = frozenset(
    {
        "cortex-a7",
        "cortex-a35",
        "cortex-a53",
        "cortex-a55",
        "cortex-a510",
        "cortex-a520",
        "ftc310",
        "icestorm",
        "gracemont",
    }
)
"""Cores built for efficiency: beside others, they run what the fast ones need not."""
