"""The examples of the help texts work."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from oracle.cli import _parser
from oracle.cli._parser import COMMANDS
from oracle.spec import DTYPES, LAYOUTS, MODES, OPTIMIZERS, RUNTIMES

Run = Callable[..., Any]

# what a user has and no test
OWN = (
    *("my/net.yaml", "my/board.yaml", "candidates/", "m.csv", "host.yaml", "my.yaml", "profile.csv", "trace.json"),
    *("nets.mine:", "bert.onnx", "torchvision:", "timm:", "--on cuda"),
    "oracle serve",  # runs until somebody ends it
)
EXAMPLES = sorted(
    {
        line.partition("#")[0].strip()
        for module in (_parser, *map(import_module, COMMANDS.values()))
        for line in module._EXAMPLES.splitlines()
        if line.startswith("  oracle ")
    }
)


@pytest.mark.parametrize("example", [line for line in EXAMPLES if not any(path in line for path in OWN)])
def test_every_example_runs(run: Run, example: str) -> None:
    done = run(*shlex.split(example)[1:])
    assert (done.code, done.err) == (0, "")
    assert done.out or " -o " in example


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_understood(example: str) -> None:
    words = shlex.split(example)[1:]
    whole, own = (vars(made.parse_args(words)) for made in (_parser.parser(), _parser.parser(words)))
    assert callable(whole["run"])
    assert {**whole, "check": None} == {**own, "check": None}


def test_there_are_examples_for_every_command(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    said = {shlex.split(line)[1] for line in EXAMPLES}
    assert said == set(COMMANDS)
    for command in said:
        lines = run(command, "--help").lines
        assert "examples:" in lines
        assert all(line.isascii() and line == line.rstrip() for line in lines)
        assert max(map(len, lines)) <= (100 if command in ("score", "rank", "ops") else 120)


def test_every_word_of_a_workload_is_in_the_help(run: Run) -> None:
    said = run("score", "--help").out
    for word in (*DTYPES, *MODES, *RUNTIMES, *LAYOUTS, *OPTIMIZERS):
        assert word in said
