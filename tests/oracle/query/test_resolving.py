"""Networks however they are named, one by one and many at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import oracle
from oracle.errors import OracleError, WorkloadError
from oracle.families.population import Population
from oracle.query import rank, score, score_many


def test_many_networks_are_named_as_one_is(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("_BASE_: R-56\n")
    cfg = oracle.load_cfg("R-56")
    scores = score_many(["R-56", cfg, oracle.to_spec(cfg), file, str(file)], ["t4"])
    assert scores.macs.tolist() == [score("R-56").macs] * 5
    assert scores.names == ("R-56", "R-56", "R-56", "mine", "mine")


def test_many_configs_state_their_workload() -> None:
    cfgs = [oracle.load_cfg(name, ["COST.BATCH_SIZE", 4, "COST.DTYPE", "float16"]) for name in ("R-56", "R-110")]
    assert score_many(cfgs).workload == score(cfgs[0]).workload
    assert score_many(cfgs, batch_size=2).workload.batch_size == 2
    assert score_many([oracle.to_spec(cfgs[0]), cfgs[1]]).workload.dtype == "float16"
    with pytest.raises(WorkloadError, match="batch_size: R-56 states 4, ResNet-50 1; expected one workload for all"):
        score_many([*cfgs, "ResNet-50"], dtype="float16")
    assert len(score_many([*cfgs, "ResNet-50"], dtype="float16", batch_size=8)) == 3


@pytest.mark.parametrize("alone", ["ResNet-50", Path("ResNet-50"), oracle.load_cfg("R-56")])
@pytest.mark.parametrize("ask", [score_many, rank])
def test_one_network_is_no_list_of_them(ask: Any, alone: Any) -> None:
    for network in (alone, oracle.to_spec(oracle.load_cfg("R-56"))):
        with pytest.raises(WorkloadError, match="expected several, such as a list of one"):
            ask(network, ["t4"])


@pytest.mark.parametrize("network", ["torchvision:resnet50", 3, None])
def test_what_has_no_closed_form_is_an_error(network: Any) -> None:
    with pytest.raises(OracleError, match=r"only configs have closed forms|expected a config"):
        score_many([network])


def test_numpy_integers_are_batch_sizes() -> None:
    cost = score("R-56", batch_size=np.int64(8))  # type: ignore[arg-type]
    assert cost == score("R-56", batch_size=8)
    assert type(cost.workload.batch_size) is int
    with pytest.raises(WorkloadError, match="batch_size"):
        score("R-56", batch_size=np.float32(8))  # type: ignore[arg-type]


def test_a_spec_is_of_one_call() -> None:
    spec = oracle.to_spec(oracle.load_cfg("Llama-3.2-1B"))
    asked: Any
    for asked in ({"phase": "decode"}, {"parallel": {"TP": 4}}):
        for ask, network in ((score_many, [spec]), (score, spec)):
            with pytest.raises(WorkloadError, match=r"is of one call already; expected a decoder's config"):
                ask(network, ["h100-sxm"], **asked)


@pytest.mark.parametrize("name", ["GPT-2", "DeepSeek-V2-Lite", "Qwen3-Next-80B-A3B"])
def test_a_decoder_made_for_training_has_no_cache_to_infer_with(name: str) -> None:
    spec = oracle.to_spec(oracle.load_cfg(name, ["COST.PHASE", "training", "COST.PROMPT", 32]))
    asks: list[Any] = [
        lambda: score(spec),
        lambda: score_many([spec]),
        lambda: score_many(Population.of([spec] * 20)),
    ]
    for ask in asks:
        with pytest.raises(WorkloadError, match=r"mode='inference': .* made for COST.PHASE training, without room"):
            ask()
    assert score(spec, mode="training").macs == score_many(Population.of([spec]), mode="training").macs[0]


@pytest.mark.parametrize("name", ["R-56", "EfficientNet-B0", "ViT-B-16"])
@pytest.mark.parametrize(
    ("key", "value"),
    [("PARALLEL", {"TP": 4}), ("PHASE", "decode"), ("PAST", 64), ("KV_DTYPE", "float8"), ("LOGITS", "all")],
)
def test_what_decoders_alone_have_is_refused_elsewhere(name: str, key: str, value: Any) -> None:
    cfg = oracle.load_cfg(name, [f"COST.{key}", value])
    with pytest.raises(OracleError, match=rf"COST.{key}: .*only decoders have prompts, caches and GPUs that share"):
        oracle.to_spec(cfg)


def test_types_by_stage_have_words_for_keys() -> None:
    wrong: Any = {3: "int8"}
    for ask in (score, lambda *args, **words: score_many([args[0]], **words)):
        with pytest.raises(WorkloadError, match=r"dtypes=\{3: 'int8'\}: expected types by stage"):
            ask("R-56", dtypes=wrong, runtime="engine")
