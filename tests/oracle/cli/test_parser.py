"""Slips in the name of a flag, of every command of both programs: the flag is named, and nothing else happens."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import pytest

from oracle.cli._parser import parser
from oracle.errors import OracleError
from search.cli._parser import parser as search_parser


def _commands() -> Iterator[argparse.ArgumentParser]:
    for main in (parser(), search_parser()):
        for action in main._actions:
            if isinstance(action, argparse._SubParsersAction):
                yield from action.choices.values()


def _filled(command: argparse.ArgumentParser) -> list[str]:
    """What a command requires."""
    words = []
    for action in command._actions:
        value = next(iter(action.choices)) if action.choices else "1"
        if action.option_strings and action.required:
            words += [action.option_strings[0], value]
        elif not action.option_strings and action.nargs in (None, "+"):
            words.append(value)
    return words


def _swapped(flag: str) -> str:
    at = next((at for at in range(len(flag) - 2, 1, -1) if flag[at] != flag[at + 1]), 0)
    return flag[:at] + flag[at + 1] + flag[at] + flag[at + 2 :]


@pytest.mark.parametrize(
    "slip",
    [
        _swapped,
        lambda flag: f"{_swapped(flag)}=7",
        lambda flag: flag + flag[-1],
        lambda flag: flag[1:],
        lambda flag: f"{flag[1:]}=7",
        lambda flag: f"\N{EM DASH}{flag[2:]}",
        lambda flag: f"\N{EN DASH}{flag[2:]}",
        lambda flag: f"-{flag}",
    ],
    ids=["swapped", "swapped, with a value", "twice", "one dash", "one dash, with a value", "em", "en", "three dashes"],
)
def test_a_slip_in_a_flag_is_named(slip: Callable[[str], str]) -> None:
    wrong = []
    for command in _commands():
        known = command._option_string_actions
        for flag in (flag for flag in known if flag.startswith("--")):
            typed = slip(flag)
            if typed.partition("=")[0] in known:
                continue
            with pytest.raises(OracleError) as caught:
                command.parse_args([*_filled(command), typed])
            near = str(caught.value).partition("did you mean ")[2].partition("?")[0]
            if known.get(near) is not known[flag]:
                wrong.append((command.prog, typed, str(caught.value)))
    assert not wrong


def test_a_value_behind_its_short_flag_is_no_slip() -> None:
    score = next(command for command in _commands() if command.prog == "oracle score")
    chosen = score.parse_args(["-dt4", "-b8", "--", "-device"])
    assert (chosen.device, chosen.networks) == (["t4"], ["-device"])


def test_tokens_in_are_named_as_tokens_out_are() -> None:
    serving = next(command for command in _commands() if command.prog == "oracle serving")
    words = ["Llama-3.1-8B", "-d", "t4", "--output-tokens", "5"]
    assert serving.parse_args([*words, "--input-tokens", "7"]) == serving.parse_args([*words, "--input", "7"])
