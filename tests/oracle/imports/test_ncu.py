from __future__ import annotations

from pathlib import Path

import pytest

from oracle.devices import load_device
from oracle.errors import OracleError
from oracle.imports.ncu import read_ncu
from oracle.imports.ncu.numbers import Cell, Marks, unit_of
from oracle.measure import device_yaml

FIXTURES = Path(__file__).parent / "fixtures"
FFMA_X2 = 2 * 500e6


def test_long_layout_with_bom_program_output_and_thousands_separators() -> None:
    found = read_ncu(FIXTURES / "long.csv")
    sgemm, saxpy = found.kernels
    assert sgemm.name == "sgemm(float const*, float*)"
    assert sgemm.source.endswith("long.csv:6")
    assert sgemm.time_s == pytest.approx(1e-3)
    assert sgemm.dram_bytes == 53_261_312 + 26_738_688
    assert sgemm.l2_bytes == 5_000_000 * 32
    assert sgemm.l1_bytes == 200_000_000
    kinds = dict(sgemm.flops_by_kind)
    assert kinds["vector float32"] == 1e6 + 2e6 + FFMA_X2
    assert kinds["vector float16"] == 10 * 2 + 100 * 4
    assert kinds["matrix tf32"] == 4096
    assert sgemm.flops == sum(kinds.values())
    assert sgemm.achieved_flops_per_s == pytest.approx(sgemm.flops / 1e-3)
    assert sgemm.intensity == pytest.approx(sgemm.flops / 80e6)
    assert saxpy.name == "saxpy<float>"


def test_a_missing_side_of_dram_traffic_leaves_no_half_sum() -> None:
    saxpy = read_ncu(FIXTURES / "long.csv").kernels[1]
    assert saxpy.dram_bytes is None
    assert saxpy.achieved_bytes_per_s is None
    assert saxpy.intensity is None
    with pytest.raises(OracleError, match=r"long\.csv:22: dram_bytes of kernel 'saxpy<float>'.*dram__bytes"):
        saxpy.require("dram_bytes")
    assert saxpy.require("time_s") == pytest.approx(1e-3)
    with pytest.raises(OracleError, match="expected time_s"):
        saxpy.require("colour")


def test_blackwell_counts_packed_instructions_and_renamed_dram_counters() -> None:
    (kernel,) = read_ncu(FIXTURES / "blackwell.csv").kernels
    assert kernel.dram_bytes == 54_207_744 + 26_601_216
    assert dict(kernel.flops_by_kind)["vector float32"] == 1e6 + 2e6 + FFMA_X2 + 10 * 2 + 20 * 2 + 1000 * 4
    assert any("op_read" in note for note in kernel.notes)


def test_details_page_with_rules_and_scaled_units() -> None:
    (kernel,) = read_ncu(FIXTURES / "rules.csv").kernels
    assert kernel.time_s == pytest.approx(100.5e-6)
    assert kernel.dram_bytes == pytest.approx(600.25e9 * 100.5e-6)  # not the 65.77 % of the other section
    assert any("throughput times duration" in note for note in kernel.notes)


def test_wide_layout_with_units_row_rates_and_device_attributes() -> None:
    found = read_ncu(FIXTURES / "wide.csv")
    forward, combine = found.kernels
    assert forward.time_s == pytest.approx(250e-6)
    assert forward.l2_bytes == pytest.approx(300.5e6)
    assert forward.l1_bytes == pytest.approx(512.25e3)
    cycles = 1.965e9 * 250e-6
    kinds = dict(forward.flops_by_kind)
    assert kinds["vector float32"] == pytest.approx((2 + 4 + 1000) * cycles)
    assert kinds["matrix bfloat16"] == 800e6  # the sum, not the sum and its dense part
    assert kinds["matrix float8"] == 5  # the sum over destinations, once
    assert forward.device == "NVIDIA H100 80GB HBM3"
    assert (combine.l2_bytes, combine.l1_bytes, combine.flops) == (None, None, None)
    assert combine.dram_bytes == pytest.approx(8e11 * 125e-6)
    with pytest.raises(OracleError, match="src_bf16_dst_fp32 not available"):
        combine.require("flops")
    assert sum(flops for _, flops in combine.flops_by_kind) == pytest.approx((2 + 4 + 1000) * cycles / 2)


def test_a_device_from_peaks(tmp_path: Path) -> None:
    device = read_ncu(FIXTURES / "wide.csv").device
    assert device is not None
    assert device.peak_bandwidth() == pytest.approx(1920 * 3.996e9)
    assert device.peak_flops("matrix", "bfloat16") == pytest.approx(1_211_000 * 1.965e9)
    assert device.peak_flops("vector", "float32") == pytest.approx(132 * 128 * 2 * 1.98e9)
    path = tmp_path / "h100.yaml"
    path.write_text(device_yaml(device), encoding="utf-8")
    again = load_device(path)
    assert again.title == "NVIDIA H100 80GB HBM3"
    assert again.peak_flops("matrix", "bfloat16") == pytest.approx(1_211_000 * 1.965e9, rel=1e-5)
    assert again.bandwidth is not None
    assert "dram__bytes.sum.peak_sustained" in again.bandwidth.source


def test_a_device_from_attributes_alone() -> None:
    # a report of a B200 that collected utilisation: no bytes, no FLOPs
    found = read_ncu(FIXTURES / "attributes.csv")
    device, (kernel,) = found.device, found.kernels
    assert device is not None
    assert device.peak_bandwidth() == pytest.approx(7680 / 8 * 2 * 3.996e9)
    assert device.llc is not None
    assert device.llc.value == 132_644_864
    assert device.compute_units is not None
    assert device.compute_units.value == 148
    assert (kernel.dram_bytes, kernel.flops, kernel.flops_by_kind) == (None, None, ())


def test_summary_layout_averages_over_invocations() -> None:
    triad, hgemm = read_ncu(FIXTURES / "summary.csv").kernels
    assert triad.invocations == 1100
    assert triad.time_s == pytest.approx(5000.5e-9)
    assert triad.dram_bytes == 30_000 * 32
    assert "matrix" not in dict(triad.missing)["flops"]  # no tensor instruction ran: known to be none
    assert dict(hgemm.flops_by_kind) == {"matrix float16": 1000 * 4096}
    assert any(note.startswith("estimate") for note in hgemm.notes)


def test_nvtx_columns_and_absent_context_do_not_matter() -> None:
    (kernel,) = read_ncu(FIXTURES / "nvtx.csv").kernels
    assert kernel.time_s == pytest.approx(12.5e-6)
    assert kernel.dram_bytes == 64_000


@pytest.mark.parametrize("locale", [None, "de"])
def test_german_windows(locale: str | None) -> None:
    found = read_ncu(FIXTURES / "german.csv", locale=locale)
    (kernel,) = found.kernels
    assert kernel.time_s == pytest.approx(117_344e-9)
    assert kernel.dram_bytes == 27_595_520 + 512
    inferred = [note for note in (*kernel.notes, *found.notes) if "separators" in note or "commas" in note]
    assert bool(inferred) == (locale is None)


def test_the_wrong_locale_is_refused() -> None:
    with pytest.raises(OracleError, match=r"german\.csv:4: dram__bytes_read.sum='27.595.520'.*expected a number"):
        read_ncu(FIXTURES / "german.csv", locale="en")
    with pytest.raises(OracleError, match="locale='pirate': expected one of en"):
        read_ncu(FIXTURES / "german.csv", locale="pirate")


def test_one_ambiguous_number_follows_the_rule_and_says_so() -> None:
    found = read_ncu(FIXTURES / "ambiguous.csv")
    assert found.kernels[0].time_s == pytest.approx(117_344e-9)
    assert any("'117.344' ns read as a count" in note for note in found.kernels[0].notes)
    assert any("inferred in 1 kernels" in note for note in found.notes)
    told = read_ncu(FIXTURES / "ambiguous.csv", locale="en")
    assert told.kernels[0].time_s == pytest.approx(117.344e-9)
    assert not any("separators" in note for note in told.kernels[0].notes)


def test_numbers_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(OracleError, match=r"contradictory\.csv:2: '117.34' .* in line 3 '27.595.520'"):
        read_ncu(FIXTURES / "contradictory.csv")


def test_all_counters_unavailable() -> None:
    found = read_ncu(FIXTURES / "unavailable.csv")
    (kernel,) = found.kernels
    assert (kernel.time_s, kernel.dram_bytes, kernel.flops) == (None, None, None)
    assert any("ERR_NVGPUCTRPERM" in note for note in found.notes)
    assert "==WARNING== No metrics to collect found" in found.notes


def test_a_report_of_errors_only() -> None:
    with pytest.raises(OracleError, match=r"permission\.csv: no header .*ERR_NVGPUCTRPERM"):
        read_ncu(FIXTURES / "permission.csv")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda text: text[: text.index("5,000,000") + 4], r"broken CSV, perhaps cut off"),
        (
            lambda text: text.replace('"sector","5,000,000"', '"furlong","5,000,000"'),
            r":9: .*unknown unit 'furlong'",
        ),
        (
            lambda text: text.replace('"ns","1,000,000"', '"byte","1,000,000"'),
            r":6: gpu__time.*a unit of second",
        ),
        (
            lambda text: text.replace('"53,261,312"', '"fifty"'),
            r":7: dram__bytes_read.sum='fifty': expected a number",
        ),
        (lambda text: text.replace('"53,261,312"', '"-5"'), r":7: .*at least 0"),
        (lambda text: text.replace('"53,261,312"', '"53,26,312"'), r":7: .*decimal"),
        (lambda text: text.split('\n"0"')[0], "a header and no kernels"),
        (lambda text: text.replace(',"53,261,312"', ""), r":7: expected 15 cells, found 14"),
        (lambda text: text.replace("Metric Value", "Metric Virtue"), 'neither a column "Metric Value" nor'),
    ],
)
def test_broken_files_are_named_with_their_line(tmp_path: Path, change: object, complaint: str) -> None:
    text = (FIXTURES / "long.csv").read_text(encoding="utf-8-sig")
    path = tmp_path / "broken.csv"
    path.write_text(change(text), encoding="utf-8")  # type: ignore[operator]
    with pytest.raises(OracleError, match=complaint):
        read_ncu(path)


def test_no_file() -> None:
    with pytest.raises(OracleError, match=r"nowhere\.csv: cannot be read"):
        read_ncu(FIXTURES / "nowhere.csv")


def test_a_wide_file_without_units_is_refused(tmp_path: Path) -> None:
    lines = (FIXTURES / "wide.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    path = tmp_path / "wide.csv"
    path.write_text("".join([lines[0], *lines[2:]]), encoding="utf-8")
    with pytest.raises(OracleError, match=r"wide\.csv:2: expected a row of units"):
        read_ncu(path)


@pytest.mark.parametrize(
    ("unit", "value", "dimension"),
    [
        ("ns", 1e-9, "second"),
        ("nsecond", 1e-9, "second"),
        ("us", 1e-6, "second"),
        ("usecond", 1e-6, "second"),
        ("msecond", 1e-3, "second"),
        ("second", 1.0, "second"),
        ("byte", 1.0, "byte"),
        ("Kbyte", 1e3, "byte"),
        ("Mbyte", 1e6, "byte"),
        ("Gbyte", 1e9, "byte"),
        ("byte/second", 1.0, "byte/second"),
        ("Gbyte/s", 1e9, "byte/second"),
        ("Tbyte/s", 1e12, "byte/second"),
        ("hz", 1.0, "cycle/second"),
        ("Ghz", 1e9, "cycle/second"),
        ("cycle/nsecond", 1e9, "cycle/second"),
        ("cycle/usecond", 1e6, "cycle/second"),
        ("inst", 1.0, "inst"),
        ("sector", 1.0, "sector"),
        ("Ksector", 1e3, "sector"),
        ("%", 1.0, "%"),
        ("", 1.0, ""),
        ("inst/cycle", 1.0, "inst/cycle"),
    ],
)
def test_units(unit: str, value: float, dimension: str) -> None:
    found = unit_of(unit)
    assert found.value == pytest.approx(value)
    assert found.dimension == dimension


@pytest.mark.parametrize(
    ("text", "unit", "decimal", "value"),
    [
        ("1,234.5", "ns", None, 1234.5),
        ("53,261,312", "byte", None, 53_261_312),
        ("1.234,5", "ns", ",", 1234.5),
        ("27.595.520", "byte", ",", 27_595_520),
        ("0.125", "cycle/nsecond", None, 0.125),
        ("1 234 567", "byte", None, 1_234_567),
        ("1\u202f234,5", "ns", ",", 1234.5),
        ("1'234.5", "ns", ".", 1234.5),
        ("3.5e+10", "byte/second", None, 3.5e10),
        ("1.965", "cycle/nsecond", None, 1.965),
        ("117,344", "ns", None, 117_344),
    ],
)
def test_numbers(text: str, unit: str, decimal: str | None, value: float) -> None:
    assert Marks(decimal).parse(Cell(text, unit, 1))[0] == pytest.approx(value)


def test_a_comma_that_could_be_either_is_refused_outside_counts() -> None:
    with pytest.raises(ValueError, match="say so with locale"):
        Marks(None).parse(Cell("1,965", "cycle/nsecond", 1))
