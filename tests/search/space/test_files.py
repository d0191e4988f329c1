from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from oracle._resources import shipped
from oracle.errors import ConfigError, OracleError
from oracle.families import to_spec
from search.space import Choice, Entries, Limit, Number, Space, load_space, space_of
from search.space.files import limited

# A sweep file in pycls's form, with the sections of its other tools.
PYCLS = """
DESC: a sweep
NUM_PROC: 80
ROOT_DIR: somewhere
SETUP:
  NUM_CONFIGS: 32
  NUM_SAMPLES: 1.0e+5
  RNG_SEED: 7
  SAMPLERS:
    OPTIM.BASE_LR:
      TYPE: float_sampler
      RAND_TYPE: log_uniform
      RANGE: [0.25, 5.0]
      QUANTIZE: 1.0e-10
    REGNET:
      TYPE: regnet_sampler
      DEPTH: [6, 16]
      GROUP_W: [1, 32]
    REGNET.SE_ON:
      TYPE: value_sampler
      VALUES: [True, False]
  CONSTRAINTS:
    CX:
      FLOPS: [0.18e+9, 0.22e+9]
      PARAMS: [0, 2e6]
      ACTS: [0, 0]
    REGNET:
      NUM_STAGES: [2, 2]
  BASE_CFG:
    MODEL:
      TYPE: regnet
      NUM_CLASSES: 10
    REGNET:
      STEM_TYPE: res_stem_cifar
      STEM_W: 16
    OPTIM:
      LR_POLICY: cos
      MAX_EPOCH: 10
      MOMENTUM: 0.9
    TRAIN:
      DATASET: cifar10
      IM_SIZE: 32
      BATCH_SIZE: 128
    TEST:
      DATASET: cifar10
    NUM_GPUS: 1
    DATA_LOADER:
      NUM_WORKERS: 4
LAUNCH:
  PARTITION: devlab
  NUM_GPUS: 1
COLLECT: {}
ANALYZE:
  METRICS: [lr, wd]
"""


def test_a_pycls_sweep_file_loads_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "cifar.yaml"
    path.write_text(PYCLS)
    space = load_space(path)

    assert (space.name, space.num_configs, space.num_samples, space.chunk_size, space.seed) == (
        "cifar", 32, 100_000, 5_000, 7
    )  # fmt: skip
    assert dict(space.samplers) == {
        "OPTIM.BASE_LR": Number("log_uniform", 0.25, 5.0, 1e-10, integer=False),
        "REGNET.DEPTH": Number("uniform", 6, 16, 1, integer=True),
        "REGNET.W0": Number("log_uniform", 8, 256, 8, integer=True),
        "REGNET.WA": Number("log_uniform", 8, 256, 0.1, integer=False),
        "REGNET.WM": Number("log_uniform", 2, 3, 0.001, integer=False),
        "REGNET.GROUP_W": Number("power2_or_log_uniform", 1, 32, 8, integer=True),
        "REGNET.BOT_MUL": Number("power2_uniform", 1, 1, 1 / 128, integer=False),
        "REGNET.SE_ON": Choice((True, False)),
    }
    assert space.limits == (Limit("pycls_flops", 0.18e9, 0.22e9), Limit("params", high=2e6))
    assert space.num_stages == (2, 2)
    assert (space.size, space.enumerated, space.length, space.chunks) == (None, False, 100_000, 20)
    assert (space.base.REGNET.STEM_TYPE, space.base.OPTIM.MAX_EPOCH) == ("res_stem_cifar", 10)


@pytest.mark.parametrize("name", sorted(shipped("spaces")))
def test_a_shipped_space_holds_networks(name: str) -> None:
    space = load_space(name)
    chunk = space.chunk(space.chunks - 1)

    assert space.name == name
    assert chunk.population.size > 0
    for row in range(0, chunk.population.size, max(1, chunk.population.size // 5)):
        assert to_spec(space.cfg(chunk.columns, row)) == chunk.population.spec(row)
    assert space_of({"SETUP": space.setup}, name) == space
    assert pickle.loads(pickle.dumps(space)) == space  # noqa: S301 - our own bytes
    assert hash(space) == hash(load_space(name))


def test_shipped_spaces_are_those_that_we_document() -> None:
    sizes = {name: load_space(name).size for name in shipped("spaces")}

    assert sizes == {
        "anynet-grid": 5**4 * 3**4,
        "cifar-regnet": None,
        "decoder-3b": 18_506_880,
        "effnet-grid": 4 * 2 * 2 * 2**15,
        "fbnet": 9**22,
        "llama-3.1-8b-pruned": 20**32,
        "nasbench201": 15_625,
        "ofa": 3**20 * 3**20 * 3**5 * 25,
        "regnetx": None,
        "regnety": None,
    }


def setup(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "SAMPLERS": {"REGNET.DEPTH": {"TYPE": "int_sampler", "RANGE": [4, 8]}},
        "BASE_CFG": {"MODEL": {"TYPE": "regnet"}},
    }
    return {"SETUP": values | changes}


def sampled(key: str, family: str = "regnet", **sampler: Any) -> dict[str, Any]:
    return setup(SAMPLERS={key: sampler}, BASE_CFG={"MODEL": {"TYPE": family}})


@pytest.mark.parametrize(
    ("sampler", "expected"),
    [
        ({"TYPE": "value_sampler", "VALUES": [1, 2.5]}, Choice((1.0, 2.5))),
        ({"TYPE": "grid_sampler", "VALUES": [0.25, 1]}, Choice((0.25, 1.0))),
        ({"TYPE": "grid_sampler", "RANGE": [0.1, 0.5], "STEP": 0.2}, Choice((0.1, 0.3, 0.5))),
        ({"TYPE": "int_sampler", "RANGE": [1, 4], "RAND_TYPE": "power2_uniform"},
         Number("power2_uniform", 1, 4, 1, integer=False)),
        ({"TYPE": "float_sampler", "RANGE": [0, 1]}, Number("uniform", 0, 1, 1e-5, integer=False)),
    ],
)  # fmt: skip
def test_a_key_of_numbers_takes_every_sampler(sampler: dict[str, Any], expected: Any) -> None:
    assert dict(space_of(sampled("REGNET.SE_R", **sampler)).samplers) == {"REGNET.SE_R": expected}


@pytest.mark.parametrize(
    ("sampler", "expected"),
    [
        ({"TYPE": "list_sampler", "LENGTH": 3, "ITEM_SAMPLER": {"TYPE": "value_sampler", "VALUES": [1, 2]}},
         Entries((Choice((1, 2)),) * 3)),
        ({"TYPE": "list_sampler",
          "ITEM_SAMPLERS": [{"TYPE": "grid_sampler", "RANGE": [8, 24], "STEP": 8},
                            {"TYPE": "int_sampler", "RANGE": [8, 64], "QUANTIZE": 8}]},
         Entries((Choice((8, 16, 24)), Number("uniform", 8, 64, 8, integer=True)))),
        ({"TYPE": "value_sampler", "VALUES": [[1, 2], [3]]}, Choice(((1, 2), (3,)))),
    ],
)  # fmt: skip
def test_a_key_of_lists(sampler: dict[str, Any], expected: Any) -> None:
    assert dict(space_of(sampled("ANYNET.DEPTHS", "anynet", **sampler)).samplers) == {"ANYNET.DEPTHS": expected}


def test_words_and_switches_are_values() -> None:
    words = ["res_stem_in", "simple_stem_in"]
    samplers = {
        "REGNET.STEM_TYPE": {"TYPE": "value_sampler", "VALUES": words},
        "REGNET.SE_ON": {"TYPE": "grid_sampler", "VALUES": [True, False]},
    }
    space = space_of(setup(SAMPLERS=samplers, BASE_CFG="RegNetX-200MF"))

    nets = list(space.chunk(0).population.specs())
    assert space.size == 4
    assert [net.cells[0].kind for net in nets] == [words[0], words[0], words[1], words[1]]
    assert [net.cells[1]["w_se"] for net in nets] == [8, 0, 8, 0]  # a quarter of the stem's 32


def test_limits_of_every_kind() -> None:
    cx = {
        "BYTES": [1, 2],
        "PEAK_MEMORY": [0, 320e3],
        "INTENSITY": [10, 0],
        "ACTS": [0, 0],
        "LATENCY_MS": {"rtx-4090": [0, 5], "t4": [0, 0], "tesla-p4": [1, 3]},
    }
    space = space_of(setup(CONSTRAINTS={"CX": cx}))

    assert space.limits == (
        Limit("traffic_bytes", 1, 2),
        Limit("peak_memory_bytes", high=320e3),
        Limit("intensity", low=10),
        Limit("latency_ms", high=5, device="rtx-4090"),
        Limit("latency_ms", 1, 3, "p4"),
    )
    labels = ["CX.BYTES", "CX.PEAK_MEMORY", "CX.INTENSITY", "CX.LATENCY_MS.rtx-4090", "CX.LATENCY_MS.p4"]
    assert [limit.label for limit in space.limits] == labels
    assert space.devices == ("rtx-4090", "p4")


def test_limits_in_words_join_those_of_cx() -> None:
    texts = ["latency_ms@t4 <= 2 at 90%", "params >= 1e6"]
    space = space_of(setup(CONSTRAINTS={"CX": {"PARAMS": [0, 2e6]}, "LIMITS": texts}))

    assert space.limits == (Limit("params", 1e6, 2e6), Limit("latency_ms", high=2, device="t4", quantile=0.9))
    assert space.devices == ("t4",)
    assert space_of({"SETUP": space.setup}) == space
    more = limited(space, ["latency_ms@mine <= 3"], ["mine"])
    assert more.limits == (*space.limits, Limit("latency_ms", high=3, device="mine"))
    assert space_of({"SETUP": more.setup}, devices=["mine"]) == more
    assert limited(space, []) is space


def test_the_rule_about_stages_is_for_regnets_and_can_be_dropped() -> None:
    def stages(family: str, **regnet: Any) -> Any:
        values = sampled("TRAIN.IM_SIZE", family, TYPE="value_sampler", VALUES=[32])
        values["SETUP"]["CONSTRAINTS"] = {"REGNET": regnet} if regnet else {}
        return space_of(values).num_stages

    assert stages("regnet") == (4, 4)
    assert stages("regnet", NUM_STAGES=[2, 0]) == (2, 10_000)
    assert stages("regnet", NUM_STAGES=[0, 3]) == (0, 3)
    assert stages("regnet", NUM_STAGES=[0, 0]) is None
    assert stages("vit", NUM_STAGES=[2, 2]) is None


def test_a_base_may_be_a_file_or_a_shipped_network(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("MODEL: {TYPE: regnet}\nREGNET: {W0: 80}\n")
    text = "SETUP:\n  BASE_CFG: {}\n  SAMPLERS: {{REGNET.DEPTH: {{TYPE: grid_sampler, VALUES: [2]}}}}\n"
    (tmp_path / "a.yaml").write_text(text.format("mine.yaml"))
    (tmp_path / "b.yaml").write_text(text.format("RegNetY-400MF"))

    assert load_space(tmp_path / "a.yaml").base.REGNET.W0 == 80
    space = load_space(tmp_path / "b.yaml")
    assert (space.base.REGNET.W0, space.base.REGNET.SE_ON) == (48, True)
    assert space_of({"SETUP": space.setup}) == space  # without the file that the base came from


def test_a_space_may_build_on_another(tmp_path: Path) -> None:
    (tmp_path / "cifar.yaml").write_text(PYCLS)
    (tmp_path / "mine.yaml").write_text(
        "_BASE_: cifar.yaml\nSETUP:\n  RNG_SEED: 8\n  SAMPLERS:\n"
        "    REGNET: {TYPE: regnet_sampler, W0: [16, 32]}\n  CONSTRAINTS: {CX: {PARAMS: [0, 1e6]}}\n"
    )
    space = load_space(tmp_path / "mine.yaml")

    assert (space.seed, space.num_configs) == (8, 32)
    assert dict(space.samplers)["REGNET.W0"] == Number("log_uniform", 16, 32, 8, integer=True)
    assert dict(space.samplers)["REGNET.DEPTH"] == Number("uniform", 12, 28, 1, integer=True)
    assert space.limits == (Limit("pycls_flops", 0.18e9, 0.22e9), Limit("params", high=1e6))


@pytest.mark.parametrize(
    ("values", "key", "words"),
    [
        ({}, "", "section SETUP"),
        ({"SETUP": 3}, "SETUP", "mapping"),
        (setup() | {"LUANCH": {}}, "LUANCH", "did you mean LAUNCH"),
        (setup(NUM_SAMPELS=3), "SETUP.NUM_SAMPELS", "did you mean NUM_SAMPLES"),
        (setup(NUM_SAMPLES=0), "SETUP.NUM_SAMPLES", "at least 1"),
        (setup(NUM_SAMPLES=1.5), "SETUP.NUM_SAMPLES", "integer"),
        (setup(NUM_SAMPLES=True), "SETUP.NUM_SAMPLES", "integer"),
        (setup(CHUNK_SIZE=-1), "SETUP.CHUNK_SIZE", "-1"),
        (setup(CHUNK_SIZE=100_000_000), "SETUP.CHUNK_SIZE", "at most 1,000,000 .*200 GB"),
        (setup(RNG_SEED="a"), "SETUP.RNG_SEED", "'a'"),
        (setup(NUM_CONFIGS=float("inf")), "SETUP.NUM_CONFIGS", "inf"),
        (setup(SAMPLERS={}), "SETUP.SAMPLERS", "mapping of keys"),
        (setup(SAMPLERS=[1]), "SETUP.SAMPLERS", "mapping of keys"),
        (setup(BASE_CFG=[]), "SETUP.BASE_CFG", "shipped name"),
        (setup(BASE_CFG={}), "SETUP.BASE_CFG", "regnet"),
        (setup(BASE_CFG={"MODEL": {"TYPE": "regnot"}}), "SETUP.BASE_CFG", "did you mean regnet"),
        (setup(BASE_CFG={"REGNET": {"DETPH": 3}}), "SETUP.BASE_CFG", "REGNET.DETPH.*REGNET.DEPTH"),
        (setup(BASE_CFG="RegNetX-401MF"), "SETUP.BASE_CFG", "RegNetX-400MF"),
    ],
)
def test_a_bad_setup_names_its_key(values: dict[str, Any], key: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        space_of(values)
    assert caught.value.key == key
    assert str(caught.value).count(key) == 1 or not key


@pytest.mark.parametrize(
    ("key", "sampler", "where", "words"),
    [
        ("DEPHT", {"RANGE": [1, 2]}, "", "REGNET.DEPTH"),
        ("SEON", {"TYPE": "value_sampler", "VALUES": [True]}, "", "unknown key; did you mean REGNET.SE_ON"),
        ("DEPTH", {"TYPE": "int_sampel"}, ".TYPE", "did you mean int_sampler"),
        ("DEPTH", {"TYPE": None}, ".TYPE", "None"),
        ("DEPTH", 5, "", "TYPE"),
        ("DEPTH", {}, ".RANGE", "two finite numbers"),
        ("DEPTH", {"RANGE": [1, 2, 3]}, ".RANGE", "two finite numbers"),
        ("DEPTH", {"RANGE": [1, float("nan")]}, ".RANGE", "two finite numbers"),
        ("DEPTH", {"RANGE": [5, 2]}, ".RANGE", "low <= high"),
        ("DEPTH", {"RANGE": [-5, 2]}, ".RANGE", "0 to"),
        ("DEPTH", {"RANGE": [1.5, 2]}, ".RANGE", "integers"),
        ("DEPTH", {"RANGE": [9, 15], "QUANTIZE": 8}, ".RANGE", "multiple of QUANTIZE, 8"),
        ("DEPTH", {"RANGE": [9, 15], "RAND_TYPE": "power2_uniform"}, ".RANGE", "power of two"),
        ("DEPTH", {"RANGE": [0, 15], "RAND_TYPE": "log_uniform"}, ".RANGE", "above 0"),
        ("DEPTH", {"RANGE": [1, 2], "RAND_TYPE": "uniforn"}, ".RAND_TYPE", "did you mean uniform"),
        ("DEPTH", {"RANGE": [1, 2], "QUANTIZE": 0.5}, ".QUANTIZE", "integer"),
        ("DEPTH", {"RANGE": [1, 2], "QUANTIZE": 0}, ".QUANTIZE", "at least 1"),
        ("DEPTH", {"RANGE": [1, 2], "STEP": 1}, ".STEP", "unknown key"),
        ("DEPTH", {"TYPE": "float_sampler", "RANGE": [1, 2]}, ".TYPE", "int_sampler"),
        ("WM", {"TYPE": "float_sampler", "RANGE": [1, 2], "QUANTIZE": -1}, ".QUANTIZE", "-1"),
        ("SE_ON", {"RANGE": [0, 1]}, ".RANGE", "true or false"),
        ("DEPTH", {"TYPE": "value_sampler", "VALUES": []}, ".VALUES", "1 to"),
        ("DEPTH", {"TYPE": "value_sampler"}, ".VALUES", "None"),
        ("DEPTH", {"TYPE": "value_sampler", "VALUES": [1, "x"]}, ".VALUES", "'x'.*integer"),
        ("DEPTH", {"TYPE": "grid_sampler", "VALUES": [1], "STEP": 1}, "", "either"),
        ("DEPTH", {"TYPE": "grid_sampler", "RANGE": [1, 5], "STEP": 0}, ".STEP", "above 0"),
        ("DEPTH", {"TYPE": "grid_sampler", "RANGE": [1, 5], "STEP": 1e-9}, ".STEP", "at most"),
        ("DEPTH", {"TYPE": "grid_sampler", "RANGE": [1, 5], "STEP": 0.5}, ".RANGE", "integer"),
        ("DEPTH", {"TYPE": "list_sampler", "LENGTH": 2}, "", "integer"),
        ("DEPTH", {"TYPE": "regnet_sampler"}, ".TYPE", "go together"),
    ],
)
def test_a_bad_sampler_names_its_key(key: str, sampler: Any, where: str, words: str) -> None:
    values = sampler if sampler == 5 else {"TYPE": "int_sampler"} | sampler
    check_sampler("regnet", f"REGNET.{key}", values, where, words)


def check_sampler(family: str, key: str, sampler: Any, where: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        space_of(setup(SAMPLERS={key: sampler}, BASE_CFG={"MODEL": {"TYPE": family}}))
    assert caught.value.key == f"SETUP.SAMPLERS.{key}{where}"


VALUES: dict[str, Any] = {"TYPE": "value_sampler", "VALUES": [1]}


@pytest.mark.parametrize(
    ("changes", "where", "words"),
    [
        ({"LENGTH": 0}, ".LENGTH", "at least 1"),
        ({"LENGTH": 10**9}, ".LENGTH", "at most"),
        ({"LENGTH": 2}, ".ITEM_SAMPLER", "TYPE"),
        ({"LENGTH": 2, "ITEM_SAMPLER": {"TYPE": "list_sampler"}}, ".ITEM_SAMPLER.TYPE", "single values"),
        ({"LENGTH": 2, "ITEM_SAMPLER": VALUES | {"VALUES": [0.5]}}, ".ITEM_SAMPLER.VALUES", "integer"),
        ({"LENGTH": 2, "ITEM_SAMPLERS": [VALUES]}, "", "either"),
        ({"ITEM_SAMPLERS": []}, ".ITEM_SAMPLERS", "1 to"),
        ({"ITEM_SAMPLERS": [VALUES, 3]}, ".ITEM_SAMPLERS[1]", "TYPE"),
        ({"TYPE": "int_sampler", "RANGE": [1, 2]}, ".RANGE", "list"),
    ],
)
def test_a_bad_sampler_of_lists_names_its_key(changes: dict[str, Any], where: str, words: str) -> None:
    check_sampler("anynet", "ANYNET.DEPTHS", {"TYPE": "list_sampler"} | changes, where, words)


@pytest.mark.parametrize(
    ("changes", "where", "words"),
    [
        ({"DETPH": [1, 2]}, ".DETPH", "did you mean DEPTH"),
        ({"W0": [1, 7]}, ".W0", "multiple of QUANTIZE, 8"),
        ({"WA": [0, 7]}, ".WA", "above 0"),
        ({"GROUP_W": 8}, ".GROUP_W", "two finite numbers"),
        ({"TYPE": "value_sampler", "VALUES": [1]}, ".TYPE", "go together"),
    ],
)
def test_a_bad_regnet_sampler_names_its_key(changes: dict[str, Any], where: str, words: str) -> None:
    check_sampler("regnet", "REGNET", {"TYPE": "regnet_sampler"} | changes, where, words)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("RGNET.STEM_W", "did you mean REGNET"),
        ("ANYNET.STEM_W", "change a regnet network"),
        ("COST.BATCH_SIZE", "change a regnet network"),
        ("MODEL.TYPE", "change a regnet network"),
    ],
)
def test_keys_that_make_no_regnet_are_refused(key: str, words: str) -> None:
    values = {"TYPE": "value_sampler", "VALUES": ["vit"] if key == "MODEL.TYPE" else [1]}
    check_sampler("regnet", key, values, "", words)


def test_a_key_is_sampled_once() -> None:
    samplers = {
        "REGNET": {"TYPE": "regnet_sampler"},
        "REGNET.W0": {"TYPE": "int_sampler", "RANGE": [8, 16]},
    }
    with pytest.raises(ConfigError, match="twice") as caught:
        space_of(setup(SAMPLERS=samplers))
    assert caught.value.key == "SETUP.SAMPLERS.REGNET.W0"


@pytest.mark.parametrize(
    ("constraints", "where", "words"),
    [
        ({"CY": {}}, "CY", "did you mean CX"),
        ({"CX": {"FLOP": [0, 1]}}, "CX.FLOP", "did you mean FLOPS"),
        ({"CX": {"FLOPS": [3, 1]}}, "CX.FLOPS", "low <= high"),
        ({"CX": {"FLOPS": [-3, 1]}}, "CX.FLOPS", "at least 0"),
        ({"CX": {"FLOPS": 5}}, "CX.FLOPS", "two finite"),
        ({"CX": {"LATENCY_MS": [0, 5]}}, "CX.LATENCY_MS", "mapping of devices"),
        ({"CX": {"LATENCY_MS": {"rtx-409": [0, 5]}}}, "CX.LATENCY_MS.rtx-409", "rtx-4090"),
        ({"CX": {"LATENCY_MS": {"t4": [9, 5]}}}, "CX.LATENCY_MS.t4", "low <= high"),
        ({"LIMITS": ["params < 5"]}, "LIMITS[0]", "expected `SCORE <= number`"),
        ({"CX": {"PARAMS": [0, 1e6]}, "LIMITS": ["params >= 2e6"]}, "LIMITS[0]", "nothing can obey params"),
        ({"REGNET": {"NUM_STAGES": [5, 4]}}, "REGNET.NUM_STAGES", "low <= high"),
        ({"REGNET": {"NUM_STAGES": [1.5, 4]}}, "REGNET.NUM_STAGES", "integer"),
        ({"REGNET": {"STAGES": [1, 4]}}, "REGNET.STAGES", "did you mean NUM_STAGES"),
    ],
)
def test_a_bad_constraint_names_its_key(constraints: dict[str, Any], where: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        space_of(setup(CONSTRAINTS=constraints))
    assert caught.value.key == f"SETUP.CONSTRAINTS.{where}"


def test_a_bad_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("SETUP: {SAMPLERS: {REGNET: {TYPE: regnet_sampler}}, NUM_SAMPLES: no}\n")
    with pytest.raises(ConfigError, match=r"bad\.yaml: SETUP\.") as caught:
        load_space(path)
    assert caught.value.file == str(path)

    with pytest.raises(OracleError, match="did you mean regnet"):
        load_space("regnetz")


def test_a_space_is_a_value() -> None:
    assert space_of(setup()) == space_of(setup())
    assert space_of(setup()) != space_of(setup(RNG_SEED=1))
    assert isinstance(space_of(setup()), Space)
