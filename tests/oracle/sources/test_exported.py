"""Programs that torch.export saved cost what their modules cost."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import pickle
import re
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from oracle.errors import OracleError
from oracle.query import Cost, profile
from oracle.sources import inputs_of, open_source
from tests.mutations import mutated_json
from tests.nightly import examples

FIELDS = ("macs", "flops", "params", "activations", "traffic_bytes", "peak_memory_bytes", "unknown")


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 16, 3, bias=False), nn.BatchNorm2d(16)
        self.qkv, self.head = nn.Linear(16, 48), nn.Linear(16, 5)
        self.head.weight = nn.Parameter(torch.randn(5, 16))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.norm(self.conv(x))).flatten(2).transpose(1, 2)
        q, k, v = (t.unflatten(-1, (2, 8)).transpose(1, 2) for t in self.qkv(x).chunk(3, -1))
        x = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return self.head(x.mean(1))


class Several(nn.Module):
    def forward(self, x: torch.Tensor, scale: float, y: torch.Tensor) -> Any:
        return {"sum": x + scale * y, "half": [x / 2]}


def save(module: nn.Module, path: Path, *inputs: Any, **options: Any) -> str:
    torch.export.save(torch.export.export(module.eval(), inputs, **options), path)
    return str(path)


def fields(cost: Cost) -> list[Any]:
    return [getattr(cost, name) for name in FIELDS]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "workload", [{}, {"dtype": "float16"}, {"runtime": "engine"}, {"runtime": "compiled", "layout": "nhwc"}]
)
def test_a_program_costs_what_its_module_costs(workload: dict[str, str], tmp_path: Path) -> None:
    net, x = Net(), torch.randn(2, 3, 8, 8)
    found = open_source(save(net, tmp_path / "n.pt2", x))
    ours = profile(found.module, *found.args, **workload)
    theirs = profile(net, x, **workload)
    assert fields(ours) == fields(theirs)
    assert [(k.name, k.module) for k in ours.kernels()] == [(k.name, k.module) for k in theirs.kernels()]


@pytest.mark.filterwarnings("ignore")
def test_free_dimensions_take_a_batch_and_fixed_ones_refuse_it(tmp_path: Path) -> None:
    net, x = Net(), torch.randn(2, 3, 8, 8)
    fixed = save(net, tmp_path / "fixed.pt2", x)
    with pytest.raises(OracleError, match="exported for input 2x3x8x8"):
        open_source(fixed, (), 4)
    free = save(net, tmp_path / "free.pt2", x, dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=64)},))
    found = open_source(free, (), 4)
    assert fields(profile(found.module, *found.args)) == fields(profile(net, torch.randn(4, 3, 8, 8)))
    with pytest.raises(OracleError, match="free dimensions: 0"):
        open_source(free, inputs_of(["2x3x9x9"]))


@pytest.mark.filterwarnings("ignore")
def test_inputs_that_are_numbers_and_outputs_in_a_nest(tmp_path: Path) -> None:
    x, y = torch.randn(4, 5), torch.randn(4, 5)
    found = open_source(save(Several(), tmp_path / "s.pt2", x, 0.5, y))
    assert [str(item) for item in found.inputs] == ["4x5:float32", "4x5:float32"]
    assert fields(profile(found.module, *found.args)) == fields(profile(Several(), x, 0.5, y))


@pytest.fixture
def logged() -> Iterator[list[logging.LogRecord]]:
    """What torch.export would show on the terminal: with tracebacks, of files that it cannot read."""
    found: list[logging.LogRecord] = []

    class Shown(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record)

    handler = Shown()
    logging.getLogger("torch.export").addHandler(handler)
    yield found
    logging.getLogger("torch.export").removeHandler(handler)


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 no zip"])
def test_a_file_that_is_none(content: bytes | None, tmp_path: Path, logged: list[Any]) -> None:
    path = tmp_path / "x.pt2"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(OracleError, match=r"no such file|not a file of torch\.export: BadZipFile"):
        open_source(path)
    assert not logged


@pytest.mark.filterwarnings("ignore")
def test_a_broken_file_says_why_in_one_line(tmp_path: Path, logged: list[Any]) -> None:
    whole = Path(save(Net(), tmp_path / "n.pt2", torch.randn(2, 3, 8, 8)))
    (tmp_path / "half.pt2").write_bytes(whole.read_bytes()[:2000])
    torch.save(Net().state_dict(), tmp_path / "weights.pt2")
    logged.clear()
    for name, reason in (("half", "BadZipFile"), ("weights", "failed locating file")):
        with pytest.raises(OracleError, match=rf"not a file of torch\.export: .*{reason}") as raised:
            open_source(tmp_path / f"{name}.pt2")
        assert "warnings above" not in str(raised.value)
        assert "\n" not in str(raised.value)
    assert not logged
    assert not logging.getLogger("torch.export").filters


def rewritten(path: Path, new: Path, changes: dict[str, Any]) -> Path:
    """A copy of an archive, members that end so replaced: by bytes, or by what a function makes of their JSON."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(new, "w") as archive:
        for info in old.infolist():
            content = old.read(info)
            for end, change in changes.items():
                if info.filename.endswith(end):
                    content = change if isinstance(change, bytes) else json.dumps(change(json.loads(content))).encode()
            archive.writestr(info.filename, content)
    return new


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pt2") / "net.pt2"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save(Net(), path, torch.randn(2, 3, 8, 8), dynamic_shapes=({0: torch.export.Dim("batch", max=64)},))
    return path


class Command:
    """Runs a shell command when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.mark}",)


def test_nothing_of_a_file_is_unpickled_or_evaluated(whole: Path, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    payload = pickle.dumps(Command(mark))
    pickle.loads(payload)  # noqa: S301 - the attack works on whoever unpickles
    assert mark.exists()
    mark.unlink()
    buffer = io.BytesIO()
    torch.save(Command(mark), buffer)
    expression = f"__import__('os').system('touch {mark}')"

    def pickled(config: Any) -> Any:
        for item in config["config"].values():
            item["use_pickle"] = True
        return config

    def evaluated(model: Any) -> Any:
        return json.loads(
            re.sub(r'"expr_str": "(\\.|[^"])*"', f'"expr_str": {json.dumps(expression)}', json.dumps(model))
        )

    changes = {
        "sample_inputs/model.pt": buffer.getvalue(),
        "weight_0": buffer.getvalue(),
        "weights_config.json": pickled,
        "constants_config.json": pickled,
        "model.json": evaluated,
    }
    bad = rewritten(whole, tmp_path / "bad.pt2", changes)
    with zipfile.ZipFile(bad) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("model.json")]
        assert expression.encode() in archive.read(name)
    found = open_source(bad)
    assert fields(profile(found.module, *found.args)) == fields(profile(Net(), torch.randn(2, 3, 8, 8)))
    assert not mark.exists()
    with warnings.catch_warnings():  # torch's own reader does run it
        warnings.simplefilter("ignore")
        with contextlib.suppress(Exception):
            torch.export.load(bad)
    assert mark.exists()


@pytest.mark.parametrize(
    ("target", "inputs"),
    [
        ("torch.ops.aten.from_file.default", ["{mark}", True, 64]),
        ("torch.ops.load_library", ["{mark}"]),
        ("torch.load", ["{mark}"]),
        ("torch.save", ["x", "{mark}"]),
        ("torch.ops.aten.save.default", ["x", "{mark}"]),
        ("torch.ops.aten.__loader__.default", []),
        ("torch.ops.aten._print.default", ["text"]),
        ("torch.hub.load", ["{mark}", "x"]),
        ("torch.ops.debugprims.load_tensor.default", ["{mark}", [1], [1]]),
        ("_operator.methodcaller", ["touch"]),
        ("_operator.pow", [9, 10**9]),
        ("_operator.lshift", [1, 10**9]),
        ("math.factorial", [10**6]),
    ],
)
def test_only_operators_on_tensors_are_called(whole: Path, tmp_path: Path, target: str, inputs: list[Any]) -> None:
    mark = tmp_path / "mark"
    kinds = {str: "as_string", bool: "as_bool", int: "as_int", list: "as_ints"}

    def called(model: Any) -> Any:
        values = [item.format(mark=mark) if isinstance(item, str) else item for item in inputs]
        given = [{"name": "", "arg": {kinds[type(item)]: item}, "kind": 1} for item in values]
        node = {"target": target, "inputs": given, "outputs": [{"as_tensor": {"name": "new"}}], "metadata": {}}
        model["graph_module"]["graph"]["nodes"].insert(0, {**node, "name": "new"})
        return model

    bad = rewritten(whole, tmp_path / "bad.pt2", {"model.json": called})
    with pytest.raises(OracleError, match=r"operator|too large") as raised:
        profile(open_source(bad).module, torch.randn(2, 3, 8, 8))
    assert "\n" not in str(raised.value)
    assert not mark.exists()


def test_pieces_without_number_are_refused(whole: Path, tmp_path: Path) -> None:
    def split(model: Any) -> Any:
        given = [
            {"name": "self", "arg": {"as_tensor": {"name": "x"}}, "kind": 1},
            {"name": "dim", "arg": {"as_int": 0}, "kind": 1},
        ]
        node = {"target": "torch.ops.aten.unbind.int", "inputs": given, "outputs": [{"as_tensors": []}], "metadata": {}}
        model["graph_module"]["graph"]["nodes"].insert(0, {**node, "name": "many"})
        return model

    bad = open_source(rewritten(whole, tmp_path / "bad.pt2", {"model.json": split}))
    with pytest.raises(OracleError, match=r"unbind of a tensor of 1000000000000 entries"):
        profile(bad.module, torch.empty(10**12, 3, 8, 8, device="meta"))


def test_archives_before_torch_2_8(whole: Path, tmp_path: Path) -> None:
    """Their program is a member of another name, and so are their pickles."""
    with zipfile.ZipFile(whole) as archive, zipfile.ZipFile(tmp_path / "old.pt2", "w") as old:
        (name,) = [name for name in archive.namelist() if name.endswith("model.json")]
        old.writestr("serialized_exported_program.json", archive.read(name))
        old.writestr("serialized_state_dict.pt", pickle.dumps(Command(tmp_path / "mark")))
        old.writestr("version", "8.8")
    found, new = open_source(tmp_path / "old.pt2"), open_source(whole)
    assert fields(profile(found.module, *found.args)) == fields(profile(new.module, *new.args))
    assert not (tmp_path / "mark").exists()


def test_a_program_too_large_to_read(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oracle.sources.archive._LARGEST_JSON", 1000)
    with pytest.raises(OracleError, match=r"model\.json is larger than"):
        open_source(whole)


def test_tied_weights_stay_tied(tmp_path: Path) -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.head = nn.Embedding(50, 16), nn.Linear(16, 50, bias=False)
            self.head.weight = self.embed.weight

        def forward(self, x: torch.Tensor) -> Any:
            return self.head(self.embed(x))

    found = open_source(save(Tied(), tmp_path / "t.pt2", torch.zeros(2, 3, dtype=torch.int64)))
    assert profile(found.module, *found.args).params == 50 * 16


@examples(60)
@given(seed=st.integers(0, 2**32))
def test_a_program_made_wrong_is_a_result_or_one_line(whole: Path, seed: int) -> None:
    bad = whole.with_name("mutated.pt2")
    rewritten(whole, bad, {"model.json": lambda model: mutated_json(model, seed)})
    try:
        found = open_source(bad)
        profile(found.module, *found.args)
    except OracleError as error:
        assert "\n" not in str(error)  # noqa: PT017 - no error is right, too
