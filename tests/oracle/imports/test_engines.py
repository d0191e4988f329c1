"""Reports of engines: real ones of ONNX Runtime 1.32 and OpenVINO's benchmark_app 2026, others as documented."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.cli import main
from oracle.counting.networks import count_net
from oracle.devices import load_device
from oracle.errors import OracleError
from oracle.imports.engines import Layer, read_report
from oracle.imports.layers import match_layers, profile_of_layers
from oracle.query import calibrate, resolve, score
from oracle.query.importing import measurements_of
from oracle.spec import Workload
from tests.mutations import mutated_json, mutated_text
from tests.nightly import examples
from tests.programs import imported

FIXTURES = Path(__file__).parent / "fixtures" / "engines"
FILES = sorted(FIXTURES.iterdir())


def report(name: str) -> Any:
    found = read_report(FIXTURES / name)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "engine", "layers", "milliseconds", "timings"),
    [
        ("trtexec_profile.json", "tensorrt", 3, 0.121 + 0.02 + 0.059, []),
        ("trtexec_times.json", "tensorrt", 0, 0, [("", 1.4, 1.0, 9)]),
        ("openvino_run.csv", "openvino", 0, 0, [("r.onnx", 18.2, 7.16, 53)]),
        ("openvino_run.json", "openvino", 0, 0, [("r.onnx", 16.17, 3.46, 58)]),
        ("openvino_counters.csv", "openvino", 49, 14.46, []),
        ("openvino_detailed.json", "openvino", 7, 0.047, []),
        ("openvino_two_requests.csv", "openvino", 8, 3.467, []),
        ("openvino_short_run.json", "openvino", 0, 0, [("tiny.xml", 0.04, 0.04, 20)]),
        ("openvino_two_streams.json", "openvino", 0, 0, [("tiny.xml", 0.05, 0.05, 20)]),
        ("tflite.txt", "litert", 3, 4.269 + 0.302 + 0.101, [("mobilenet.tflite", 14.5752, 14.356, 50)]),
        ("tflite.csv", "litert", 2, 4.269 + 0.302, []),
        ("benchncnn.txt", "ncnn", 0, 0, [("squeezenet", 11.74, 11.66, 8), ("squeezenet_int8", 11.04, 10.84, 8), ("resnet50", 65.74, 65.12, 8)]),
        ("table.csv", "", 0, 0, [("ResNet-50", 12.345, None, 0), ("ResNet-18", 4.3215, None, 0)]),
    ],
)  # fmt: skip
def test_each_format(name: str, engine: str, layers: int, milliseconds: float, timings: list[Any]) -> None:
    found = report(name)
    assert (found.engine, len(found.layers)) == (engine, layers)
    assert sum(layer.seconds for layer in found.layers) * 1e3 == pytest.approx(milliseconds)
    assert [(t.network, t.latency_ms, t.min_ms, t.repeats) for t in found.timings] == [
        (name, pytest.approx(ms), least if least is None else pytest.approx(least), runs)
        for name, ms, least, runs in timings
    ]


def test_what_a_report_says_of_the_workload() -> None:
    assert [dict(item.words) for item in report("benchncnn.txt").timings] == [
        {"threads": 4}, {"dtype": "int8", "threads": 4}, {"threads": 4}
    ]  # fmt: skip
    assert dict(report("openvino_run.csv").timings[0].words) == {"batch_size": 1, "threads": 1}
    assert dict(report("tflite.txt").timings[0].words) == {"threads": 4}
    for name in ("openvino_counters.csv", "openvino_detailed.json", "openvino_two_requests.csv"):
        assert report(name).notes == ("convolutions ran in bfloat16: say --dtype",)
    (coarse,) = report("openvino_short_run.json").notes
    assert coarse == "the latency is rounded to 0.01 ms, which is up to 12 % of it"
    streams, _ = report("openvino_two_streams.json").notes
    assert streams.startswith("2 streams ran at once, so that a call waits for others")


def test_counters_of_openvino_as_json_are_those_that_it_states(tmp_path: Path) -> None:
    """Of benchmark_app 2026.4; of an average it writes the first node alone, and that is a parameter."""
    content = json.loads((FIXTURES / "openvino_detailed.json").read_text(encoding="utf-8"))
    (request,) = content["detailed_performance"]
    ran = [node for node in request["nodes"] if node["status"] == "Status.EXECUTED"]
    layers = report("openvino_detailed.json").layers
    assert [(layer.name, layer.kind) for layer in layers] == [(node["name"], node["node_type"]) for node in ran]
    assert sum(layer.seconds for layer in layers) * 1e3 == pytest.approx(float(request["total_real_time"]), abs=1e-3)
    average = tmp_path / "average.json"
    average.write_text(json.dumps({"report_type": "average", "avg_performance": {"nodes": request["nodes"][:1]}}))
    with pytest.raises(OracleError, match=r"average.json: expected nodes that ran; .* -report_type detailed_counters"):
        read_report(average)
    for nodes, complaint in (
        ([{"node_type": "Convolution"}], r"nodes\[0\]: expected a node with its name"),
        ([ran[0], {**ran[1], "real_time": "soon"}], r"nodes\[1\]: .*real_time='soon'"),
        ([ran[0], 7], r"nodes\[1\]: expected a node with its name, found 7"),
        ([], "expected nodes that ran"),
    ):
        average.write_text(json.dumps({"report_type": "detailed", "detailed_performance": [{"nodes": nodes}]}))
        with pytest.raises(OracleError, match=complaint):
            read_report(average)


def test_a_profile_of_onnx_runtime() -> None:
    """Nodes are medians of the runs after the first; MACs follow from shapes: the stem is 3x3x3 on 32x112x112."""
    found = report("onnxruntime.json")
    events = json.loads((FIXTURES / "onnxruntime.json").read_text(encoding="utf-8"))
    stem = found.layers[0]
    assert (stem.name, stem.kind, stem.macs) == ("/stem/act/Relu_output_0_nchwc", "Conv", 32 * 112 * 112 * 27)
    times = [event["dur"] for event in events if event["name"] == stem.name + "_kernel_time"]
    assert len(times) == 3
    assert stem.seconds == pytest.approx(sum(times[1:]) / 2 * 1e-6)
    (head,) = [layer for layer in found.layers if layer.kind == "Gemm"]
    assert head.macs == 368 * 1000
    runs = [event["dur"] for event in events if event["name"] == "model_run"]
    assert found.timings[0].latency_ms == pytest.approx(sum(runs[1:]) / 2 * 1e-3)


@pytest.mark.parametrize(("name", "dtype"), [("onnxruntime.json", "float32"), ("openvino_counters.csv", "float32")])
def test_every_contraction_of_a_network_finds_its_layer(name: str, dtype: str) -> None:
    found = report(name)
    net, workload, _ = resolve("RegNetX-200MF", engine=found.engine, dtype=dtype)
    count = count_net(net, workload)
    matched = match_layers(found.layers, count.kernels)
    contractions = {index for index, kernel in enumerate(count.kernels) if kernel.macs}
    assert contractions <= set(matched.values())
    assert len(set(matched.values())) == len(matched)
    for place, index in matched.items():  # a node of a block is of that block: `/s2_b1/f/a/act/Relu`, `s2_b1.f.a.conv`
        block = count.kernels[index].module.split(".")[0]
        if found.layers[place].name.startswith("/"):
            assert block in found.layers[place].name
    profile = profile_of_layers(net.name, workload, found.layers, count, load_device("xeon-8375c"))
    assert profile.total_s == pytest.approx(sum(layer.seconds for layer in found.layers))
    assert 0 < profile.other_s < 0.2 * profile.total_s
    assert sum(item.time_s for item in profile.operators) + profile.other_s == pytest.approx(profile.total_s)


def test_layers_without_paths_are_matched_by_order_only_if_they_are_as_many() -> None:
    net, workload, _ = resolve("RegNetX-200MF", engine="tensorrt")
    kernels = count_net(net, workload).kernels
    contractions = [index for index, kernel in enumerate(kernels) if kernel.macs]
    layers = [Layer(f"Conv_{i} + Relu_{i}", "", 1e-3, "") for i in range(len(contractions) - 1)]
    layers += [Layer("Reformatting CopyNode for Conv_3", "", 1e-3, ""), Layer("fc", "", 1e-3, "")]
    assert list(match_layers(layers, kernels).values()) == contractions
    fewer = match_layers(layers[1:], kernels)
    assert list(fewer.values()) == contractions[-1:]  # the one product that both have


def test_measurements_keep_what_the_report_says_and_take_what_is_said() -> None:
    device = load_device("t4")
    rows = measurements_of(
        report("benchncnn.txt"), device, {"resnet50": "ResNet-50"}, {"layout": None, "batch_size": None}
    )
    assert [row.network for row in rows] == ["squeezenet", "squeezenet_int8", "ResNet-50"]
    assert rows[1].workload == Workload(dtype="int8", runtime="engine", engine="ncnn", threads=4)
    (row,) = measurements_of(
        report("trtexec_times.json"), device, {"": "ResNet-50"}, {"dtype": "float16", "batch_size": 8}
    )
    assert (row.workload.engine, row.workload.dtype, row.workload.batch_size) == ("tensorrt", "float16", 8)
    assert (row.latency_ms, row.min_ms, row.repeats) == (pytest.approx(1.4), 1.0, 9)
    with pytest.raises(OracleError, match="names no network"):
        measurements_of(report("trtexec_times.json"), device, {}, {})
    with pytest.raises(OracleError, match="layers and no runs"):
        measurements_of(report("trtexec_profile.json"), device, {"": "ResNet-50"}, {})


def test_a_table_calibrates(tmp_path: Path) -> None:
    """Latencies that are 1.5 times those predicted are what the fit then says."""
    names, device = ["ResNet-101", "ResNet-50", "RegNetX-400MF", "RegNetX-1.6GF", "EfficientNet-B0"], "gtx-1080-ti"
    words = {"devices": [device], "runtime": "engine", "batch_size": 4}
    predicted = [score(name, **words).latency_ms[device] for name in names]
    path, measured = tmp_path / "table.csv", tmp_path / "m.csv"
    lines = [f"{name},{1.5 * ms:.6f}" for name, ms in zip(names, predicted, strict=True)]
    path.write_text("\n".join(["network,latency_ms", *lines]), encoding="utf-8")
    command = f"import {path} -d {device} --batch 4 --measurements {measured} --format csv"
    assert main(command.split()) == 0
    fit = calibrate(device, measured)
    for name, ms in zip(names, predicted, strict=True):
        latency = score(name, calibrations=[fit], **words).latency_ms[device]
        assert latency == pytest.approx(1.5 * ms, rel=0.1)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("[]", "expected a Chrome trace, with a list|expected events"),
        ('[{"count": 3}, {"name": [], "averageMs": 1}]', r"\[1\]: name="),
        ('[{"name": "a", "averageMs": "x"}]', r"\[0\]: averageMs='x'"),
        ('[3, {"name": "a", "averageMs": 1}]', r"\[0\]: expected an entry"),
        ('[{"computeMs": 0}]', "runs that take time"),
        ('{"execution_results": {}}', "latency"),
        ('[{"cat": "Node", "ph": "X", "name": "a_kernel_time", "dur": 1}]', "args=None"),
        ("network,latency_ms\na,0\n", "t.json:2: latency_ms='0'"),
        ("network,latency_ms\na,1,2\n", "t.json:2: expected 2 fields"),
        ("network,latency_ms,threads\na,1,x\n", "threads='x'"),
        ("layerName;execStatus;layerType;execType\na;EXECUTED;Convolution;x\n", "no field"),
        ("loop_count = 3\nnet min = 1 max = 2 avg = x\n", "avg='x'"),
    ],
)
def test_broken_reports(tmp_path: Path, content: str, complaint: str, capsys: Any) -> None:
    path = tmp_path / "t.json"
    path.write_text(content, encoding="utf-8")
    assert main(["import", str(path)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    import re

    assert re.search(complaint, said)


def test_looking_at_a_report_needs_no_torch() -> None:
    files = [str(file) for file in FILES]
    code = f"from oracle.imports.engines import read_report\nfor file in {files!r}:\n    assert read_report(file)"
    assert imported(code, {"torch", "numpy"}) == set()


@examples(120)
@given(seed=st.integers(0, 2**32), file=st.sampled_from(FILES))
def test_a_report_made_wrong_is_a_result_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, seed: int, file: Path
) -> None:
    text = file.read_text(encoding="utf-8")
    bad = json.dumps(mutated_json(json.loads(text), seed)) if file.suffix == ".json" else mutated_text(text, seed)
    path = tmp_path_factory.getbasetemp() / f"mutated{file.suffix}"
    path.write_text(bad, encoding="utf-8", newline="")
    try:
        found = read_report(path)
        if found is not None and found.timings:
            measurements_of(found, load_device("t4"), {"": "ResNet-50"}, {})
    except OracleError as error:
        assert "\n" not in str(error)  # noqa: PT017 - no error is right, too
