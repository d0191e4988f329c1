"""Networks that GPUs share: their kernels, and what the GPUs send one another, as kernels among them.

A collective computes nothing and moves nothing through memory; its time is that of the link (`oracle.collectives`): a
latency, which counts as a launch, and the bytes, which count as memory's. One network and a population add up the same
seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from oracle.closedform.calibrated import CalibratedDevice
from oracle.closedform.network import Described, Launch, NetworkForm
from oracle.closedform.network import network_form as _own_form
from oracle.closedform.population import cost_population as _own_costs
from oracle.closedform.store import TemplateStore
from oracle.closedform.template import KernelMeta
from oracle.closedform.totals import PopulationCosts
from oracle.collectives import split_s
from oracle.families.population import Population
from oracle.families.sharding import Collective, Parallel, collectives_of, collectives_of_many, halves, shard_of
from oracle.roofline import KernelKinds, Timing, whole_quanta
from oracle.spec import NetSpec, Workload

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def network_form(store: TemplateStore, net: NetSpec, workload: Workload) -> NetworkForm:
    """Cost one network, with what it sends where GPUs share it.

    Raises:
        OracleError: no cells, a cell that cannot be traced, or numbers beyond 62 bits.
    """
    form = _own_form(store, net, workload)
    parallel = shard_of(cell.requested[0] for cell in form.cells[:2])
    return form if parallel is None else SharedForm(form, parallel, collectives_of(net, workload))


def cost_population(
    store: TemplateStore, population: Population, workload: Workload, devices: Sequence[CalibratedDevice]
) -> PopulationCosts:
    """Cost every candidate of a population, with what it sends where GPUs share it.

    Raises:
        OracleError: a cell that cannot be traced, or numbers beyond 62 bits.
        DeviceError: a device states no link.
    """
    costs = _own_costs(store, population, workload, devices)
    shared = collectives_of_many(population, workload)
    if not shared:
        return costs
    seconds, kernels = costs.latency_s.copy(), costs.kernels.copy()
    for rows, parallel, sent in shared:
        for place, device in enumerate(devices):
            for own in sent:
                seconds[place, rows] += _each_s(own, device, parallel)[0] * own.times
        kernels[rows] += sum(own.times.astype(np.int64) for own in sent)
    return replace(costs, latency_s=seconds, kernels=kernels)


def _each_s(sent: Collective, place: CalibratedDevice, parallel: Parallel) -> tuple[Floats, Floats, Floats]:
    """Seconds of a collective in all, of moving its bytes, and of the latency, which are its sum."""
    bound = not (place.efficiency.compute or place.efficiency.memory)
    wait_s, moving_s = split_s(sent.operation, sent.message_bytes, sent.ranks, place.device, parallel.gpus, bound=bound)
    wait_s, moving_s = (whole_quanta(np.array(part, dtype=np.float64)) for part in (wait_s, moving_s))
    return wait_s + moving_s, moving_s, wait_s


class SharedForm(NetworkForm):
    """What one GPU of several has of a network, and what it sends: as kernels, after all others.

    Args:
        own: without what is sent.
        parallel: how GPUs share the network.
        sent: what is sent.
    """

    def __init__(self, own: NetworkForm, parallel: Parallel, sent: Sequence[Collective]) -> None:
        super().__init__(own.net, own.workload, own.cells, own.times)
        self._own, self._parallel, self._sent = own, parallel, tuple(sent)
        self.counts = np.concatenate([own.counts, [float(item.times) for item in sent]])
        self.kernel_count = int(self.counts.sum())
        self.numbers = np.concatenate([own.numbers, np.zeros((4, len(self._sent)), dtype=np.int64)], axis=1)

    def timed(self, places: tuple[CalibratedDevice, ...]) -> Timing:
        """Seconds of each of the kernels, a row per device.

        Raises:
            DeviceError: as any network; a device states no link.
        """
        timing, shape = self._own.timed(places), (len(places), len(self._own.counts))
        sent = np.array([[_each_s(own, place, self._parallel) for own in self._sent] for place in places])
        sent = sent.reshape(len(places), len(self._sent), 3)

        def joined(own: Floats, more: Floats) -> Floats:
            return np.concatenate([np.broadcast_to(own, shape), more], axis=1)

        none = np.zeros(sent.shape[:2])
        floor = 0.0 if np.ndim(timing.floor_s) == 0 else joined(np.asarray(timing.floor_s), none)
        return replace(
            timing,
            total_s=joined(timing.total_s, sent[:, :, 0]),
            compute_s=joined(timing.compute_s, none),
            memory_s=joined(timing.memory_s, sent[:, :, 1]),
            launch_s=joined(timing.launch_s, sent[:, :, 2]),
            floor_s=floor,
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """As of any network; and whose numbers these are."""
        return (*self._own.notes, self._parallel.note)

    @property
    def main_dtype(self) -> str:
        """The type of most multiply-adds."""
        return self._own.main_dtype

    def every_kernel(self) -> tuple[KernelKinds, Ints]:
        """Those that are no collectives."""
        return self._own.every_kernel()

    def described(self) -> list[Described]:
        """The kernels of all cells, each once, then the collectives."""
        return [*self._own.described(), *map(_described, self._sent)]

    def launches(self) -> list[Launch]:
        """Every kernel in order of execution: what a cell makes is added up after it."""
        found: list[Launch] = []
        first = len(self._own.counts)
        left = [int(sent.times) for sent in self._sent]
        kernels, cells = self._own.described(), self.net.cells
        launches = self._own.launches()
        followers: list[Launch | None] = [*launches[1:], None]
        for launch, after in zip(launches, followers, strict=True):
            found.append(launch)
            phase = kernels[launch[0]].meta.phase
            if after is not None and after[1] == launch[1] and kernels[after[0]].meta.phase == phase:
                continue
            kind = cells[launch[1]].kind if launch[1] < len(cells) else ""
            end = "decoder_embedding" if phase == "forward" else "decoder_head"
            own = 1 if kind == end else halves(kind, self._parallel)
            for place, sent in enumerate(self._sent):
                if sent.operation == "all_reduce" and sent.phase == phase and own <= left[place]:
                    found += [(first + place, launch[1], launch[2].partition(".")[0])] * own
                    left[place] -= own
                    break
        ends = {"forward": len(cells) - 1, "backward": 0}
        for place, sent in enumerate(self._sent):
            found += [(first + place, ends[sent.phase], "")] * left[place]
        return found


def _described(sent: Collective) -> Described:
    size = f"{float(sent.message_bytes):.0f} bytes, {sent.ranks} GPUs"
    meta = KernelMeta(f"collective.{sent.operation}", "collective", "other", "", sent.phase, "", "")
    return Described(meta, 0, size)
