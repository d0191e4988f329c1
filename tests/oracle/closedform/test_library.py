"""The templates that ship: made of today's sources, and each equal to a fresh trace."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from oracle.cells import cell_kinds, cell_role
from oracle.closedform.answers import answer
from oracle.closedform.canonical import canonical_key
from oracle.closedform.halving import half_key
from oracle.closedform.inputs import workload_key
from oracle.closedform.library import BATCH_OF_ONE, Library, library, library_directory, role_of
from oracle.closedform.store import fingerprint, torch_version
from oracle.errors import OracleError
from oracle.families.graphs import structure_of
from oracle.spec import Workload
from tests.benchmarks.templates.checking import differences, sizes, traced

_KINDS = library().kinds()


def test_every_kind_of_cell_ships() -> None:
    ours = {kind for kind in cell_kinds() if not kind.startswith("test_") and structure_of(kind) is None}
    assert set(_KINDS) == ours | {"cross_entropy"}


@pytest.mark.parametrize("kind", _KINDS)
def test_the_files_were_made_of_these_sources(kind: str) -> None:
    """Otherwise: python -m tests.benchmarks.make_templates, with --check if nothing they say has changed."""
    header = library().header(kind)
    assert (header["torch"], header["sources"]) == (torch_version(), fingerprint(kind))
    assert kind == "cross_entropy" or role_of(kind) == cell_role(kind)


@pytest.mark.parametrize("kind", _KINDS)
def test_shipped_templates_say_what_a_fresh_trace_says(kind: str) -> None:
    """At sizes that nobody made them for: some keys of every kind; `python -m tests.benchmarks.make_templates --check` does all.

    Sizes are found that more than a third of the templates hold for.
    """
    assert list(differences(kind, random.Random(kind), 12)) == []


@pytest.mark.nightly
@pytest.mark.parametrize("kind", _KINDS)
def test_more_shipped_templates_say_what_a_fresh_trace_says(kind: str) -> None:
    assert list(differences(kind, random.Random(f"{kind} by night"), 100)) == []


@pytest.mark.parametrize(
    ("asked", "stored"), [("tf32", "float32"), ("bfloat16", "float16"), ("float8", "int8"), ("float16", "float16")]
)
def test_types_of_one_size_share_templates(asked: str, stored: str) -> None:
    runtime = "engine" if stored == "int8" else "compiled"
    for key in sorted(library().keys("res_bottleneck_block"), key=repr)[::193]:
        words = dict(key.workload)
        if (words["dtype"], words["runtime"]) != (stored, runtime):
            continue
        weights = {"weights": asked} if "weights" in words else {}
        workload = Workload(batch_size=2, **{**words, "dtype": asked, **weights})
        own = {"dtype": asked} if key.input.dtype == stored else {}
        mine = key._replace(
            workload=workload_key(workload),
            input=key.input._replace(**own) if asked == "bfloat16" else key.input,
            gradient=key.gradient and (key.gradient._replace(**own) if asked == "bfloat16" else key.gradient),
        )
        assert canonical_key(mine)[0] == key
        for template in library().find(mine):
            values = sizes(template, random.Random(3))
            if values is not None:
                assert answer(template, values) == traced(mine, values)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_weights_in_half_precision_have_templates_where_float32_has(dtype: str) -> None:
    """They are stored as what differs; nothing is cast in them."""
    for kind in ("res_bottleneck_block", "head", "vit_tokenizer", "cross_entropy"):
        keys = set(library().keys(kind))
        whole = [key for key in keys if dict(key.workload)["dtype"] == "float32"]
        assert keys.issuperset(half_key(key) for key in whole if dict(key.workload)["mode"] == "inference")
        there = sorted((key for key in whole if half_key(key) in keys), key=repr)
        for key in there[:: max(len(there) // 12, 1)]:
            half = half_key(key)
            words = {**dict(half.workload), "dtype": dtype, "weights": dtype}
            mine = half._replace(
                workload=tuple(words.items()),
                input=key.input._replace(dtype=dtype),
                gradient=key.gradient and key.gradient._replace(dtype=dtype),
            )
            assert canonical_key(mine)[0] == half
            found = library().find(mine)
            assert len(found) == len(library().find(key)) > 0
            for template in found:
                assert not any("aten._to_copy" in kernel.name for kernel in template.kernels)
                values = sizes(template, random.Random(7))
                if values is not None:
                    assert answer(template, values) == traced(mine, values)


def test_a_batch_of_one_has_the_same_closed_form_or_its_own() -> None:
    found = 0
    for kind in ("vanilla_block", "vit_tokenizer"):
        for key in sorted(library().keys(kind), key=repr)[::29]:
            one = key._replace(pinned=tuple(sorted({*key.pinned, BATCH_OF_ONE})))
            for template in library().find(one):
                values = sizes(template, random.Random(5))
                if values is not None:
                    values["d0"] = 1
                    assert answer(template, values) == traced(one, values)
                    found += 1
    assert found > 5


@pytest.mark.parametrize("damage", ["cut", "byte", "header", "empty", "absent"])
def test_a_damaged_file_is_as_good_as_none(damage: str, tmp_path: Path) -> None:
    file = tmp_path / "head.templates"
    shutil.copy(library_directory() / "head.templates", file)
    key = library().keys("head")[0]
    assert Library(tmp_path).find(key)
    raw = bytearray(file.read_bytes())
    if damage == "cut":
        raw = raw[: len(raw) // 2]
    elif damage == "byte":
        start = raw.index(b"\n") + 1
        raw[start:] = bytes(255 - byte for byte in raw[start:])
    elif damage == "header":
        raw[12] ^= 1
    elif damage == "empty":
        raw.clear()
    file.write_bytes(raw)
    if damage == "absent":
        file.unlink()
    damaged = Library(tmp_path)
    others = [found for key in library().keys("head") if (found := damaged.find(key))]
    assert not others if damage != "cut" else len(others) < len(library().keys("head"))


def test_a_kind_that_does_not_ship_is_asked_of_torch() -> None:
    with pytest.raises(OracleError, match="cell kind='no_such_kind'"):
        role_of("no_such_kind")
