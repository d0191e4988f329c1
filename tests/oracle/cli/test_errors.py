"""Whatever a user gets wrong: exit code 2, nothing on standard output, one line that says what to correct."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oracle.errors import OracleError

Run = Callable[..., Any]

FILES = {
    "empty.yaml": ("", "expected a mapping of sections, found an empty file"),
    "list.yaml": ("- 1\n- 2\n", "expected a mapping of sections, found a list"),
    "base.yaml": ("_BASE: ResNet-50\n", "_BASE: unknown section; did you mean _BASE_?"),
    "section.yaml": ("MODLE: {TYPE: regnet}\n", "MODLE: unknown section; did you mean MODEL"),
    "key.yaml": ("MODEL: {TYP: regnet}\n", "MODEL.TYP: unknown key; did you mean MODEL.TYPE"),
    "type.yaml": ("REGNET: {DEPTH: ten}\n", "REGNET.DEPTH: value 'ten' of type str: expected an integer"),
    "twice.yaml": ("MODEL:\n  TYPE: vit\n  TYPE: regnet\n", "line 3: the key TYPE stands twice"),
    "nan.yaml": ("REGNET: {WA: .nan}\n", "REGNET.WA: value nan: expected a finite number"),
    "negative.yaml": ("REGNET: {DEPTH: -1}\n", "REGNET.DEPTH: value -1: expected a finite number"),
    "broken.yaml": ("MODEL: [\n", "line"),
    "dtype.yaml": ("COST: {DTYPE: half}\n", "COST.DTYPE: value 'half': expected one of float32"),
    "circle.yaml": ("_BASE_: circle.yaml\n", "bases run in a circle"),
    "group.yaml": (
        "MODEL: {TYPE: anynet}\nANYNET: {DEPTHS: [1], WIDTHS: [30], STRIDES: [2], GROUP_WS: [16]}\n",
        "ANYNET",
    ),
    "code.py": ("import os\n", "Python configs are refused"),
    "net.pt": (
        "",
        "suffix '.pt': expected .yaml or .yml; a network of PyTorch is taken as a file of torch.export (.pt2)",
    ),
    "net.PTH": ("", "taken as a file of torch.export (.pt2) or ONNX (.onnx)"),
    "net.toml": ("", "suffix '.toml': expected .yaml or .yml\n"),
    "net.json": ("{}", "net.json for the config.json of a decoder"),
    "board.yaml": ("TITLE: T\n", "TITLE: unknown section"),
}

ARGUMENTS = [
    ([], "the following arguments are required: COMMAND"),
    (["scoer"], "invalid choice: 'scoer'"),
    (["score"], "the following arguments are required: NET"),
    (["score", ""], "no file and no shipped config called ''"),
    (["score", "none.yaml"], "none.yaml: no such file"),
    (["score", "RegNetX-40MF"], "did you mean RegNetX-400MF"),
    (["score", "x" * 5000], "not a usable path"),
    (["score", "R-56", "-d", "rtx-409"], "device='rtx-409' is unknown; did you mean rtx-4090"),
    (["score", "R-56", "-d", "gone.yaml"], "gone.yaml: no such file"),
    (["score", "R-56", "-d", "eyeriss"], "device='eyeriss' is calibrate-only"),
    (["score", "R-56", "--dtype", "fp16"], "argument --dtype: invalid choice: 'fp16'"),
    (["score", "R-56", "-d", "p4", "--dtype", "bfloat16"], "no matrix peak for dtype='bfloat16', only for"),
    (["score", "R-56", "--dtype", "int8"], "dtype='int8' needs runtime='engine'"),
    (["score", "R-56", "--convention", "mine"], "convention='mine': expected one of fvcore"),
    (["score", "R-56", "--batch", "0"], "batch_size=0: expected an integer of at least 1"),
    (["score", "R-56", "--batch", "-1"], "batch_size=-1"),
    (["score", "R-56", "--batch", "many"], "'many': expected integers"),
    (
        ["score", "R-56", "--bat", "2"],
        "unrecognized arguments: --bat 2; did you mean --batch?; see `oracle score --help`",
    ),
    (["rank", "R-56", "--devcie", "t4"], "--devcie t4; did you mean --device?; see `oracle rank --help`"),
    (["score", "R-56", "--set", "MODEL.DEPTH"], "argument --set: expected 2 arguments"),
    (["score", "R-56", "--set", "MODEL.DEPHT", "56"], "MODEL.DEPHT: unknown key; did you mean MODEL.DEPTH"),
    (["score", "R-56", "--set", "MODEL.DEPTH", "nan"], "MODEL.DEPTH: value 'nan'"),
    (["score", "R-56", "--format", "xml"], "argument --format: invalid choice: 'xml'"),
    (["score", "R-56", "-o", "no/such/folder.csv"], "output='no/such/folder.csv' cannot be written"),
    (["score", "R-56", "-o", "."], "output='.' cannot be written: it is a directory"),
    (["score", "R-56", "-o", "s.xlsx"], "output='s.xlsx': suffix 'xlsx': expected a name that ends in csv, json, txt"),
    (["rank", "R-56", "R-110", "-d", "t4", "-o", "s.parquet"], "expected a name that ends in csv, json, txt"),
    (["measure", "R-56", "-o", "m.yaml"], "expected a name that ends in csv, json, txt"),
    (["report", "R-56", "-o", "page.pdf"], "output='page.pdf': suffix 'pdf': expected a name that ends in html, htm"),
    (["probe", "-o", "host.json"], "output='host.json': suffix 'json': expected a name that ends in yaml, yml"),
    (["calibrate", "-d", "t4", "--measurements", "m.csv", "-o", "my.csv"], "expected a name that ends in yaml, yml"),
    (["validate", "-d", "t4", "--measurements", "m.csv", "-o", "v.gif"], "ends in csv, json, txt, svg, png, pdf"),
    (["score", "mypkg.nets:Net("], "network='mypkg.nets:Net(': no valid call; expected package.module:callable(args)"),
    (["score", "."], ".: no YAML file in this directory"),
    (["ops", "R-56", "R-110"], "unrecognized arguments: R-110"),
]


def complaint_of(run: Run, *arguments: str) -> str:
    done = run(*arguments)
    assert done.code == 2
    assert done.out == ""
    assert done.err.startswith("oracle: error: ")
    assert done.err.endswith("\n")
    assert done.err.count("\n") == 1
    return str(done.err)


def test_a_directory_of_all_sorts_of_files_is_not_walked_to_its_end(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oracle.cli._sources._MOST_OTHERS", 2)
    for at in range(3):
        (tmp_path / f"{at}.txt").touch()
        (tmp_path / f"{at}.yaml").write_text("_BASE_: R-56\n")
    said = complaint_of(run, "score", str(tmp_path))
    assert said.endswith(": more than 2 files that are no YAML below this directory; expected one of networks\n")
    (tmp_path / "0.txt").unlink()
    assert run("score", str(tmp_path)).code == 0


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("command", ["score", "ops", "rank"])
def test_a_file_that_is_no_network(run: Run, tmp_path: Path, name: str, command: str) -> None:
    text, complaint = FILES[name]
    (tmp_path / name).write_text(text, encoding="utf-8")
    said = complaint_of(run, command, name, "-d", "t4")
    assert said.startswith(f"oracle: error: {name}: ")
    assert complaint in said


@pytest.mark.parametrize(("arguments", "complaint"), ARGUMENTS)
def test_arguments_that_make_no_sense(run: Run, arguments: list[str], complaint: str) -> None:
    assert complaint in complaint_of(run, *arguments)


def test_control_characters_do_not_reach_the_terminal(run: Run) -> None:
    assert "\x1b" not in complaint_of(run, "score", "\x1b[31mred\nline")


def test_a_file_that_cannot_be_replaced_keeps_its_content(run: Run, tmp_path: Path) -> None:
    kept = tmp_path / "kept.csv"
    kept.write_text("old", encoding="utf-8")
    kept.chmod(stat.S_IRUSR)
    done = run("score", "R-56", "-o", "kept.csv")
    if done.code == 0:
        pytest.skip("the superuser may write anything")
    assert "write-protected" in done.err
    assert kept.read_text(encoding="utf-8") == "old"


def test_a_failed_score_leaves_the_file_alone(run: Run, tmp_path: Path) -> None:
    kept = tmp_path / "kept.csv"
    kept.write_text("old", encoding="utf-8")
    complaint_of(run, "score", "R-56", "gone.yaml", "-o", "kept.csv")
    assert kept.read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["kept.csv"]


@pytest.mark.parametrize("name", ["out.xlsx", "no/out.csv", "."])
def test_a_file_that_cannot_be_written_is_found_before_the_work(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("oracle.query.resolve", lambda *_, **__: pytest.fail("work was begun"))
    assert "output=" in complaint_of(run, "score", "R-56", "-o", name)


def test_an_interrupt_is_quiet(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("oracle.query.resolve", interrupted)
    done = run("score", "R-56")
    assert (done.code, done.out, done.err) == (130, "", "")


def test_a_defect_is_one_line_too_unless_its_traceback_is_wanted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def defective(*_: object, **__: object) -> None:
        raise TypeError("two\nlines")

    monkeypatch.setattr("oracle.query.resolve", defective)
    done = run("score", "R-56")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("oracle: error: TypeError: two lines (a defect of the oracle")
    assert done.err.count("\n") == 1
    with pytest.raises(TypeError):
        run("--traceback", "score", "R-56")


def test_an_error_of_several_lines_becomes_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object, **__: object) -> None:
        raise OracleError("first\n  second\tthird")

    monkeypatch.setattr("oracle.query.resolve", failing)
    assert complaint_of(run, "score", "R-56") == "oracle: error: R-56: first second third\n"
