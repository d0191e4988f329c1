"""The page of scored networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oracle.devices import Device
from oracle.report.captions import count_caption, origin_caption, time_caption, titled, workload_caption
from oracle.report.facts import (
    DecodingFacts,
    Runtimes,
    TrainingFacts,
    device_facts,
    network_facts,
    population_of,
    run_facts,
)
from oracle.report.page.shell import PageFacts

if TYPE_CHECKING:
    from oracle.query import Cost

DETAILED = 40
"""Networks of which a page shows every kernel; of more it would take too long to open."""


@dataclass(frozen=True, slots=True)
class Detail:
    """A network, and what else is known of it; None where it was not requested."""

    cost: Cost
    runtimes: Runtimes | None = None
    training: TrainingFacts | None = None
    decoding: DecodingFacts | None = None


def cost_page(details: Sequence[Detail], devices: Mapping[str, Device], command: str = "") -> PageFacts:
    """What a page shows of networks.

    Args:
        details: at least one.
        devices: by name, all that any of the costs is about.
        command: that makes the page again.
    """
    costs = [detail.cost for detail in details]
    workloads = " ".join(dict.fromkeys(workload_caption(cost.workload, cost.tokens) for cost in costs))
    times = [time for cost in costs for time in cost.times.values()]
    notes = [workloads, count_caption(costs), time_caption(times), origin_caption(costs)]
    comparable = len(costs) > 1 and len({tuple(cost.times) for cost in costs}) == 1
    what = costs[0].name if len(costs) == 1 else f"{len(costs)} networks"
    return PageFacts(
        title=titled(what, [device.title for device in devices.values()]),
        subtitle=workloads,
        run=run_facts(notes, command),
        devices=tuple(device_facts(device) for device in devices.values()),
        networks=tuple(
            network_facts(item.cost, devices, item.runtimes, item.training, item.decoding)
            for item in details[:DETAILED]
        ),
        undetailed=max(0, len(details) - DETAILED),
        population=population_of(costs) if comparable else None,
    )
