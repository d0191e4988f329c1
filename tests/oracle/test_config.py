from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from yacs.config import CfgNode

import oracle._resources
import oracle.config
from oracle.config import cfg_from_dict, default_cfg, list_networks, load_cfg, strict_yaml, to_yaml, workload_of
from oracle.config.files import layers
from oracle.config.strict_yaml import parse_yaml
from oracle.errors import ConfigError, WorkloadError
from oracle.families import to_spec
from oracle.spec import Workload
from tests.programs import imported

ROOT = Path(__file__).resolve().parents[2]

# The keys and defaults of pycls, as its users' files have them.
PYCLS_DEFAULTS = """
MODEL: {TYPE: "", DEPTH: 0, NUM_CLASSES: 10, LOSS_FUN: cross_entropy, ACTIVATION_FUN: relu,
        ACTIVATION_INPLACE: True, SCALING_TYPE: "", SCALING_FACTOR: 1.0}
RESNET: {TRANS_FUN: basic_transform, NUM_GROUPS: 1, WIDTH_PER_GROUP: 64, STRIDE_1X1: True}
ANYNET: {STEM_TYPE: simple_stem_in, STEM_W: 32, BLOCK_TYPE: res_bottleneck_block, DEPTHS: [], WIDTHS: [],
         STRIDES: [], BOT_MULS: [], GROUP_WS: [], HEAD_W: 0, SE_ON: False, SE_R: 0.25}
REGNET: {STEM_TYPE: simple_stem_in, STEM_W: 32, BLOCK_TYPE: res_bottleneck_block, STRIDE: 2, SE_ON: False,
         SE_R: 0.25, DEPTH: 10, W0: 32, WA: 5.0, WM: 2.5, GROUP_W: 16, BOT_MUL: 1.0, HEAD_W: 0}
EN: {STEM_W: 32, DEPTHS: [], WIDTHS: [], EXP_RATIOS: [], SE_R: 0.25, STRIDES: [], KERNELS: [], HEAD_W: 1280,
     DC_RATIO: 0.0, DROPOUT_RATIO: 0.0}
VIT: {PATCH_SIZE: 16, STEM_TYPE: patchify, C_STEM_KERNELS: [], C_STEM_STRIDES: [], C_STEM_DIMS: [],
      NUM_LAYERS: 12, NUM_HEADS: 12, HIDDEN_DIM: 768, MLP_DIM: 3072, CLASSIFIER_TYPE: token}
BN: {EPS: 0.00001, MOM: 0.1, USE_PRECISE_STATS: True, NUM_SAMPLES_PRECISE: 8192,
     ZERO_INIT_FINAL_GAMMA: False, USE_CUSTOM_WEIGHT_DECAY: False, CUSTOM_WEIGHT_DECAY: 0.0}
LN: {EPS: 0.00001, USE_CUSTOM_WEIGHT_DECAY: False, CUSTOM_WEIGHT_DECAY: 0.0}
"""

# What else such files carry: training, and keys that pycls has retired.
PYCLS_TRAINING = """
OPTIM: {BASE_LR: 0.8, LR_POLICY: cos, STEPS: [0, 30], WEIGHT_DECAY: 5e-5, GAMMA: 0.1, NESTEROV: True}
TRAIN: {DATASET: imagenet, SPLIT: train, IM_SIZE: 224, BATCH_SIZE: 1024, EVAL_PERIOD: 5, CHECKPOINT_PERIOD: 1,
        WEIGHTS: "", MIXED_PRECISION: False, LABEL_SMOOTHING: 0.1, MIXUP_ALPHA: 0.2, AUGMENT: AutoAugment}
TEST: {DATASET: imagenet, SPLIT: val, IM_SIZE: 256, BATCH_SIZE: 800}
DATA_LOADER: {NUM_WORKERS: 8, PIN_MEMORY: True}
CUDNN: {BENCHMARK: True}
PREC_TIME: {WARMUP_ITER: 3, NUM_ITER: 30, BATCH_SIZE: 128, ENABLED: True}
LAUNCH: {MODE: local, MAX_RETRY: 3, NAME: job, MEM_GB: 60, GPU_TYPE: volta}
FSDP: {ENABLED: False, RESHARD_AFTER: True, LAYER_NORM: {EPS: 1e-6}}
MEM: {RELU_INPLACE: True}
DESC: 2020-03-30
VERBOSE: True
NUM_GPUS: 8
MAX_GPUS_PER_NODE: 8
OUT_DIR: /some/where
CFG_DEST: config.yaml
RNG_SEED: 1
LOG_DEST: file
LOG_PERIOD: 10
DIST_BACKEND: nccl
HOST: localhost
PORT: 10001
PORT_RANGE: [10000, 65000]
DOWNLOAD_CACHE: /cache
"""


def write(folder: Path, text: str, name: str = "net.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def refused(folder: Path, text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load_cfg(write(folder, text))
    return caught.value


# Defaults and pycls's own files


def test_defaults_are_those_of_pycls() -> None:
    cfg = default_cfg()

    for section, keys in yaml.safe_load(PYCLS_DEFAULTS).items():
        assert cfg[section] == keys
    assert (cfg.TRAIN.IM_SIZE, cfg.TRAIN.DATASET, cfg.OPTIM.OPTIMIZER) == (224, "", "sgd")


SPACES = {"nasbench201": (32, 10), "fbnet": (224, 1000), "ofa_mobilenetv3": (224, 1000)}


@pytest.mark.parametrize("family", SPACES)
def test_a_measured_space_has_images_and_classes_of_its_own(family: str) -> None:
    named = cfg_from_dict({"MODEL": {"TYPE": family}})
    told = cfg_from_dict({}, ["MODEL.TYPE", family])

    assert SPACES[family] == (named.TRAIN.IM_SIZE, named.MODEL.NUM_CLASSES)
    assert named == told
    assert default_cfg(family).TRAIN == named.TRAIN
    assert to_yaml(named) == f"MODEL:\n  TYPE: {family}\n"


def test_what_a_config_says_overrules_the_defaults_of_its_family(tmp_path: Path) -> None:
    base = write(tmp_path, "MODEL: {NUM_CLASSES: 100}\nTRAIN: {IM_SIZE: 224}", "base.yaml")
    cfg = load_cfg(write(tmp_path, f"_BASE_: {base.name}\nMODEL: {{TYPE: nasbench201}}"))
    back = cfg_from_dict(yaml.safe_load(to_yaml(cfg)))

    assert (cfg.TRAIN.IM_SIZE, cfg.MODEL.NUM_CLASSES) == (224, 100)
    assert (back.TRAIN.IM_SIZE, back.MODEL.NUM_CLASSES) == (224, 100)
    assert load_cfg(base).MODEL.TYPE == ""


def test_no_two_calls_share_anything() -> None:
    first = default_cfg()
    first.ANYNET.DEPTHS.append(1)
    first.MODEL.TYPE = "vit"

    assert default_cfg().ANYNET.DEPTHS == []
    assert default_cfg().MODEL.TYPE == ""


def test_a_pycls_file_with_every_key_loads_unchanged(tmp_path: Path) -> None:
    cfg = load_cfg(write(tmp_path, PYCLS_DEFAULTS + PYCLS_TRAINING))

    assert cfg.OPTIM.WEIGHT_DECAY == 5e-5
    assert cfg.OPTIM.OPTIMIZER == "sgd"
    assert cfg.TEST.IM_SIZE == 256
    assert cfg.FSDP.LAYER_NORM.EPS == 1e-6
    assert cfg.DESC == "2020-03-30"


def test_what_pycls_has_retired_is_dropped(tmp_path: Path) -> None:
    cfg = load_cfg(write(tmp_path, PYCLS_TRAINING))

    assert "MEM" not in cfg
    assert "PORT" not in cfg
    assert not {"EVAL_PERIOD", "CHECKPOINT_PERIOD"} & set(cfg.TRAIN)
    assert "GAMMA" not in cfg.OPTIM
    assert set(cfg.PREC_TIME) == {"WARMUP_ITER", "NUM_ITER"}


@pytest.mark.parametrize("content", ["5", "[1, 2]", "text", "", "{A: {B: [1, {C: 2}]}}"])
def test_training_sections_load_in_any_shape(tmp_path: Path, content: str) -> None:
    cfg = load_cfg(write(tmp_path, f"LAUNCH: {content}\nTEST: {content}\n"))

    expected = yaml.safe_load(content)

    assert expected == cfg.TEST
    assert expected == cfg.LAUNCH


def test_every_shipped_network_loads_frozen_and_named() -> None:
    names = list_networks()

    assert len(names) == 12 + 12 + 3 + 3 + 6 + 4 + 2 + 3 + 3 + 3 + 25
    for name in names:
        cfg = load_cfg(name)
        assert cfg.is_frozen()
        assert name == cfg.COST.NAME


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("EN-B0", "EfficientNet-B0"),
        ("R-50-1x64d", "ResNet-50"),
        ("X-101-32x4d", "ResNeXt-101-32x4d"),
        ("regnety-4.0gf", "RegNetY-4.0GF"),
    ],
)
def test_other_spellings_of_a_shipped_name(theirs: str, ours: str) -> None:
    assert load_cfg(theirs) == load_cfg(ours)


def test_a_shipped_name_wins_over_a_file_of_the_same_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "MODEL: {TYPE: vit}", "ResNet-50")
    write(tmp_path, "MODEL: {TYPE: vit}", "mine")

    assert load_cfg("ResNet-50").MODEL.TYPE == "resnet"
    assert load_cfg("./ResNet-50").MODEL.TYPE == "vit"
    assert load_cfg("mine").COST.NAME == "mine"


# Values and their types


@pytest.mark.parametrize(
    ("key", "given_value", "stored"),
    [
        ("MODEL.SCALING_FACTOR", 2, 2.0),
        ("MODEL.SCALING_FACTOR", "5e-5", 5e-5),
        ("MODEL.DEPTH", "50", 50),
        ("MODEL.DEPTH", np.int64(50), 50),
        ("MODEL.TYPE", "vit", "vit"),
        ("REGNET.WA", np.float32(0.5), 0.5),
        ("REGNET.SE_ON", "true", True),
        ("REGNET.SE_ON", "False", False),
        ("REGNET.SE_ON", np.bool_(True), True),
        ("ANYNET.DEPTHS", (1, 2), [1, 2]),
        ("ANYNET.DEPTHS", np.array([1, 2]), [1, 2]),
        ("ANYNET.DEPTHS", "[1, 2]", [1, 2]),
        ("ANYNET.DEPTHS", "1,2", [1, 2]),
        ("ANYNET.DEPTHS", "()", []),
        ("ANYNET.BOT_MULS", [1, "0.5"], [1.0, 0.5]),
        ("COST.DEVICES", "rtx-4090", ["rtx-4090"]),
        ("COST.DEVICES", "['rtx-4090', t4]", ["rtx-4090", "t4"]),
    ],
)
def test_values_that_mean_the_right_type_are_converted(key: str, given_value: Any, stored: Any) -> None:
    section, name = key.split(".")
    value = cfg_from_dict({}, [key, given_value])[section][name]

    assert value == stored
    assert type(value) is type(stored)
    if isinstance(stored, list):
        assert [type(item) for item in value] == [type(item) for item in stored]


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("MODEL.DEPTH", "deep", "an integer"),
        ("MODEL.DEPTH", 50.0, "an integer"),
        ("MODEL.DEPTH", True, "an integer"),
        ("MODEL.DEPTH", None, "an integer"),
        ("MODEL.DEPTH", "010", "an integer"),  # YAML 1.1 has this as 8
        ("MODEL.DEPTH", {"A": 1}, "an integer"),
        pytest.param("MODEL.DEPTH", 10**5000, "from 0 to 2", id="an endless integer"),
        pytest.param("MODEL.DEPTH", [10**5000], "an integer", id="a list of one"),
        ("MODEL.DEPTH", -1, "at least 0|from 0"),
        ("MODEL.TYPE", 5, "a word"),
        ("MODEL.TYPE", False, "booleans"),  # `TYPE: no`
        ("MODEL.SCALING_FACTOR", "big", "a number"),
        ("MODEL.SCALING_FACTOR", False, "a number"),
        ("MODEL.SCALING_FACTOR", float("nan"), "finite"),
        ("MODEL.SCALING_FACTOR", float("inf"), "finite"),
        pytest.param("MODEL.SCALING_FACTOR", 10**400, "a number", id="no float"),
        ("REGNET.SE_ON", 1, "true or false"),
        ("REGNET.SE_ON", "maybe", "true or false"),
        ("ANYNET.DEPTHS", 3, "a list of"),
        ("ANYNET.DEPTHS", [1, 2.5], "an integer"),
        ("ANYNET.DEPTHS", ["one"], "an integer"),
        ("ANYNET.DEPTHS", [[1]], "an integer"),
        ("ANYNET.BOT_MULS", [float("nan")], "finite"),
        ("COST.DEVICES", [4090], "a word"),
        ("COST.DTYPE", "fp16", "float16"),
        ("COST.MODE", "train", "training"),
        ("OPTIM.OPTIMIZER", 1, "a word"),
        ("TRAIN.IM_SIZE", "224px", "an integer"),
    ],
)
def test_a_wrong_value_names_key_value_and_what_was_expected(key: str, value: Any, expected: str) -> None:
    section, name = key.split(".")

    for values, overrides in (({section: {name: value}}, []), ({}, [key, value])):
        with pytest.raises(ConfigError, match=expected) as caught:
            cfg_from_dict(values, overrides)
        assert caught.value.key.startswith(key)
        assert key in str(caught.value)


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("REGNET.WO", "REGNET.W0"),
        ("ANYNET.DEPTH", "ANYNET.DEPTHS"),
        ("MODEL.NUM_CLASS", "MODEL.NUM_CLASSES"),
        ("MODLE.TYPE", "MODEL"),
        ("COST.BATCHSIZE", "COST.BATCH_SIZE"),
        ("MODEL.PATCH_SIZE", "VIT.PATCH_SIZE"),
        ("TRAIN.im_size", "TRAIN.IM_SIZE"),
        ("TRAIN.IMG_SIZE", "TRAIN.IM_SIZE"),  # would change nothing, in silence
        ("OPTIM.OPTIMISER", "OPTIM.OPTIMIZER"),
        ("MODEL.TYPE.DEEPER", "a word"),
    ],
)
def test_an_unknown_key_names_the_nearest_valid_one(tmp_path: Path, key: str, nearest: str) -> None:
    *sections, leaf = key.split(".")
    text = "".join(f"{'  ' * i}{part}:\n" for i, part in enumerate(sections)) + f"{'  ' * len(sections)}{leaf}: 1\n"
    error = refused(tmp_path, text)

    assert nearest in str(error)
    assert error.file == str(tmp_path / "net.yaml")
    assert key.startswith(error.key)
    with pytest.raises(ConfigError, match=nearest):
        cfg_from_dict({}, [key, 1])


def test_a_key_like_no_other_gets_the_list() -> None:
    with pytest.raises(ConfigError, match="LN has EPS, USE_CUSTOM_WEIGHT_DECAY"):
        cfg_from_dict({"LN": {"QQQQQQQ": 1}})
    with pytest.raises(ConfigError, match="ours are MODEL, RESNET"):
        cfg_from_dict({"QQQQQQQ": 1})


@pytest.mark.parametrize(
    "overrides", [["MODEL.DEPTH"], [5, 5], ["", 1], [".", 1], ["MODEL", 5], ["MODEL.DEPTH", 1, "COST"]]
)
def test_broken_overrides_are_refused(overrides: list[Any]) -> None:
    with pytest.raises(ConfigError):
        load_cfg("ResNet-50", overrides)


def test_overrides_are_applied_in_order_and_reach_training_keys() -> None:
    cfg = load_cfg("ResNet-50", ["TRAIN.IM_SIZE", 96, "TRAIN.IM_SIZE", "64", "OPTIM.BASE_LR", 0.1, "TEST.A.B", 1])

    assert (cfg.TRAIN.IM_SIZE, cfg.OPTIM.BASE_LR, cfg.TEST.A.B) == (64, 0.1, 1)


def test_data_that_is_not_plain_is_refused() -> None:
    endless: dict[str, Any] = {}
    endless["again"] = endless

    for value in (object(), {1, 2}, b"bytes", endless, {1: 2}):
        with pytest.raises(ConfigError, match=r"OPTIM\.EXTRA"):
            cfg_from_dict({"OPTIM": {"EXTRA": value}})


# Inheritance


def test_bases_are_relative_to_the_child_and_the_child_wins(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    write(tmp_path, "MODEL: {TYPE: regnet, DEPTH: 1}\nOPTIM: {A: {X: 1, Y: 1}}", "root.yaml")
    write(tmp_path, "_BASE_: root.yaml\nMODEL: {DEPTH: 2}\nREGNET: {W0: 48}", "middle.yaml")
    child = write(tmp_path / "below", "_BASE_: ../middle.yaml\nREGNET: {WA: 7}\nOPTIM: {A: {Y: 2}}", "leaf.yaml")
    cfg = load_cfg(child)

    assert (cfg.MODEL.TYPE, cfg.MODEL.DEPTH, cfg.REGNET.W0, cfg.REGNET.WA) == ("regnet", 2, 48, 7.0)
    assert cfg.OPTIM.A == {"X": 1, "Y": 2}
    assert cfg.COST.NAME == "leaf"


def test_of_several_bases_the_later_wins(tmp_path: Path) -> None:
    write(tmp_path, "MODEL: {DEPTH: 1, TYPE: vit}", "one.yaml")
    write(tmp_path, "MODEL: {DEPTH: 2}", "two.yaml")
    cfg = load_cfg(write(tmp_path, "_BASE_: [one.yaml, two.yaml]"))

    assert (cfg.MODEL.TYPE, cfg.MODEL.DEPTH) == ("vit", 2)


def test_a_shipped_network_can_be_a_base(tmp_path: Path) -> None:
    cfg = load_cfg(write(tmp_path, "_BASE_: RegNetX-400MF\nREGNET: {SE_ON: true}"))

    assert (cfg.REGNET.WA, cfg.REGNET.SE_ON, cfg.COST.NAME) == (24.48, True, "net")


def test_bases_in_a_circle_are_shown(tmp_path: Path) -> None:
    write(tmp_path, "_BASE_: b.yaml", "a.yaml")
    write(tmp_path, "_BASE_: c.yaml", "b.yaml")
    write(tmp_path, "_BASE_: b.yaml", "c.yaml")

    with pytest.raises(ConfigError, match=r"b\.yaml -> c\.yaml -> b\.yaml") as caught:
        load_cfg(tmp_path / "a.yaml")
    assert caught.value.key == "_BASE_"


def test_families_of_bases_cannot_explode(tmp_path: Path) -> None:
    for i in range(30):
        write(tmp_path, f"_BASE_: [n{i + 1}.yaml, n{i + 1}.yaml]", f"n{i}.yaml")
    write(tmp_path, "MODEL: {DEPTH: 1}", "n30.yaml")
    for i in range(60):
        write(tmp_path, f"_BASE_: line{i + 1}.yaml", f"line{i}.yaml")

    for first in ("n0.yaml", "line0.yaml"):
        with pytest.raises(ConfigError, match="at most 50 files"):
            load_cfg(tmp_path / first)


@pytest.mark.parametrize(
    ("base", "problem"),
    [
        ("gone.yaml", "no such file"),
        ("5", "a path"),
        ("[1]", "a path"),
        ("ResNot-50", "ResNet-50"),
        ("x.py", "runs"),
    ],
)
def test_an_unusable_base_is_named(tmp_path: Path, base: str, problem: str) -> None:
    error = refused(tmp_path, f"_BASE_: {base}")

    assert problem in str(error)
    assert (error.key, error.file) == ("_BASE_", str(tmp_path / "net.yaml"))


def test_an_error_in_a_base_names_the_base(tmp_path: Path) -> None:
    write(tmp_path, "MODEL: {DEPHT: 1}", "base.yaml")

    assert refused(tmp_path, "_BASE_: base.yaml").file == str(tmp_path / "base.yaml")


def test_a_mapping_has_no_file_to_inherit_from() -> None:
    with pytest.raises(ConfigError, match="load_cfg"):
        cfg_from_dict({"_BASE_": "ResNet-50"})


# Bad files


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "empty"),
        ("# only a comment", "empty"),
        ("- MODEL", "list"),
        ("MODEL", "str"),
        ("MODEL:", "mapping"),
        ("MODEL: [1]", "mapping"),
        ("MODEL: {DEPTH: 1}\nMODEL: {DEPTH: 2}", "line 2.*MODEL stands twice"),
        ("MODEL:\n  DEPTH: 1\n  TYPE: vit\n  DEPTH: 2", "line 4.*DEPTH stands twice"),
        ("MODEL: {DEPTH: .nan}", "integer"),
        ("REGNET: {WA: .nan}", "finite"),
        ("REGNET: {WA: -.inf}", "finite"),
        ("REGNET: {WA: -1}", "REGNET.WA"),
        ("MODEL: {TYPE: no}", "quote"),
        ("MODEL: {DEPTH: 3:20}", "3:20"),
        ("MODEL: {DEPTH: 1" + "0" * 5000 + "}", "broken YAML"),
        ("1: 2", "not a word"),
        ("yes: 2", "not a word"),
        ("MODEL: {? [1] : 2}", "plain word"),
        ("MODEL: {DEPTH: 5", "line 2.*broken"),
        ("MODEL: {DEPTH: *gone}", "alias"),
        ("MODEL: &m {TYPE: *m}", "alias"),
        ("TEST: !!python/object/apply:os.system ['true']", "tag"),
        ("TEST: !!binary aGk=", "tag"),
        ("--- {A: 1}\n--- {B: 1}", "document"),
        ("TEST: " + "[" * 100_000, "nest"),
        ("TEST: " + "{a: " * 100_000, "nest"),
        ("TEST: [" + "1," * 200_000 + "]", "values"),
        ("MODEL: {TYPE: 'a\x07'}", "broken YAML"),
    ],
    ids=lambda text: text[:40],
)
def test_bad_yaml_is_one_clear_error(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=f"(?s){problem}") as caught:
        load_cfg(write(tmp_path, text))
    assert caught.value.file == str(tmp_path / "net.yaml")
    assert len(str(caught.value)) < 500 + len(str(tmp_path))


def test_an_alias_bomb_is_refused(tmp_path: Path) -> None:
    text = "A0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    for i in range(1, 20):
        text += f"A{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n"

    assert "more than" in str(refused(tmp_path, text))


def test_honest_aliases_and_merge_keys_work(tmp_path: Path) -> None:
    text = "ANYNET: {DEPTHS: &d [1, 2], WIDTHS: *d}\nTEST: &t {A: 1, B: 1}\nLAUNCH: {<<: *t, B: 2}\n"
    cfg = load_cfg(write(tmp_path, text))

    assert cfg.ANYNET.WIDTHS == [1, 2]
    assert cfg.LAUNCH == {"A": 1, "B": 2}


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"MODEL: {TYPE: \xff\xfe}", "UTF-8"),
        (b"#" * 1_000_001, "1 MB"),
        (b"MODEL: {DEPTH: 5}\x00", "broken YAML"),
    ],
)
def test_bad_bytes_are_one_clear_error(tmp_path: Path, raw: bytes, problem: str) -> None:
    path = tmp_path / "net.yaml"
    path.write_bytes(raw)

    with pytest.raises(ConfigError, match=problem):
        load_cfg(path)


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    assert load_cfg(write(tmp_path, "\ufeffMODEL: {DEPTH: 5}")).MODEL.DEPTH == 5


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("gone.yaml", "no such file"),
        ("gone/net.yaml", "no such file"),
        ("", "called ''"),
        (".", "directory"),
        ("ResNet-51", "ResNet-50"),
        ("a\x00b", "no file|usable"),
        ("x" * 5000, "no file|usable"),
        ("/dev/null", "no such file"),
        (None, "usable"),
        (5, "usable"),
    ],
)
def test_a_missing_source_is_one_clear_error(source: Any, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        load_cfg(source)


@pytest.mark.parametrize("name", ["net.py", "net.PY", "net.txt", "net.json"])
def test_other_kinds_of_file_are_refused_unread(tmp_path: Path, name: str) -> None:
    witness = tmp_path / "executed"
    path = write(tmp_path, f"open({str(witness)!r}, 'w')\ncfg = {{}}", name)

    with pytest.raises(ConfigError, match=r"YAML|yaml"):
        load_cfg(path)
    assert not witness.exists()


def test_an_unreadable_file_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "MODEL: {DEPTH: 5}")

    def denied(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)  # root, who runs tests in containers, may read anything

    with pytest.raises(ConfigError, match="cannot be read: Permission denied"):
        load_cfg(path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5e-5", 5e-5),
        ("989e12", 989e12),
        ("1.", 1.0),
        (".5", 0.5),
        ("1_000", 1000),
        ("-3", -3),
        ("0", 0),
        ("010", "010"),
        ("0x10", "0x10"),
        ("3:20", "3:20"),
        ("3:20.5", "3:20.5"),
        ("2020-01-01", "2020-01-01"),
        ("e5", "e5"),
        (".", "."),
        ("-", "-"),
        ("no", False),
        ("~", None),
    ],
)
def test_what_a_yaml_scalar_means(text: str, value: Any) -> None:
    if text == "-":
        text = "'-'"
    parsed = parse_yaml(text)

    assert parsed == value
    assert type(parsed) is type(value)


# Workload


def test_the_workload_is_read_from_the_config() -> None:
    cost = {"BATCH_SIZE": 64, "DTYPE": "float16", "MODE": "training", "RUNTIME": "compiled", "LAYOUT": "nhwc"}
    cfg = cfg_from_dict({"COST": cost, "OPTIM": {"OPTIMIZER": "adamw"}})

    assert workload_of(cfg) == Workload(64, "float16", "training", "compiled", "nhwc", "adamw")
    assert workload_of(default_cfg()) == Workload()


def test_weights_are_read_from_the_config() -> None:
    cfg = cfg_from_dict({"COST": {"DTYPE": "float16", "WEIGHTS": "float16"}})

    assert workload_of(cfg) == Workload(dtype="float16", weights="float16")
    assert workload_of(cfg, weights="float32") == workload_of(cfg, weights="") == Workload(dtype="float16")
    assert cfg_from_dict(yaml.safe_load(to_yaml(cfg, cost=True))).COST.WEIGHTS == "float16"
    # A module in half precision that is asked for in another type is one of that type.
    assert workload_of(cfg, dtype="float32") == Workload()
    assert workload_of(cfg, dtype="bfloat16") == Workload(dtype="bfloat16", weights="bfloat16")
    with pytest.raises(WorkloadError, match="weights='float16': with dtype='float32'"):
        workload_of(cfg, dtype="float32", weights="float16")
    with pytest.raises(ConfigError, match=r"COST.WEIGHTS.*expected one of float32, float16, bfloat16"):
        cfg_from_dict({"COST": {"WEIGHTS": "half"}})


def test_keywords_overrule_the_config_before_it_is_checked() -> None:
    cfg = cfg_from_dict({"COST": {"DTYPE": "int8"}})

    with pytest.raises(WorkloadError, match="engine"):
        workload_of(cfg)
    assert workload_of(cfg, runtime="engine", batch_size=None).dtype == "int8"


def test_an_optimiser_without_a_cost_matters_in_training_only() -> None:
    cfg = cfg_from_dict({"OPTIM": {"OPTIMIZER": "lbfgs"}})

    assert workload_of(cfg) == Workload()
    assert workload_of(cfg, optimizer="adamw").optimizer == "adamw"
    with pytest.raises(WorkloadError, match="adamw"):
        workload_of(cfg, mode="training")


def test_a_batch_needs_an_image() -> None:
    with pytest.raises(WorkloadError, match="batch_size=0"):
        workload_of(cfg_from_dict({"COST": {"BATCH_SIZE": 0}}))


# What is kept of files


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as settled as soon as they are written, so that what is kept of them shows."""
    monkeypatch.setattr(oracle._resources, "_SETTLED_NS", 0)


@pytest.mark.usefixtures("settled")
def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    base = write(tmp_path, "MODEL: {DEPTH: 1}", "base.yaml")
    path = write(tmp_path, "_BASE_: base.yaml\nMODEL: {TYPE: vit}")
    assert (load_cfg(path).MODEL.DEPTH, load_cfg(path).MODEL.DEPTH) == (1, 1)

    time.sleep(0.05)
    write(tmp_path, "MODEL: {DEPTH: 20}", "base.yaml")
    assert load_cfg(path).MODEL.DEPTH == 20
    time.sleep(0.05)
    os.utime(write(tmp_path, "MODEL: {DEPTH: 30}", "base.yaml"), ns=(0, base.stat().st_mtime_ns))
    assert load_cfg(path).MODEL.DEPTH == 30
    base.unlink()
    with pytest.raises(ConfigError, match="no such file"):
        load_cfg(path)


def test_a_file_that_has_just_been_written_is_read_again(tmp_path: Path) -> None:
    for depth in range(1, 10):
        assert depth == load_cfg(write(tmp_path, f"MODEL: {{DEPTH: {depth}}}")).MODEL.DEPTH


@pytest.mark.usefixtures("settled")
def test_no_caller_changes_what_the_next_one_gets(tmp_path: Path) -> None:
    path = write(tmp_path, "EN: {DEPTHS: [1]}\nTEST: {A: {B: [1, {C: [2]}]}}\nOPTIM: {STEPS: [1]}")
    pristine = str(load_cfg(path))

    mine = load_cfg(path)
    mine.defrost()
    mine.MODEL.TYPE = "vit"
    mine.EN.DEPTHS.append(2)
    mine.TEST.A.B[1]["C"].append(3)
    mine.OPTIM.STEPS.append(2)
    mine.register_deprecated_key("MODEL.DEPTH")
    mine["MODEL"]["DEPTH"] = 5
    for _, values in layers(path):
        values["TEST"]["A"]["B"].clear()

    assert str(load_cfg(path)) == pristine
    assert not load_cfg(path).key_is_deprecated("MODEL.DEPTH")
    assert default_cfg().EN.DEPTHS == []


def test_a_config_is_all_that_yacs_would_have_made(tmp_path: Path) -> None:
    cfg = load_cfg(write(tmp_path, PYCLS_DEFAULTS + PYCLS_TRAINING))

    for node in (cfg, default_cfg()):
        by_yacs = CfgNode(yaml.safe_load(node.dump(sort_keys=False)))
        assert node == by_yacs
        assert node.dump() == by_yacs.dump()
        assert [type(part) for part in node.values()] == [type(part) for part in by_yacs.values()]
        assert node.__dict__ | {"__immutable__": False} == by_yacs.__dict__
    assert isinstance(cfg.FSDP.LAYER_NORM, CfgNode)
    assert [name for name, part in cfg.items() if isinstance(part, CfgNode) and part.is_new_allowed()] == [
        "TRAIN",
        "OPTIM",
    ]
    with pytest.raises(AttributeError, match="immutable"):
        cfg.FSDP.LAYER_NORM.EPS = 1.0
    copied = pickle.loads(pickle.dumps(cfg.clone()))  # noqa: S301 - our own
    copied.defrost()
    copied.merge_from_list(["MODEL.DEPTH", 7, "TRAIN.IM_SIZE", 32])
    assert (copied.MODEL.DEPTH, copied.TRAIN.IM_SIZE, cfg.MODEL.DEPTH) == (7, 32, 0)


def test_importing_the_room_brings_neither_yacs_nor_yaml() -> None:
    assert imported("import oracle.config, oracle.devices", {"yacs", "yaml", "numpy", "torch"}) == set()
    assert oracle.config.CfgNode is CfgNode


# Writing


@pytest.mark.parametrize("name", list_networks())
def test_what_is_written_reads_back_equal(tmp_path: Path, name: str) -> None:
    cfg = load_cfg(name, ["COST.BATCH_SIZE", 8, "OPTIM.BASE_LR", 5e-5])
    text = to_yaml(cfg, cost=True)

    assert load_cfg(write(tmp_path, text)) == cfg
    (shipped,) = (ROOT / "configs" / "networks").rglob(f"{name}.yaml")
    assert text.count("\n") <= shipped.read_text(encoding="utf-8").count("\n") + 5  # a name and what was set


def test_only_what_differs_from_the_defaults_is_written() -> None:
    cfg = cfg_from_dict({"ANYNET": {"DEPTHS": [1, 2], "STEM_W": 32}, "COST": {"BATCH_SIZE": 2}})

    assert to_yaml(cfg) == "ANYNET:\n  DEPTHS: [1, 2]\n"
    assert to_yaml(cfg, cost=True) == "ANYNET:\n  DEPTHS: [1, 2]\nCOST:\n  BATCH_SIZE: 2\n"
    assert cfg_from_dict(yaml.safe_load(to_yaml(default_cfg()))) == default_cfg()


def test_a_list_that_occurs_twice_is_written_twice() -> None:
    stages = [1, 2]
    cfg = cfg_from_dict({"LAUNCH": {"A": stages, "B": stages}})
    cfg.LAUNCH["B"] = cfg.LAUNCH["A"]

    assert to_yaml(cfg) == "LAUNCH:\n  A: [1, 2]\n  B: [1, 2]\n"


# Anything at all


WORDS = st.sampled_from([*default_cfg(), *(key for node in default_cfg().values() for key in node), "MEM", "TEST"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def outcome(load: Callable[[], CfgNode]) -> CfgNode | ConfigError:
    try:
        return load()
    except ConfigError as error:
        return error


@given(st.dictionaries(WORDS, ANYTHING, max_size=4), st.lists(ANYTHING, max_size=4))
def test_any_mapping_is_a_config_or_a_config_error(values: dict[str, Any], overrides: list[Any]) -> None:
    result = outcome(lambda: cfg_from_dict(values, overrides))

    assert str(result)
    assert isinstance(result, ConfigError) or (result.is_frozen() and set(default_cfg()) <= set(result))


FRAGMENTS = st.sampled_from(
    [*"{ } [ ] : , - ? & * ! ' \" # | > << = ~ null yes no 1 1e5 .5 0x1 010 a: &a *a --- ...".split(), " ", "\n", ": "]
)


@given(st.lists(FRAGMENTS, max_size=16).map("".join))
def test_the_scan_makes_the_data_that_the_loader_makes(text: str) -> None:
    try:
        parsed = parse_yaml(text)
    except ConfigError:
        return
    assert repr(parsed) == repr(strict_yaml._loaded(text))


@given(raw=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes_are_a_config_or_a_config_error(raw: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(raw)
    result = outcome(lambda: load_cfg(path))

    assert result.file == str(path) if isinstance(result, ConfigError) else result.is_frozen()


def test_overrides_may_be_a_mapping() -> None:
    pairs = ["REGNET.DEPTH", 14, "COST.BATCH_SIZE", "8"]
    assert load_cfg("RegNetX-400MF", {"REGNET.DEPTH": 14, "COST.BATCH_SIZE": "8"}) == load_cfg("RegNetX-400MF", pairs)


def test_an_engine_in_a_config_brings_its_runtime_along() -> None:
    cfg = cfg_from_dict({"MODEL": {"TYPE": "regnet"}, "COST": {"ENGINE": "ncnn", "THREADS": 4}})
    assert workload_of(cfg) == Workload(runtime="engine", engine="ncnn", threads=4)
    assert workload_of(cfg, runtime="eager") == Workload(threads=4)
    assert workload_of(cfg, engine="openvino").engine == "openvino"
    with pytest.raises(WorkloadError, match="engine='ncnn': expected runtime='engine'"):
        workload_of(cfg_from_dict({"MODEL": {"TYPE": "regnet"}, "COST": {"ENGINE": "ncnn", "RUNTIME": "compiled"}}))


@pytest.mark.parametrize("text", ["stem=float16,s3=int8", "{stem: float16, s3: int8}", "s3: int8, stem: 'float16'"])
def test_types_by_stage_come_as_a_mapping_or_a_text(text: str, tmp_path: Path) -> None:
    expected = {"stem": "float16", "s3": "int8"}
    assert expected == load_cfg("R-56", ["COST.DTYPES", text]).COST.DTYPES
    (tmp_path / "base.yaml").write_text("_BASE_: R-56\nCOST: {DTYPES: {stem: float16, s3: float32}}\n")
    (tmp_path / "own.yaml").write_text("_BASE_: base.yaml\nCOST: {DTYPES: {s3: int8}}\n")  # entries join
    cfg = load_cfg(tmp_path / "own.yaml")
    assert expected == cfg.COST.DTYPES
    assert to_spec(cfg).dtypes == (("s3", "int8"), ("stem", "float16"))
    (tmp_path / "again.yaml").write_text(to_yaml(cfg, cost=True))
    assert expected == load_cfg(tmp_path / "again.yaml").COST.DTYPES
    assert expected == load_cfg("R-56", ["COST.DTYPES", text, "COST.DTYPES.s3", "int8"]).COST.DTYPES
    assert load_cfg("R-56").COST.DTYPES == {}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"s3": "half"}, "COST.DTYPES.s3: value 'half': expected one of float32, tf32"),
        ({"layer3": "int8"}, "COST.DTYPES.layer3: value 'int8': the key is not a stage or cell, such as stem, s3"),
        ({3: "int8"}, "the key 3 is not a word"),
        (["int8"], "expected a mapping of keys to values"),
        ("int8", "COST.DTYPES.int8: value '': the key is not a stage or cell"),
    ],
)
def test_what_is_no_type_of_a_stage_is_refused(value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        cfg_from_dict({"MODEL": {"TYPE": "resnet"}, "COST": {"DTYPES": value}})


def test_a_stage_is_given_a_type_once() -> None:
    with pytest.raises(ConfigError, match=r"COST.DTYPES: value 'stem=int8,stem=float16': stem is given twice"):
        load_cfg("R-56", ["COST.DTYPES", "stem=int8,stem=float16"])
    with pytest.raises(ConfigError, match=r"COST.PARALLEL.tp: unknown key; did you mean TP\?"):
        load_cfg("Llama-3.2-1B", ["COST.PARALLEL.tp", 2])


@pytest.mark.parametrize(
    ("put", "message"),
    [
        (lambda cfg: cfg.DECODER.update(LAYRES=3), r"DECODER.LAYRES: unknown key; did you mean DECODER.LAYERS"),
        (
            lambda cfg: cfg.VIT.update(LAYERS=3),
            r"VIT.LAYERS: unknown key; did you mean DECODER.LAYERS or VIT.NUM_LAYERS",
        ),
        (lambda cfg: cfg.update(DECODR={"LAYERS": 3}), r"DECODR: unknown section; did you mean DECODER\?"),
        (lambda cfg: cfg.update(LAYERS=3), r"LAYERS: unknown section; did you mean DECODER.LAYERS\?"),
        (lambda cfg: cfg.COST.PARALLEL.update(TPP=2), r"COST.PARALLEL.TPP: unknown key; did you mean TP\?"),
        (lambda cfg: cfg.TRAIN.update(IM_SIZZE=2), r"TRAIN.IM_SIZZE: unknown key; did you mean TRAIN.IM_SIZE\?"),
    ],
)
@pytest.mark.parametrize("family", ["decoder", "vit"])
def test_what_is_put_into_a_config_by_hand_is_known(family: str, put: Any, message: str) -> None:
    cfg = oracle.default_cfg()
    cfg.MODEL.TYPE = family
    oracle.to_spec(cfg)
    put(cfg)
    with pytest.raises(ConfigError, match=f"^{message}"):
        oracle.to_spec(cfg)


def test_keys_of_training_are_put_in_by_hand_as_they_are() -> None:
    cfg = oracle.default_cfg()
    cfg.MODEL.TYPE = "vit"
    cfg.OPTIM.MAX_EPOCH, cfg.TRAIN.MIXUP_ALPHA, cfg.NUM_GPUS, cfg.OUT_DIR = 100, 0.2, 8, "."
    assert oracle.to_spec(cfg).cells
