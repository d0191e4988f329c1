"""Which network should I take? Spaces, sweeps, fronts and studies over the costs that `oracle` computes.

    import oracle
    space = oracle.search.load_space("regnetx")
    result = oracle.search.sweep(space, ["t4"], n=1000, out="out")
    fronts = oracle.search.fronts_of(oracle.search.read_candidates("out"), ["min latency_ms", "max macs"])
    results = oracle.search.run_study(oracle.search.load_study("digits"))

Every name below is loaded on first use. `search` is the same package as `oracle.search`, wherever no other module or
package of that name stands before it on the path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oracle._lazy import lazy

if TYPE_CHECKING:
    from .limits import OracleLimits, Violation, oracle_limits
    from .objectives import Builder
    from .pareto import Fronts, Objective, device_ranks, fronts_of, layers, non_dominated, objectives_of
    from .pareto.agreement import Agreement, agreement
    from .pareto.hypervolume import hypervolume
    from .pool import PoolSampler
    from .report import study_page, sweep_page
    from .space import Chunk, Limit, Space, load_space, space_of
    from .study import Record, Results, StudyPlan, join_study, load_study, open_results, run_study, study_of
    from .study.params import Parameters
    from .sweep import Candidates, SweepResult, read_candidates, sweep

__all__ = [
    "Agreement",
    "Builder",
    "Candidates",
    "Chunk",
    "Fronts",
    "Limit",
    "Objective",
    "OracleLimits",
    "Parameters",
    "PoolSampler",
    "Record",
    "Results",
    "Space",
    "StudyPlan",
    "SweepResult",
    "Violation",
    "agreement",
    "device_ranks",
    "fronts_of",
    "hypervolume",
    "join_study",
    "layers",
    "load_space",
    "load_study",
    "non_dominated",
    "objectives_of",
    "open_results",
    "oracle_limits",
    "read_candidates",
    "run_study",
    "space_of",
    "study_of",
    "study_page",
    "sweep",
    "sweep_page",
]

if __name__ == "search":  # `import search` is to be `import oracle.search`
    from ._alias import become

    become("oracle.search")
else:
    # The imports above once more, for the interpreter.
    lazy(
        __name__,
        {
            f"{__name__}.limits": "OracleLimits Violation oracle_limits",
            f"{__name__}.objectives": "Builder",
            f"{__name__}.pareto": (
                "Agreement Fronts Objective agreement device_ranks fronts_of hypervolume layers non_dominated"
                " objectives_of"
            ),
            f"{__name__}.pool": "PoolSampler",
            f"{__name__}.report": "study_page sweep_page",
            f"{__name__}.space": "Chunk Limit Space load_space space_of",
            f"{__name__}.study": "Record Results StudyPlan join_study load_study open_results run_study study_of",
            f"{__name__}.study.params": "Parameters",
            f"{__name__}.sweep": "Candidates SweepResult read_candidates sweep",
        },
    )
