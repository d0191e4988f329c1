"""What is a reference, and what it says; nothing is imported."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.errors import OracleError
from oracle.sources.references import is_reference, parse_reference


@pytest.mark.parametrize(
    "text",
    [
        "torchvision:resnet50",
        "timm:convnext_tiny.fb_in1k",
        "a.b:make",
        "a.b:C.make(3, x=[1])",
        "x.onnx",
        "d/X.PT2",
        "é:f",
    ][:-1],
)
def test_references(text: str) -> None:
    assert is_reference(text)
    assert parse_reference(text).text == text


@pytest.mark.parametrize(
    "text",
    [
        "ResNet-50",
        "configs/networks",
        "a.yaml",
        "",
        "C:\\nets\\a.yaml",
        "a:",
        ":a",
        "a:b:c",
        "timm:hf-hub:x/y",
        None,
        3,
    ],
)
def test_no_references(text: object) -> None:
    assert not is_reference(text)


def test_a_file_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_reference("a:b")
    Path("a:b").write_text("", encoding="utf-8")
    assert not is_reference("a:b")


def test_parts() -> None:
    found = parse_reference("pkg.nets:Room.make(32, act='relu', sizes=[3, 5])")
    assert (found.kind, found.module, found.name) == ("code", "pkg.nets", "Room.make")
    assert (found.args, found.kwargs, found.called) == ((32,), {"act": "relu", "sizes": [3, 5]}, True)
    assert not parse_reference("pkg.nets:make").called
    assert parse_reference("timm:resnet18").kind == "timm"
    assert parse_reference("dir/a.onnx")[1:4] == ("onnx", "", "dir/a.onnx")


@pytest.mark.parametrize(
    "call",
    [
        "(open('x'))",
        "(**{})",
        "(*[1])",
        "(1)(2)",
        "(x=1, x=2)",
        "(1 if 2 else 3)",
        "(__import__)",
    ],
)
def test_arguments_are_literals(call: str) -> None:
    with pytest.raises(OracleError, match=r"literals|expected"):
        parse_reference(f"a:f{call}")


@pytest.mark.parametrize("call", ["(", "(3", "(3))", "(3]", "(3) more", "(x=)", "(" * 300 + ")" * 300, "(\0)"])
def test_what_is_no_valid_call_says_so(call: str) -> None:
    assert is_reference(f"a.b:f{call}")
    with pytest.raises(OracleError, match=r"^network='a\.b:f\(.*: no valid call; expected package\.module:callable"):
        parse_reference(f"a.b:f{call}")


_LITERALS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.tuples(inner),
    max_leaves=5,
)


@given(
    st.lists(_LITERALS, max_size=3),
    st.dictionaries(st.from_regex(r"[a-z]{1,8}_", fullmatch=True), _LITERALS, max_size=3),
)
def test_any_literals_come_back(args: list[object], kwargs: dict[str, object]) -> None:
    words = [repr(item) for item in args] + [f"{name}={value!r}" for name, value in kwargs.items()]
    found = parse_reference(f"a:f({', '.join(words)})")
    assert (list(found.args), found.kwargs) == (args, kwargs)
