from __future__ import annotations

from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from search.space import Space, load_space, space_of
from search.study.params import Parameters


def space(**samplers: dict[str, Any]) -> Space:
    named = {key.replace("__", "."): sampler for key, sampler in samplers.items()}
    return space_of({"SETUP": {"SAMPLERS": named, "BASE_CFG": {"MODEL": {"TYPE": "regnet"}}}})


def number(law: str, ends: list[float], step: float, kind: str = "int_sampler") -> dict[str, Any]:
    return {"TYPE": kind, "RAND_TYPE": law, "RANGE": ends, "QUANTIZE": step}


def test_laws_steps_and_names() -> None:
    found = Parameters.of(
        space(
            REGNET__DEPTH=number("uniform", [3, 13], 2),
            REGNET__W0=number("log_uniform", [8, 256], 8),
            REGNET__WA=number("log_uniform", [0.5, 3], 0.1, "float_sampler"),
            REGNET__BOT_MUL=number("power2_uniform", [0.125, 4], 0.125, "float_sampler"),
            REGNET__GROUP_W=number("power2_or_log_uniform", [1, 24], 8),
            REGNET__SE_ON={"TYPE": "value_sampler", "VALUES": [True, False]},
            TRAIN__IM_SIZE={"TYPE": "grid_sampler", "RANGE": [128, 256], "STEP": 32},
            REGNET__STEM_W={"TYPE": "grid_sampler", "VALUES": [32]},
        )
    )
    assert found.distributions == {
        "REGNET.DEPTH": IntDistribution(4, 12, step=2),  # multiples of 2
        "REGNET.W0": IntDistribution(8, 256, log=True),
        "REGNET.WA": FloatDistribution(0.5, 3.0, log=True),
        "log2 REGNET.BOT_MUL": IntDistribution(-3, 2),
        "REGNET.GROUP_W#": IntDistribution(0, 5),  # 1, 2, 4, 8, 16, 24
        "REGNET.SE_ON": CategoricalDistribution([True, False]),
        "TRAIN.IM_SIZE": IntDistribution(128, 256, step=32),
    }
    suggestions = {
        "REGNET.DEPTH": 6,
        "REGNET.W0": 24,
        "REGNET.WA": 0.7,
        "log2 REGNET.BOT_MUL": -2,
        "REGNET.GROUP_W#": 2,
        "REGNET.SE_ON": False,
        "TRAIN.IM_SIZE": 160,
    }
    config = found.config(suggestions)
    assert config == {
        "REGNET.DEPTH": 6,
        "REGNET.W0": 24,
        "REGNET.WA": 0.7,
        "REGNET.BOT_MUL": 0.25,
        "REGNET.GROUP_W": 4,
        "REGNET.SE_ON": False,
        "TRAIN.IM_SIZE": 160,
        "REGNET.STEM_W": 32,
    }
    assert found.suggestions(config) == suggestions
    near = found.config({**suggestions, "REGNET.W0": 27, "REGNET.WA": 0.7449})
    assert (near["REGNET.W0"], near["REGNET.WA"]) == (24, 0.7)
    assert found.config({**suggestions, "REGNET.WA": 2.97})["REGNET.WA"] == 3.0


def test_lists_entry_by_entry_and_as_words() -> None:
    effnet = Parameters.of(load_space("effnet-grid"))
    assert effnet.distributions["EN.EXP_RATIOS"] == CategoricalDistribution(
        ["[1.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0]", "[1.0, 6.0, 6.0, 6.0, 6.0, 6.0, 6.0]"]
    )
    assert "EN.KERNELS[0]" not in effnet.distributions  # one value only
    assert effnet.distributions["EN.KERNELS[1]"] == IntDistribution(3, 5, step=2)


@pytest.mark.parametrize("name", ["regnetx", "cifar-regnet", "anynet-grid", "effnet-grid", "fbnet", "nasbench201"])
def test_every_member_of_a_shipped_space_can_be_suggested(name: str) -> None:
    shipped = load_space(name)
    found = Parameters.of(shipped)
    columns = shipped.sample(0, 200)
    for row in range(0, 200, 7):
        config = {key: column[row].tolist() for key, column in columns.items()}
        suggestions = found.suggestions(config)
        assert found.config(suggestions) == config
        for parameter in found:
            distribution = parameter.distribution
            assert distribution._contains(distribution.to_internal_repr(suggestions[parameter.name]))


def test_every_suggestion_is_a_config_that_maps_back() -> None:
    found = Parameters.of(load_space("regnety"))
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(50):
        trial = study.ask(found.distributions)
        config = found.config(trial.params)
        assert found.config(found.suggestions(config)) == config
        rounded = {parameter.name: parameter.rounded(trial.params[parameter.name]) for parameter in found}
        assert found.suggestions(config) == rounded
