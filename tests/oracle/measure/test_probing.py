from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import oracle
from oracle._versions import today
from oracle.devices import in_file_units
from oracle.errors import OracleError
from oracle.measure import device_yaml, probe, probing
from oracle.measure.host import caches, cpu_kind, ranges
from oracle.measure.roofs import launch_seconds, matrix_roof, split_ladder, triad_ladder
from oracle.measure.stopwatch import Place

MIB = 2**20


def test_a_probed_device_can_be_loaded_and_scored_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "available_memory", lambda: 8 * 8 * MIB)  # arrays no test should need more of
    device = probe(threads=1, clock="cpu", seconds=0.3)
    path = tmp_path / "bench.yaml"
    path.write_text(device_yaml(device), encoding="utf-8")
    loaded = oracle.load_device(path)
    assert loaded.name == "bench"
    figures, again = in_file_units(device), in_file_units(loaded)
    assert list(again) == list(figures)
    for key, figure in figures.items():
        assert again[key].value == pytest.approx(figure.value, rel=1e-5)
        assert again[key].source == figure.source
    for key in ("MATRIX.FP32_TFLOPS", "VECTOR.FP32_TFLOPS", "BANDWIDTH_GBPS", "LAUNCH_US"):
        assert figures[key].source.startswith("measured: ")
        assert "threads: 1 on CPUs" in figures[key].source
        assert today() in figures[key].source
    assert oracle.score("ResNet-50", [loaded]).latency_ms["bench"] > 0
    assert "float32" in device.dtypes


@pytest.mark.parametrize("seconds", [0.0, 1e9])
def test_a_budget_out_of_range(seconds: float) -> None:
    with pytest.raises(OracleError, match="seconds="):
        probe(seconds=seconds)


def test_a_ladder_shows_memory_and_a_share_of_the_cache() -> None:
    # 480 MiB are reported, 32 are to be had
    rates = {1: 118, 2: 60, 4: 29, 8: 28, 16: 28, 32: 17, 64: 5, 128: 4.5, 1024: 4.4}
    ladder = [(size * MIB, rate * 1e9) for size, rate in rates.items()]
    memory, cache = split_ladder(ladder, 2 * MIB, 480 * MIB)
    assert memory == 4.4e9
    assert cache is not None
    assert cache.bandwidth == 29e9
    assert cache.size == 32 * MIB


def test_a_flat_ladder_has_no_cache() -> None:
    assert split_ladder([(MIB, 10e9), (4 * MIB, 9e9), (64 * MIB, 8.5e9)], 0, 8 * MIB) == (8.5e9, None)
    assert split_ladder([(MIB, 10e9)], 0, 0) == (10e9, None)


def test_roofs_follow_the_stopwatch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Place, "samples", lambda *_: [4.0, 2.0, 3.0])
    place = Place("cpu", 1, "wall")
    roof = matrix_roof(place, "float32", (8, 16), 100.0)
    assert roof is not None
    assert roof.rate == 2 * 16**3 / 2.0
    assert matrix_roof(place, "float32", (16, 8192), 1e-3) == roof  # the larger one would take too long
    assert triad_ladder(place, 12 * 64, 24 * 64, 1.0) == [(768, 384.0), (1536, 768.0)]
    assert launch_seconds(place, 1.0) == 2.0 / 24


def test_a_dtype_without_products_has_no_roof(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("not implemented for 'Half'")

    monkeypatch.setattr(torch, "mm", refuse)
    assert matrix_roof(Place("cpu", 1, "wall"), "float16", (8,), 0.01) is None


def test_a_gpu_says_its_size_and_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    properties = SimpleNamespace(total_memory=24 * 2**30, multi_processor_count=58, uuid="1")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: properties)
    monkeypatch.setattr(probing, "gpu_facts", lambda _: {"max_sm_clock_mhz": 2040.0, "power_limit_w": None})
    found = probing._stated_of_gpu("cuda")
    assert {name: figure.value for name, figure in found.items()} == {
        "memory": 24 * 2**30,
        "compute_units": 58,
        "clock": 2040e6,
    }
    assert probing._stated_of_gpu("mps") == {}


def test_tf32_is_allowed_for_its_own_roof_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []

    def samples(*_: object) -> list[float]:
        seen.append(torch.backends.cuda.matmul.allow_tf32)
        return [1.0]

    monkeypatch.setattr(Place, "samples", samples)
    for dtype in ("float32", "tf32"):
        roof = matrix_roof(Place("cpu", 1, "wall"), dtype, (8,), 1.0)
        assert roof == (2 * 8**3, "torch.mm 8")
    assert seen == [False, True]
    assert not torch.backends.cuda.matmul.allow_tf32


def test_caches_of_a_sysfs(tmp_path: Path) -> None:
    for index, (level, kind, size) in enumerate(
        [
            ("1", "Data", "48K"),
            ("1", "Instruction", "32K"),
            ("2", "Unified", "2048K"),
            ("3", "Unified", "32M"),
        ]
    ):
        folder = tmp_path / "cpu0" / "cache" / f"index{index}"
        folder.mkdir(parents=True)
        for name, text in (("level", level), ("type", kind), ("size", size)):
            (folder / name).write_text(text + "\n", encoding="utf-8")
    assert (caches(tmp_path).inner, caches(tmp_path).last) == (2 * MIB, 32 * MIB)
    assert (caches(tmp_path / "none").inner, caches(tmp_path / "none").last) == (0, 0)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Intel(R) Xeon(R) Gold 6226", "server-cpu"),
        ("AMD EPYC 7763", "server-cpu"),
        ("Intel(R) Core(TM) i9-10940X", "desktop-cpu"),
        ("Raspberry Pi 4 Model B", "mobile-cpu"),
    ],
)
def test_kinds(name: str, kind: str) -> None:
    assert cpu_kind(name) == kind


@pytest.mark.parametrize(
    ("numbers", "text"), [((0, 1, 2, 3, 8), "0-3,8"), ((), ""), ((5,), "5"), ((3, 1, 2, 2), "1-3")]
)
def test_ranges(numbers: tuple[int, ...], text: str) -> None:
    assert ranges(numbers) == text
