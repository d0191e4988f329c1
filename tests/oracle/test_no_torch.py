"""No command or call on a config imports torch, or anything else that takes its time; fresh processes tell.

Templates that ship answer, and no user's cache: the processes have an empty one.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.programs import ROOT, imported

HEAVY = ("torch", "sympy", "optuna", "sqlalchemy", "scipy", "matplotlib", "pandas", "rich")

# One new network of every family: shipped ones with keys that nobody else has changed so.
NEW = {
    "anynet": "{MODEL: {TYPE: anynet}, ANYNET: {STEM_TYPE: simple_stem_in, STEM_W: 24, BLOCK_TYPE: res_bottleneck_block, "
    "DEPTHS: [1, 2, 3], WIDTHS: [48, 96, 168], STRIDES: [2, 2, 2], BOT_MULS: [1.0, 1.0, 1.0], GROUP_WS: [8, 8, 24]}}",
    "effnet": "{_BASE_: EfficientNet-B0, EN: {WIDTHS: [24, 32, 48, 72, 96, 168, 312], HEAD_W: 1000}}",
    "fbnet": "{_BASE_: %s, TRAIN: {IM_SIZE: 192}}",
    "nasbench201": "{_BASE_: %s, MODEL: {NUM_CLASSES: 37}}",
    "ofa": "{_BASE_: %s, TRAIN: {IM_SIZE: 176}}",
    "regnet": "{_BASE_: RegNetX-400MF, REGNET: {DEPTH: 19, W0: 40, WA: 30.5, GROUP_W: 8}}",
    "resnet": "{_BASE_: ResNet-50, MODEL: {DEPTH: 101, NUM_CLASSES: 77}, TRAIN: {IM_SIZE: 256}}",
    "vit": "{_BASE_: ViT-B-16, VIT: {NUM_LAYERS: 7, NUM_HEADS: 6, HIDDEN_DIM: 384, MLP_DIM: 1152}}",
}

PUBLIC = """
for name in oracle.__all__:
    if name not in ("build", "initialise", "measure", "register_cell"):  # what makes, runs or is a module
        getattr(oracle, name)
"""
ANSWERS = """
cost = oracle.score("RegNetX-400MF", ["t4"])
cost.kernels("t4"), cost.phases("t4"), cost.to_dict(kernels=True), repr(cost), cost._repr_html_()
oracle.score("ResNet-50", ["rtx-4090"], batch_size=8, dtype="float16", runtime="compiled", model="calibrated")
oracle.score_many(["RegNetX-400MF", "RegNetX-200MF"], ["t4"]).to_dict()
ranking = oracle.rank(["RegNetX-400MF", "ResNet-50"], ["t4", "rtx-4090"])
ranking.to_dict(), ranking._repr_html_()
repr(oracle.batch_curve("RegNetX-400MF", ["t4"], [1, 8])), oracle.fit("RegNetX-400MF", "t4"), oracle.knobs("RegNetX-400MF", ["t4"])
"""


def heavy(code: str, where: Path, modules: tuple[str, ...] = HEAVY) -> set[str]:
    """Which heavy modules a new process has loaded once it has run some code."""
    return imported(f"import oracle\n{code}", modules, where, NAS_COST_ORACLE_CACHE=str(where / "empty"))


def commands(program: str, lines: list[str]) -> str:
    """Code that runs some commands of `oracle` or `oracle-search`."""
    return f"from {program} import main\nfor line in {lines!r}:\n    assert main(line.split()) == 0, line"


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a new YAML file of every family."""
    folder = tmp_path_factory.mktemp("networks")
    for family, text in NEW.items():
        shipped = sorted(path.stem for path in (ROOT / "configs/networks" / family).glob("*.yaml"))
        (folder / f"my-{family}.yaml").write_text(text % shipped[0] if "%s" in text else text, encoding="utf-8")
    return folder


def test_public_names_and_answers(tmp_path: Path) -> None:
    assert heavy(PUBLIC + ANSWERS, tmp_path) == set()


def test_a_new_network_of_every_family(networks: Path, tmp_path: Path) -> None:
    files = sorted(map(str, networks.glob("*.yaml")))
    assert len(files) == len(NEW)
    assert heavy(f"for file in {files!r}:\n    oracle.score(file, ['t4', 'pixel-4'])", tmp_path) == set()


@pytest.mark.parametrize(
    ("program", "lines"),
    [
        (
            "oracle.cli",
            [
                "score RegNetX-400MF ResNet-50 -d t4",
                "score my-vit.yaml -d rtx-4090 -b 4 --dtype float16 --runtime compiled --model calibrated",
                "rank RegNetX-400MF my-regnet.yaml my-effnet.yaml -d t4 -d rtx-4090",
                "score my-effnet.yaml -d t4 --batch 1,8 --max-latency-ms 9",
                "knobs my-effnet.yaml -d t4",
                "fit my-regnet.yaml -d t4",
                "ops my-resnet.yaml -d t4 --by class",
            ],
        ),
        (
            "oracle.cli",
            [
                "score RegNetX-400MF --convention pycls --format json -o out.json",
                "rank RegNetX-400MF ResNet-50 -d t4 --format csv -o out.csv",
                "report RegNetX-400MF -d t4 -o one.html",
                "report RegNetX-400MF my-regnet.yaml ResNet-50 -d t4 -d rtx-4090 -o several.html",
                "devices",
                "networks",
            ],
        ),
        (
            "oracle.search.cli",
            [
                "spaces",
                "spaces regnetx",
                "sweep anynet-grid -d t4 -d rtx-4090 --samples 300 --out swept",
                "pareto swept --top 3",
                "report swept -o swept.html",
            ],
        ),
    ],
)
def test_commands(networks: Path, program: str, lines: list[str]) -> None:
    assert heavy(commands(program, lines), networks) == set()


def test_commands_without_numbers_load_no_numpy_either(tmp_path: Path) -> None:
    assert heavy(commands("oracle.cli", ["devices", "--version"]), tmp_path, (*HEAVY, "numpy")) == set()
