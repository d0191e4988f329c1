from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import oracle
from oracle.closedform.calibrated import CalibratedDevice
from oracle.closedform.columns import Columns
from oracle.closedform.evaluate import CellCosts, evaluate
from oracle.closedform.structural import cost_structures
from oracle.closedform.symbolic import concrete_template
from oracle.config import cfg_from_dict
from oracle.devices import load_device
from oracle.errors import OracleError
from oracle.families import to_spec
from oracle.families.many import population_of
from oracle.roofline import Efficiency
from oracle.spec import Workload

FITTED = Efficiency({"conv": 0.5}, {"batch_norm": 0.7}, 1e-6, 0.0, 2e-6, {"pool": 3e-6}, {"conv": 0.3})
PLACES = [CalibratedDevice(load_device("rtx-4090")), CalibratedDevice(load_device("rtx-3090"), FITTED)]


def plain(costs: CellCosts) -> list[Any]:
    fields = costs.memory.__dataclass_fields__
    values = [*costs.sums, *costs.output, *(getattr(costs.memory, name) for name in fields)]
    return [np.asarray(value).reshape(-1)[0].item() for value in values]


def test_every_cell_costs_what_its_trace_says(workload: Workload, archs: Callable[..., list[str]], asked: Any) -> None:
    dims, some = (3, 16, 8, 12), archs(7, seed=1)
    first = asked(some[0], dims, workload)
    params = tuple((name, np.array(some, dtype=object) if name == "arch" else value) for name, value in first.params)
    answers = list(cost_structures(replace(first.inputs, params=params), len(some), workload, PLACES) or ())

    assert sorted(int(row) for answer in answers for row in answer.where) == list(range(len(some)))
    for answer in answers:
        for position, row in enumerate(answer.where):
            one = asked(some[row], dims, workload)
            template = concrete_template(one.key(one.values), one.params, dims, workload)
            expected = evaluate(template, Columns([*one.values], [*one.values.values()], 1), PLACES)
            found = answer.costs.taken(np.array([position]))
            assert plain(found) == plain(expected)
            seconds = [np.asarray(each).item() for each in found.latency_s]
            assert seconds == pytest.approx([np.asarray(each).item() for each in expected.latency_s], rel=1e-12)
            assert answer[2:] == (template.output_format, template.input_gradient, template.unknown)


def test_cells_of_several_sizes_are_told_apart(archs: Callable[..., list[str]], asked: Any) -> None:
    some, workload = archs(3), Workload()
    sizes = [(1, 16, 8, 8), (2, 16, 8, 8), (2, 32, 4, 4), (2, 16, 8, 8), (3, 16, 8, 8)]
    rows = [(arch, dims) for arch in some for dims in sizes]
    params = (
        ("width", np.array([dims[1] for _, dims in rows])), ("arch", np.array([arch for arch, _ in rows], dtype=object)),
        ("bn_eps", 1e-5), ("bn_momentum", 0.1),
    )  # fmt: skip
    first = asked(some[0], sizes[0], workload)
    dims = tuple(np.array([dims[axis] for _, dims in rows]) for axis in range(4))
    answers = list(cost_structures(replace(first.inputs, params=params, dims=dims), len(rows), workload, PLACES) or ())

    found = {int(row): (answer, position) for answer in answers for position, row in enumerate(answer.where)}
    assert sorted(found) == list(range(len(rows)))
    for row, (arch, own) in enumerate(rows):
        (alone,) = cost_structures(asked(arch, own, workload).inputs, 1, workload, PLACES) or ()
        answer, position = found[row]
        assert plain(answer.costs.taken(np.array([position]))) == plain(alone.costs.taken(np.array([0])))


def test_what_no_parts_ship_for_is_traced(asked: Any) -> None:
    inputs = asked("|nor_conv_3x3~0|", (2, 8, 1, 6), Workload()).inputs  # one of the image's sides is 1

    (answer,) = cost_structures(inputs, 1, Workload(), PLACES) or ()

    assert plain(answer.costs)[0] == 2 * 6 * 8 * 8 * 9


def test_other_kinds_are_no_graphs(asked: Any) -> None:
    inputs = replace(asked("", (1, 8, 4, 4), Workload()).inputs, kind="nasbench201_stem")
    assert cost_structures(inputs, 1, Workload(), PLACES) is None


def test_numbers_that_are_too_large_are_refused(asked: Any) -> None:
    inputs = asked("|nor_conv_3x3~0|", (2**30, 2**14, 2**12, 2**12), Workload()).inputs
    with pytest.raises(OracleError, match="exceed 62 bits"):
        list(cost_structures(inputs, 1, Workload(), PLACES) or ())


@pytest.mark.parametrize(
    "words",
    [
        {"batch_size": 4},
        {"runtime": "engine", "dtype": "int8"},
        {"runtime": "compiled", "dtype": "float16", "layout": "nhwc", "batch_size": 2},
        {"mode": "training", "batch_size": 8},
    ],
    ids=["eager", "int8", "compiled", "training"],
)
def test_a_population_scores_as_its_networks_do(words: dict[str, Any]) -> None:
    rng = np.random.default_rng(3)
    base = {"MODEL": {"TYPE": "nasbench201"}}
    options = np.array(["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"])
    columns = {"NB201.OPS": options[rng.integers(0, 5, (200, 6))], "TRAIN.IM_SIZE": rng.choice([16, 32], 200)}
    population, rows, rejected = population_of(cfg_from_dict(base), columns)
    scores = oracle.score_many(population, ["rtx-4090"], **words)

    assert (len(rows), rejected) == (200, {})
    for row in rng.choice(200, 5, replace=False).tolist():
        own = {
            "NB201": {"OPS": columns["NB201.OPS"][row].tolist()},
            "TRAIN": {"IM_SIZE": int(columns["TRAIN.IM_SIZE"][row])},
        }
        net = to_spec(cfg_from_dict(base | own))
        cost = oracle.score(net, devices=["rtx-4090"], **words)
        assert population.spec(row) == net
        for name in ("macs", "flops", "params", "activations", "traffic_bytes", "peak_memory_bytes"):
            assert getattr(scores, name)[row] == getattr(cost, name), name
        assert scores.latency_ms["rtx-4090"][row] == pytest.approx(cost.latency_ms["rtx-4090"], rel=1e-9)
