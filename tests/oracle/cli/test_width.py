"""Tables in a pipe: plain ASCII, at most 100 columns, and nothing cut off."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import oracle

Run = Callable[..., Any]

LONG = "a-network-whose-name-nobody-would-want-to-type-" * 3


@pytest.mark.parametrize(
    "arguments",
    [
        ["score", "EfficientNet-B0", "ResNeXt-101-32x4d", "-d", "rtx-4090", "-d", "jetson-orin-nano-super"],
        ["score", "ViT-H-16", "-d", "t4", "--mode", "training", "-b", "4096", "--convention", "ptflops"],
        ["rank", "configs/networks/resnet", "-d", "jetson-orin-nano-super", "-d", "t4"],
        ["ops", "ViT-B-16", "-d", "t4", "--mode", "training", "--runtime", "compiled"],
        ["ops", "ViT-B-16", "--by", "module"],
        ["ops", "EfficientNet-B5", "-d", "jetson-orin-nano-super", "--dtype", "float16", "-b", "256"],
        ["devices"],
        ["devices", *oracle.list_devices()],
        ["networks"],
        ["score", LONG, "-d", "t4"],
        ["rank", LONG, "R-56", "-d", "t4"],
        ["ops", LONG, "-d", "t4"],
    ],
    ids=lambda arguments: " ".join(arguments)[:60],
)
def test_a_pipe_gets_plain_text_of_at_most_100_columns(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str]
) -> None:
    (tmp_path / f"{LONG}.yaml").write_text("_BASE_: R-56\n", encoding="utf-8")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm-256color")
    done = run(*(f"{LONG}.yaml" if argument == LONG else argument for argument in arguments))
    assert (done.code, done.err) == (0, "")
    assert done.out.isascii()
    assert "\x1b" not in done.out
    for line in done.lines:
        assert len(line) <= 100, line
        assert line == line.rstrip()
    if LONG in arguments:
        assert LONG in "".join(word for line in done.lines for word in line.split() if word in LONG)


def test_a_terminal_gets_colours_and_drawn_rules(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    done = run("score", "R-56", "-d", "t4")
    assert "\x1b[" in done.out
    assert "\N{BOX DRAWINGS LIGHT HORIZONTAL}" in done.out


def test_a_name_is_text_not_markup(run: Run, tmp_path: Path) -> None:
    (tmp_path / "[red]net.yaml").write_text("_BASE_: R-56\n", encoding="utf-8")
    assert "[red]net" in run("score", "[red]net.yaml").out
