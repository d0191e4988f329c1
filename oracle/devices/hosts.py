"""The host of a device: the processor that launches its kernels, and what a launch takes it.

In eager PyTorch one core runs Python, the dispatcher and the driver for every operator; networks of small operators
take that time and nothing else. What a core takes is the same number of instructions everywhere, so that it goes with
1 / (clock x instructions renamed a cycle). Three hosts say how many: per operator of networks whose latency grows with
their operators alone, the Cortex-A57 of a Jetson Nano takes 197 us (its three DenseNets at batch 1; torch2trt), the
hosts of an RTX 2080 Ti and a GTX 1080 Ti 39 and 55 us (NAS-Bench-201 and FBNet at batch 1; HayeonLee/HELP), taken to be
Xeons of the generation that HELP timed too, the Gold 6226, at their boost clock. Each predicted from the other two is
off by 26 % on average; by the clock alone 36 %, by nothing 101 % (`python -m tests.benchmarks.validate`, hosts).
"""

from __future__ import annotations

from oracle._frozen import Frozen
from oracle.devices.cores import CORES
from oracle.devices.files import load_device
from oracle.devices.model import Device, Host
from oracle.errors import DeviceError, WorkloadError

SLOTS = 7.3e5
"""Instructions that a core could have renamed while it launches one operator: the geometric mean of the three hosts."""

COMPILED = 0.3
"""Of that, where generated code launches kernels without torch's dispatcher: `torch.compile`, mode default; assumed."""

_DESKTOP = Host("i7-13700k", "assumed: a desktop of today")

HOSTS = Frozen(
    {
        "consumer-gpu": _DESKTOP,
        "workstation-gpu": _DESKTOP,
        "datacenter-gpu": Host("xeon-8488c", "assumed: a server of today"),
        "embedded-gpu": Host("jetson-orin-nano-cpu", "assumed: a module of today"),
    }
)
"""Kind of device -> its host where the device's file names none; kinds that are not here have none."""


def host_of(device: Device) -> Host | None:
    """The host that a device is taken to have; None where no other processor launches its kernels."""
    return (device.host or HOSTS[device.kind]) if device.kind in HOSTS else None


def named_host(name: str) -> Device:
    """A processor by its name or the path of its file.

    Raises:
        WorkloadError: it states no cores.
        DeviceError: there is none of that name.
    """
    try:
        found = load_device(name)
    except DeviceError as error:
        raise DeviceError(f"host={name!r}: {error}") from None
    if not found.cores:
        raise WorkloadError(f"host={name!r}: expected a processor that states its cores, such as i7-13700k")
    return found


def dispatch_of(host: Device, runtime: str) -> float:
    """Seconds that a host takes to launch one kernel; 0 where an engine launches them all at once.

    Args:
        host: a processor; its fastest core counts, at its boost clock where its file states one.
        runtime: one of `oracle.spec.RUNTIMES`.

    Example:
        >>> host = named_host("jetson-nano-cpu")
        >>> round(dispatch_of(host, "eager") * 1e6), round(dispatch_of(host, "compiled") * 1e6)
        (170, 51)
    """
    share = {"eager": 1.0, "compiled": COMPILED}.get(runtime, 0.0)
    fastest = max((cluster.boost or cluster.clock).value * CORES[cluster.kind].width for cluster in host.cores)
    return share * SLOTS / fastest
