"""What the numbers of candidates hold for, and how far to trust them: of a sweep, a study, or somebody's own file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oracle.report.captions import trust_caption, workload_caption

if TYPE_CHECKING:
    from oracle.query.trust import Trust
    from oracle.spec import Workload

    from ..study import Results
    from .manifests import Manifest


@dataclass(frozen=True, slots=True)
class About:
    """Captions of candidates.

    Attributes:
        source: where they are from.
        workload: of every number; None where nobody says.
        trust: device -> how far to trust its latencies; empty for the textbook's bound.
    """

    source: str
    workload: Workload | None
    trust: Mapping[str, Trust]

    @property
    def heading(self) -> str:
        """The workload in words, "" where nobody says."""
        return workload_caption(self.workload) if self.workload else ""

    def footing(self, devices: Sequence[str]) -> str:
        """Which model made the times on some devices, "" where there are none."""
        if not devices:
            return ""
        if self.workload is None:
            return f"Times: as {self.source} states them; it says neither what they hold for nor what made them."
        return trust_caption({name: trust for name, trust in self.trust.items() if name in devices})


def about_candidates(source: str, manifest: Manifest | None) -> About:
    """Of a file of candidates, and the sweep it belongs to, if any."""
    return About(source, manifest.workload, manifest.trust) if manifest else About(source, None, {})


def about_study(results: Results) -> About:
    """Of a study."""
    return About(results.plan.name, results.plan.workload, results.plan.trust)
