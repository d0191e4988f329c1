"""Every reader of files that others may write: real ones made wrong are a result, or one line.

Readers of traces, reports of engines, measurements, `.pt2` and `.onnx` have such a test beside their others. What bears
a checksum is as it was written, or is made anew: templates, parts, a sweep that is gone on with, values of Parquet.
A database behind a server cannot be made wrong from here.
"""

from __future__ import annotations

import json
import math
import random
import shutil
from collections.abc import Callable, Iterable
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, fields
from functools import cache
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import oracle
from oracle._resources import find_config, shipped
from oracle.calibration import load_calibration
from oracle.cli import main as oracle_main
from oracle.closedform import store as store_module
from oracle.closedform.library import Library, library, library_directory
from oracle.closedform.store import TemplateStore
from oracle.closedform.structural.parts import archive_of, load_parts, member_of
from oracle.closedform.template import Template
from oracle.collectives import link_values
from oracle.config.strict_yaml import parse_yaml
from oracle.errors import OracleError
from oracle.imports.kineto import read_trace
from oracle.imports.ncu import read_ncu
from oracle.serve.answers import scored
from oracle.serve.requests import Query
from oracle.serving.engines import ENGINES, engine_named, reach_in_engines
from oracle.spec import LAYOUTS, Workload
from search.cli import main as search_main
from search.objectives import check_quality, quality_of
from search.report.manifests import manifest_beside
from search.space import load_space, space_of
from search.study import load_study
from search.study.results import open_results
from search.sweep import read_candidates, sweep
from tests.benchmarks.templates.plain import plain_parts
from tests.mutations import flipped_bits, mutated_bytes, mutated_json, mutated_text
from tests.search.sweep.small import SETUP

FIXTURES = Path(__file__).parent / "oracle" / "imports" / "fixtures"
BAD = "bad-"
Mutation = Callable[[bytes, int], bytes]


def as_text(raw: bytes, seed: int) -> bytes:
    try:
        return mutated_text(raw.decode("utf-8-sig"), seed).encode()
    except UnicodeDecodeError:  # in UTF-16, as PowerShell writes
        return mutated_bytes(raw, seed)


def as_bytes(raw: bytes, seed: int) -> bytes:
    """Bytes replaced, left out or doubled, or a few bits flipped where they are."""
    return mutated_bytes(raw, seed) if seed % 2 else flipped_bits(raw, seed)


def as_json(raw: bytes, seed: int) -> bytes:
    return json.dumps(mutated_json(json.loads(raw), seed, times=1 + seed % 2)).encode()


def as_lines(raw: bytes, seed: int) -> bytes:
    """One of many lines of JSON made wrong, or the JSON in a text that one holds."""
    lines = raw.decode().splitlines()
    place = random.Random(seed).randrange(len(lines))
    content = json.loads(lines[place])
    inner = [held for held in _holders(content) if seed % 2 and held[0][held[1]].startswith(("{", "["))]
    for holder, key in inner[:1]:
        holder[key] = json.dumps(mutated_json(json.loads(holder[key]), seed, times=1))
    lines[place] = json.dumps(content if inner else mutated_json(content, seed, times=1))
    return "\n".join([*lines, ""]).encode()


def _holders(tree: Any) -> list[tuple[Any, Any]]:
    """Where the texts of a tree are."""
    pairs = list(tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ())
    below = [found for _, value in pairs for found in _holders(value)]
    return [(tree, key) for key, value in pairs if isinstance(value, str)] + below


def as_yaml(raw: bytes, seed: int) -> bytes:
    """Values replaced where the file stays YAML, lines and characters where it may not."""
    if seed % 3 == 0:
        return as_text(raw, seed)
    return yaml.safe_dump(mutated_json(parse_yaml(raw.decode(), "real"), seed, times=1 + seed % 2)).encode()


@dataclass(frozen=True)
class Reader:
    """How one kind of file is read.

    Attributes:
        files: real ones, a function as some are made first.
        mutated: how they are made wrong.
        read: what is done with them; a result of any kind is right.
    """

    files: Callable[[Path], list[Path]]
    mutated: Mutation
    read: Callable[[Path], Any]


def shipped_files(kind: str, *names: str) -> Callable[[Path], list[Path]]:
    return lambda _: [path for name, path in shipped(kind).items() if not names or name in names]


def fixtures(pattern: str) -> Callable[[Path], list[Path]]:
    return lambda _: sorted(FIXTURES.glob(pattern))


def original(path: Path) -> str:
    """The name of the file that was made wrong."""
    return path.name.removeprefix(BAD)


def device_of(path: Path) -> Any:
    return oracle.score("ResNet-50", [path])


def calibrated(path: Path) -> Any:
    found = load_calibration(path)
    words = {name: getattr(found, name) for name in ("runtime", "mode", "dtype", "layout", "engine")}
    return oracle.score("ResNet-50", [found.device], calibrations=[found], **words)


def served(path: Path) -> Any:
    """A decoder behind an engine; the values of the engine, of a link or of kernels are from this file."""
    name = original(path).removesuffix(".yaml")
    words = {"engine": name if name in ENGINES else "vllm", "input_tokens": 64, "output_tokens": 16, "tp": 2}

    def file_of(kind: str, other: str) -> Path | None:
        return path if (kind, other) == ("serving", name) else find_config(kind, other)

    kept = engine_named, reach_in_engines, link_values
    with patch("oracle.fitted.find_config", file_of):
        [function.cache_clear() for function in kept]
        try:
            device = "l40s" if name == "pcie" else "h100-sxm"
            found = oracle.serve_latency("Llama-3.1-8B", device, concurrency=[1, 64], **words)
            assert all(math.isfinite(time) for point in found.points for time in (point.ttft_ms, point.tpot_ms))
            return found
        finally:
            [function.cache_clear() for function in kept]


def of_space(path: Path) -> Any:
    space = load_space(path)
    return space.networks(space.sample(0, 3), 0).population.size


def huggingface(folder: Path) -> list[Path]:
    """Configs as Llama, Mixtral and Qwen3 publish them, but small."""
    sizes = {"vocab_size": 96, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 1024}
    experts = {"num_local_experts": 4, "num_experts_per_tok": 2}
    known = [
        {"model_type": "llama", "rope_theta": 1e4, "tie_word_embeddings": True, "torch_dtype": "bfloat16"},
        {"model_type": "mixtral", "sliding_window": 64, **experts},
        {"model_type": "qwen3", "head_dim": 16, "use_sliding_window": False, "attention_bias": False},
    ]
    files = [folder / f"config-{number}.json" for number in range(len(known))]
    for file, own in zip(files, known, strict=True):
        file.write_text(json.dumps({**sizes, **heads, **own}), encoding="utf-8")
    return files


def body(folder: Path) -> list[Path]:
    config = {"_BASE_": "ResNet-50", "COST": {"DEVICES": ["t4"], "BATCH_SIZE": 8}}
    (folder / "body.json").write_text(json.dumps([config, {"_BASE_": "RegNetX-400MF"}]), encoding="utf-8")
    return [folder / "body.json"]


def a_sweep(folder: Path, suffix: str = "csv") -> Path:
    sweep("regnetx", ["t4"], n=5, out=folder / "sweep", formats=(suffix,))
    return folder / "sweep"


def swept(folder: Path) -> list[Path]:
    return [a_sweep(folder) / "candidates.csv"]


def swept_as_parquet(folder: Path) -> list[Path]:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    return [a_sweep(folder, "parquet") / "candidates.parquet"]


def manifest(folder: Path) -> list[Path]:
    return [a_sweep(folder) / "manifest.json"]


def candidates(path: Path) -> Any:
    found = read_candidates(path)
    return found.columns([name for name in ("macs", "latency_ms@t4") if name in found.names]), found.rows([0, 1])


def swept_on(path: Path) -> Any:
    """The report of the sweep whose manifest this is, and the sweep gone on with."""
    folder = path.parent / "sweep of another"
    folder.mkdir(exist_ok=True)
    (folder / "manifest.json").write_bytes(path.read_bytes())
    (folder / "candidates.csv").write_bytes((path.parent / "candidates.csv").read_bytes())
    manifest_beside(folder / "candidates.csv")
    return sweep("regnetx", ["t4"], n=5, out=folder, resume=True)


class StoppedError(Exception):
    """A sweep is stopped on purpose."""


def in_chunks(out: Path, **more: Any) -> Any:
    """A sweep of five chunks, to be stopped by `more` or gone on with."""
    setup = {**SETUP, "NUM_SAMPLES": 40, "CHUNK_SIZE": 8}
    formats = ("csv", "parquet") if find_spec("pyarrow") else ("csv",)
    return sweep(space_of({"SETUP": setup}, "small"), ["t4"], out=out, formats=formats, **more)


def parts(folder: Path) -> list[Path]:
    """The parts of a sweep that was stopped after three chunks; beside it is one that went through."""
    in_chunks(folder / "whole")
    calls: list[int] = []

    def stop(*_: int) -> None:
        calls.append(1)
        if len(calls) == 3:
            raise StoppedError

    with pytest.raises(StoppedError):
        in_chunks(folder / "stopped", progress=stop)
    return sorted((folder / "stopped" / "parts").iterdir())


def swept_from(path: Path) -> Any:
    """The sweep gone on with, one part being this file: it ends as the one that went through, or not at all."""
    stopped, out = path.parent.parent, path.parents[2] / "gone on"
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(stopped, out)
    (out / "parts" / path.name).replace(out / "parts" / original(path))
    with patch("os.fsync"):  # which takes longer than all else
        result = in_chunks(out, resume=True)
    for file in result.files:
        assert file.read_bytes() == (stopped.parent / "whole" / file.name).read_bytes()
    return result


def a_study(folder: Path, storage: str) -> None:
    study = {
        "SPACE": "regnetx",
        "OBJECTIVES": ["maximise macs", "minimise latency_ms@t4"],
        "CONSTRAINTS": ["params <= 30e6"],
        "SAMPLER": {"TYPE": "random"},
        "TRIALS": 4,
    }
    (folder / "small.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    assert search_main(["run", str(folder / "small.yaml"), "--storage", storage]) == 0


def journal(folder: Path) -> list[Path]:
    a_study(folder, str(folder / "small.journal"))
    return [folder / "small.journal"]


def database(folder: Path) -> list[Path]:
    a_study(folder, f"sqlite:///{folder}/small.db")
    return [folder / "small.db"]


def of_journal(path: Path) -> Any:
    return shown(open_results(str(path)))


def of_database(path: Path) -> Any:
    return shown(open_results("small", f"sqlite:///{path}"))


def shown(results: Any) -> Any:
    return results.rows(), results.front(), results.rerank("v100")


def templates(_: Path) -> list[Path]:
    return [library_directory() / f"{kind}.templates" for kind in ("cross_entropy", "nasbench201_stem", "vit_head")]


def content(found: Iterable[Template]) -> list[list[Any]]:
    """What templates say, to compare."""
    return [[getattr(template, field.name) for field in fields(template)] for template in found]


def of_templates(path: Path) -> Any:
    """What a library finds that holds this file: what ships, or nothing, so that it is traced."""
    kind = original(path).removesuffix(".templates")
    with TemporaryDirectory() as folder:  # the file may be the shipped one, whose directory is the package's
        shutil.copy(path, Path(folder, original(path)))
        own, keys = Library(Path(folder)), library().keys(kind)
        for key in keys[:: max(len(keys) // 12, 1)]:
            assert content(own.find(key)) in ([], content(library().find(key)))
        return own.keys(kind), own.header(kind)


def kept(folder: Path) -> list[Path]:
    """The user's cache, with some templates."""
    store = TemplateStore(cache=folder)
    for kind in ("vit_head", "simple_stem_in"):
        for key in library().keys(kind)[:3]:
            store._keep(library().find(key)[0])
    return list(folder.iterdir())


def of_cache(path: Path) -> Any:
    """What a store finds in the user's cache: what was kept there, or nothing."""
    folder = path.parent / "cache"
    folder.mkdir(exist_ok=True)
    shutil.copy(path, folder / original(path))
    store, found = TemplateStore(cache=folder), 0
    for kind in ("vit_head", "simple_stem_in"):
        for key in library().keys(kind)[:3]:
            more = store.more(key)
            assert {*map(store_module._line, more)} <= {store_module._line(library().find(key)[0])}
            found += len(more)
    return found


def archive(_: Path) -> list[Path]:
    return [archive_of("nasbench201_cell")]


def of_archive(path: Path) -> Any:
    """Parts of cells from this archive: what ships, or none, so that cells are traced."""
    for layout in LAYOUTS:
        member = member_of(Workload(layout=layout))
        found = load_parts.__wrapped__("nasbench201_cell", member, path)
        assert not found or plain_parts(found) == plain_parts(load_parts("nasbench201_cell", member))
    return found


def table(folder: Path) -> list[Path]:
    (folder / "table.csv").write_text("network,accuracy\nRegNetX-200MF,69.8\nResNet-50,76.1\n", encoding="utf-8")
    return [folder / "table.csv"]


def of_table(path: Path) -> Any:
    section = check_quality({"TYPE": "table", "FILE": path.name}, path.parent)
    return quality_of(section, load_space("regnetx"))


def exported(folder: Path) -> list[Path]:
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()).eval()
    torch.export.save(torch.export.export(module, (torch.zeros(1, 3, 8, 8),)), folder / "net.pt2")
    return [folder / "net.pt2"]


def onnx_file(folder: Path) -> list[Path]:
    helper = pytest.importorskip("onnx").helper
    x, y = (helper.make_tensor_value_info(name, 1, (2, 3, 6)) for name in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    (folder / "net.onnx").write_bytes(helper.make_model(graph).SerializeToString())
    return [folder / "net.onnx"]


CALIBRATIONS = ["rtx-4090.eager.inference.float16.nchw", "t4.eager.inference.float32.nchw",
                "raspberry-pi-4.engine.inference.float32.nchw"]  # fmt: skip
READERS: dict[str, Reader] = {
    "network": Reader(shipped_files("networks", "ResNet-50", "RegNetX-400MF", "ViT-B-16"), as_yaml, oracle.score),
    "body of a request": Reader(body, as_json, lambda path: scored(json.loads(path.read_bytes()), Query())),
    "config.json": Reader(huggingface, as_json, lambda path: oracle.score(f"hf:{path}")),
    "device": Reader(shipped_files("devices", "t4", "rtx-4090", "raspberry-pi-4", "stm32h743"), as_yaml, device_of),
    "calibration": Reader(shipped_files("calibrations", *CALIBRATIONS), as_yaml, calibrated),
    "serving": Reader(shipped_files("serving"), as_yaml, served),
    "space": Reader(shipped_files("spaces"), as_yaml, of_space),
    "study": Reader(shipped_files("studies"), as_yaml, load_study),
    "Nsight Compute": Reader(fixtures("*.csv"), as_text, read_ncu),
    "trace": Reader(fixtures("trace.json"), as_bytes, read_trace),
    "candidates": Reader(swept, as_text, candidates),
    "Parquet": Reader(swept_as_parquet, as_bytes, candidates),
    "manifest": Reader(manifest, as_json, swept_on),
    "parts of a sweep": Reader(parts, as_bytes, swept_from),
    "journal": Reader(journal, as_lines, of_journal),
    "database": Reader(database, as_bytes, of_database),
    "templates": Reader(templates, as_bytes, of_templates),
    "cache": Reader(kept, as_bytes, of_cache),
    "parts of cells": Reader(archive, as_bytes, of_archive),
    "table of qualities": Reader(table, as_text, of_table),
    "pt2": Reader(exported, as_bytes, oracle.score),
    "onnx": Reader(onnx_file, as_bytes, oracle.score),
}

COMMANDS: dict[str, tuple[Callable[..., int], str]] = {
    "network": (oracle_main, "score FILE"),
    "config.json": (oracle_main, "score hf:FILE"),
    "device": (oracle_main, "score ResNet-50 -d FILE"),
    "calibration": (oracle_main, "score ResNet-50 -d t4 --calibration FILE"),
    "space": (search_main, "spaces FILE"),
    "Nsight Compute": (oracle_main, "import FILE"),
    "trace": (oracle_main, "import FILE -d t4"),
    "candidates": (search_main, "pareto FILE"),
    "Parquet": (search_main, "pareto FILE"),
    "journal": (search_main, "trials FILE"),
    "database": (search_main, "trials small --storage sqlite:///FILE"),
    "pt2": (oracle_main, "score FILE"),
    "onnx": (oracle_main, "score FILE"),
}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[Path]]:
    """The real files of a reader, made once."""

    @cache
    def made(name: str) -> list[Path]:
        return READERS[name].files(tmp_path_factory.mktemp("real"))

    return made


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", READERS)
def test_a_real_file_has_a_result(name: str, real: Callable[[str], list[Path]]) -> None:
    found = []
    for file in real(name):
        with suppress(OracleError):  # fixtures of Nsight Compute say what went wrong there
            READERS[name].read(file)
            found.append(file)
    assert found == real(name) or (found and name == "Nsight Compute")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", READERS)
@settings(max_examples=30)
@given(seed=st.integers(0, 2**32), data=st.data())
def test_a_file_made_wrong_is_a_result_or_one_line(
    name: str, real: Callable[[str], list[Path]], tmp_path_factory: pytest.TempPathFactory, seed: int, data: Any
) -> None:
    reader, file = READERS[name], data.draw(st.sampled_from(real(name)))
    own = file.parent if name in ("manifest", "parts of a sweep") else tmp_path_factory.getbasetemp()
    bad = own / f"{BAD}{file.name}"
    bad.write_bytes(reader.mutated(file.read_bytes(), seed))
    try:
        reader.read(bad)
    except OracleError as error:
        assert "\n" not in str(error)  # noqa: PT017 - no error is right, too


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", COMMANDS)
@settings(max_examples=10)
@given(seed=st.integers(0, 2**32), data=st.data())
def test_a_command_on_it_ends_in_its_result_or_in_one_line_and_exit_code_2(
    name: str, real: Callable[[str], list[Path]], tmp_path_factory: pytest.TempPathFactory, seed: int, data: Any
) -> None:
    file = data.draw(st.sampled_from(real(name)))
    bad = tmp_path_factory.getbasetemp() / f"{BAD}{file.name}"
    bad.write_bytes(READERS[name].mutated(file.read_bytes(), seed))
    main, words = COMMANDS[name]
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()) as said:
        code = main([word.replace("FILE", str(bad)) for word in words.split()])
    complaints = [line for line in said.getvalue().splitlines() if ": warning: " not in line]
    assert (code, len(complaints)) in ((0, 0), (2, 1)), said.getvalue()
