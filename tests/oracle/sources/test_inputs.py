"""Inputs as people write them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oracle.errors import WorkloadError
from oracle.sources.inputs import DTYPES, InputSpec, batch_of, parse_input, with_batch


def test_by_hand() -> None:
    assert parse_input("1x3x224x224") == InputSpec((1, 3, 224, 224), "float32", "")
    assert parse_input(" ids=1x128:int64 ") == InputSpec((1, 128), "int64", "ids")
    assert parse_input("scalar:bool") == InputSpec((), "bool")
    tensor = parse_input("2x5:bfloat16").empty()
    assert (tensor.shape, tensor.dtype, tensor.is_meta) == ((2, 5), torch.bfloat16, True)


@given(
    st.lists(st.integers(1, 3000), min_size=1, max_size=5),
    st.sampled_from(DTYPES),
    st.sampled_from(["", "x", "mask_1"]),
)
def test_text_and_back(shape: list[int], dtype: str, name: str) -> None:
    spec = InputSpec(tuple(shape), dtype, name)
    assert parse_input(str(spec)) == spec
    assert getattr(torch, dtype)


@pytest.mark.parametrize(
    "text", ["", "1x", "x1", "1,3", "0x3", "1x3:float", "1x3:Tensor", "-1x3", "1X3", "a b=1", "1" * 30, "1x٣"]
)
def test_anything_else_is_an_error(text: str) -> None:
    with pytest.raises(WorkloadError, match="input="):
        parse_input(text)


def test_the_batch_replaces_the_first_dimension_of_all() -> None:
    pair = (InputSpec((1, 128), "int64"), InputSpec((1, 7)))
    assert [item.shape for item in with_batch(pair, 8)] == [(8, 128), (8, 7)]
    assert with_batch(pair, None) == pair
    assert batch_of((InputSpec(()), InputSpec((3, 4)))) == 3


@pytest.mark.parametrize("second", [InputSpec((3, 7)), InputSpec(())])
def test_a_batch_that_could_be_elsewhere_is_an_error(second: InputSpec) -> None:
    with pytest.raises(WorkloadError, match="not clear"):
        with_batch((InputSpec((1, 128)), second), 8)


@pytest.mark.parametrize("text", ["999999999999999999x3", "1x99999999x99999999x99999999", "x".join(["9" * 18] * 64)])
def test_more_than_a_tensor_can_hold(text: str) -> None:
    with pytest.raises(WorkloadError, match="expected at most"):
        parse_input(text)
    with pytest.raises(WorkloadError, match="expected at most"):
        with_batch([parse_input("2x1000000")], 10**18)
