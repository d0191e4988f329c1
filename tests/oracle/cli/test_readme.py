"""What the README shows is what happens: commands, Python, a device file, an operator."""

from __future__ import annotations

import doctest
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import oracle
from oracle.counting.conventions import CONVENTIONS
from oracle.counting.flops import registry
from oracle.devices import list_devices

Run = Callable[..., Any]

ROOT = Path(__file__).resolve().parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def sessions() -> dict[str, str]:
    """Command -> what the README says it prints."""
    parts = [part for block in blocks("console") for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
    split = (part.partition("\n") for part in parts)
    return {command: output for command, _, output in split if command.startswith("oracle ")}


def rows(first: str) -> list[list[str]]:
    """Cells of the lines of a Markdown table whose first cell is code, below a header cell."""
    table = README.split(f"| {first} |", 1)[1].split("\n\n", 1)[0]
    lines = [line for line in table.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("command", sessions())
def test_a_command_prints_what_the_readme_shows(run: Run, command: str) -> None:
    done = run(*shlex.split(command)[1:])
    assert (done.code, done.err) == (0, "")
    assert done.out == sessions()[command]


def test_the_readme_shows_a_ranking_and_a_breakdown() -> None:
    assert {command.split()[1] for command in sessions()} == {"rank", "ops"}


# tests/search/study/test_readme.py runs the study and its module.
@pytest.mark.parametrize("block", [block for block in blocks("py") if not block.startswith("# mine.py")])
def test_a_program_of_the_readme_runs(block: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(block, "README.md", "exec"), {})
    assert capsys.readouterr().out.strip()


def test_python_answers_what_the_readme_shows() -> None:
    (session,) = blocks("pycon")
    test = doctest.DocTestParser().get_doctest(session, {}, "README.md", "README.md", 0)
    assert len(test.examples) == 6
    assert doctest.DocTestRunner(verbose=False).run(test).failed == 0


def test_the_device_file_is_one(run: Run, tmp_path: Path) -> None:
    (text,) = (block for block in blocks("yaml") if block.startswith("TITLE"))
    (tmp_path / "board.yaml").write_text(text, encoding="utf-8")
    done = run("devices", "board.yaml")
    assert (done.code, done.err) == (0, "")
    assert run("score", "R-56", "-d", "board.yaml", "--dtype", "float16").code == 0
    assert oracle.load_device(tmp_path / "board.yaml").memory == oracle.devices.Figure(8 * 2.0**30)


def test_the_operator_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    @torch.library.custom_op("myops::scaled_mm", mutates_args=())
    def scaled_mm(a: Tensor, b: Tensor, scale: float) -> Tensor:
        return a @ b * scale

    @scaled_mm.register_fake
    def _(a: Tensor, b: Tensor, scale: float) -> Tensor:
        return a.new_empty(a.shape[0], b.shape[1])

    class Scaled(nn.Module):
        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            found: Tensor = scaled_mm(a, b, 0.5)
            return found

    (code,) = blocks("python")
    monkeypatch.setattr(registry, "_FORMULAS", dict(registry._FORMULAS))
    exec(compile(code, "README.md", "exec"), {})
    cost = oracle.profile(Scaled(), torch.empty(4, 5), torch.empty(5, 6))
    assert (cost.macs, cost.flops, cost.unknown) == (4 * 5 * 6, 2 * 4 * 5 * 6 + 4 * 6, ())


@pytest.mark.parametrize("row", rows("runtime"), ids=lambda row: row[0])
def test_the_table_of_runtimes(row: list[str]) -> None:
    device = "rtx-4090"
    cost = oracle.score("ResNet-50", [device], batch_size=64, dtype="float16", runtime=row[0].strip("`"))
    assert row[3:] == [
        str(len(cost.kernels(device))),
        f"{cost.traffic_bytes / 1e9:.1f} GB",
        f"{cost.latency_ms[device]:.1f} ms",
        f"{cost.roofline_ms[device]:.1f} ms",
    ]


@pytest.mark.parametrize("row", rows("convention"), ids=lambda row: row[0])
def test_the_table_of_conventions(row: list[str]) -> None:
    for name, shown in zip(("ResNet-50", "EfficientNet-B0", "ViT-B-16"), row[1:], strict=False):
        macs = oracle.score(name, convention=row[0].strip("`")).macs
        assert macs is not None
        assert f"{macs / 1e9:.3f}" == shown


def test_every_runtime_and_convention_is_in_its_table() -> None:
    assert [row[0].strip("`") for row in rows("runtime")] == list(oracle.spec.RUNTIMES)
    assert {row[0].strip("`") for row in rows("convention")} == {"oracle", *CONVENTIONS} - {"note"}


def test_counts_and_links_of_the_readme_hold() -> None:
    assert f"{len(list_devices())} devices" in " ".join(README.split())
    assert len(CONVENTIONS) == 6
    assert "six conventions" in README
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
    assert all(len(line) <= 120 for line in README.splitlines() if not line.startswith("|"))
    for word in ("计算量", "访存量", "计算密度", "计算访存比"):
        assert word in README
