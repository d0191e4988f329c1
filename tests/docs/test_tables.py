"""Figures in tables of the documentation are what the oracle computes."""

from __future__ import annotations

from pathlib import Path

import pytest

import oracle
from oracle.counting.conventions import CONVENTIONS
from tests.docs.pages import ROOT

CONCEPTS = ROOT / "docs" / "concepts"


def rows(page: Path, first: str) -> list[list[str]]:
    """Cells of the lines of a Markdown table whose first cell is code, below a header cell."""
    table = page.read_text(encoding="utf-8").split(f"| {first} |", 1)[1].split("\n\n", 1)[0]
    lines = [line for line in table.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


RUNTIMES = rows(CONCEPTS / "runtimes.md", "runtime")
TOOLS = rows(CONCEPTS / "conventions.md", "convention")


@pytest.mark.parametrize("row", RUNTIMES, ids=lambda row: row[0])
def test_the_table_of_runtimes(row: list[str]) -> None:
    device = "rtx-4090"
    cost = oracle.score("ResNet-50", [device], batch_size=64, dtype="float16", runtime=row[0].strip("`"))
    assert row[3:] == [
        str(len(cost.kernels(device))),
        f"{cost.traffic_bytes / 1e9:.1f} GB",
        f"{cost.latency_ms[device]:.1f} ms",
        f"{cost.roofline_ms[device]:.1f} ms",
    ]


@pytest.mark.parametrize("row", TOOLS, ids=lambda row: row[0])
def test_the_table_of_conventions(row: list[str]) -> None:
    for name, shown in zip(("ResNet-50", "EfficientNet-B0", "ViT-B-16"), row[1:], strict=False):
        macs = oracle.score(name, convention=row[0].strip("`")).macs
        assert macs is not None
        assert f"{macs / 1e9:.3f}" == shown


def test_every_runtime_and_convention_is_in_its_table() -> None:
    assert [row[0].strip("`") for row in RUNTIMES] == list(oracle.spec.RUNTIMES)
    assert {row[0].strip("`") for row in TOOLS} == {"oracle", *CONVENTIONS} - {"note"}


def test_the_readme_is_a_door() -> None:
    content = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(content.encode()) <= 9_000
    assert "<!-- test-command -->\n```bash\n" in content
