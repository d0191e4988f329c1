"""Figures as files: three formats, always the same bytes, whole or not there."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from oracle.errors import MissingDependencyError, OracleError
from oracle.report.facts import DeviceFacts, NetworkFacts
from oracle.report.plot import FORMATS, roofline_figure, write_figure


def test_the_suffix_says_the_format_and_the_file_is_always_the_same(
    network: NetworkFacts, devices: list[DeviceFacts], tmp_path: Path
) -> None:
    starts = {"pdf": b"%PDF", "png": b"\x89PNG", "svg": b"<?xml"}
    assert set(starts) == set(FORMATS)
    files = []
    for name in "ab":
        figure = roofline_figure(network, devices)
        files.append([tmp_path / f"{name}.{suffix}" for suffix in starts])
        for file in files[-1]:
            write_figure(file, figure)
    for first, second in zip(*files, strict=True):
        assert first.read_bytes().startswith(starts[first.suffix[1:]])
        assert first.read_bytes() == second.read_bytes(), first.suffix
    assert sorted(tmp_path.iterdir()) == [*files[0], *files[1]]
    text_in_svg = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert re.search(r"<text[^>]*>NVIDIA T4</text>", text_in_svg), "text is text"


def test_what_is_no_figure(
    network: NetworkFacts, devices: list[DeviceFacts], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = roofline_figure(network, devices)
    with pytest.raises(OracleError, match=r"expected a name that ends in svg, png, pdf"):
        write_figure(tmp_path / "a.txt", figure)
    with pytest.raises(OracleError, match="cannot be written"):
        write_figure(tmp_path / "no" / "a.svg", figure)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'nas-cost-oracle\[plot\]'"):
        roofline_figure(network, devices)


def test_the_readers_own_style_is_left_alone(network: NetworkFacts, devices: list[DeviceFacts]) -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    roofline_figure(network, devices)
    assert dict(mpl.rcParams) == before
