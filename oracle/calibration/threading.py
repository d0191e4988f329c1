"""How what a processor reaches of its roofs changes with the cores in use and their clock.

Roofs scale with the cores (`oracle.devices.threads`); what is reached of them does not:

- part of the work is done by one thread, so that each further one adds less: shares are divided by
  1 + serial (n - 1), Amdahl's law with serial / (1 - serial) small;
- loops are cut into equal parts, so that the slowest core is waited for: shares are multiplied by
  (n slowest / sum)^uneven of the rates of the cores in use;
- starting and joining n threads takes longer than one: launches are multiplied by 1 + barrier log2(n);
- launches and the call are cycles, so that they take longer where the clock is lower.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from oracle._frozen import Frozen
from oracle.devices import Device
from oracle.devices.cores import CORES
from oracle.roofline import Efficiency


@dataclass(frozen=True, slots=True)
class Threading:
    """What threads change, see above.

    Attributes:
        clock: Hz of the cores whose launches and call the calibration states; None where they hold at any.
        serial, uneven, barrier: as above; 0 changes nothing.
    """

    clock: float | None = None
    serial: float = 0.0
    uneven: float = 0.0
    barrier: float = 0.0


_MOST = 0.9999  # of a roof

ALIKE = Threading()
"""What changes nothing."""


def at_cores(
    efficiency: Efficiency, threading: Threading, device: Device, measured: Device | None = None
) -> Efficiency:
    """What a device reaches with the cores in use.

    Args:
        efficiency: of one core, at the clock that `threading` says; or of `measured`.
        threading: what changes.
        device: as `oracle.devices.threads.at_threads` gives it; unchanged where it states no cores.
        measured: the device with the cores that `efficiency` is of, where it is not of one.
    """
    if threading == ALIKE or not device.cores:
        return efficiency
    share, slower, barrier = _changes(threading, device)
    if measured is not None:
        before = _changes(threading, measured)
        share, slower, barrier = share / before[0], slower / before[1], barrier / before[2]
    longer = slower * barrier
    return replace(
        efficiency,
        compute=Frozen({name: min(_MOST, value * share) for name, value in efficiency.compute.items()}),
        launches=Frozen({name: value * longer for name, value in efficiency.launches.items()}),
        launch_s=efficiency.launch_s * longer,
        call_s=efficiency.call_s * slower,
    )


def _changes(threading: Threading, device: Device) -> tuple[float, float, float]:
    """Of one core: by what its shares of the peak, and its times by the clock and by the barrier, are multiplied."""
    count = sum(cluster.count for cluster in device.cores)
    rates = [cluster.clock.value * CORES[cluster.kind].fp32 for cluster in device.cores]
    total = sum(cluster.count * rate for cluster, rate in zip(device.cores, rates, strict=True))
    share = (count * min(rates) / total) ** threading.uneven / (1.0 + threading.serial * (count - 1))
    slower = threading.clock / device.cores[0].clock.value if threading.clock else 1.0
    return share, slower, 1.0 + threading.barrier * math.log2(count)
