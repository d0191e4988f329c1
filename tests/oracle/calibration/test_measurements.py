"""Tables of measurements."""

from __future__ import annotations

from pathlib import Path

import pytest

from oracle.calibration import read_measurements
from oracle.errors import ConfigError
from oracle.spec import Workload

HEAD = "network,device,batch_size,dtype,runtime,layout,mode,latency_ms\n"


def table(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "m.csv"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_table(tmp_path: Path) -> None:
    (found,) = read_measurements(table(tmp_path, HEAD + "R-50,t4,64,float16,compiled,nhwc,training,12.5\n"))
    assert found.network == "R-50"
    assert found.workload == Workload(64, "float16", "training", "compiled", "nhwc")
    assert found.latency_ms == 12.5


def test_missing_columns_have_defaults_and_order_is_free(tmp_path: Path) -> None:
    text = "\ufefflatency_ms,extra,device,network,family\n3,x,t4,R-50,resnet\n"
    (found,) = read_measurements(table(tmp_path, text))
    assert (found.workload, found.family) == (Workload(), "resnet")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("R-50,t4,64,float16,eager,nchw,inference,fast", "line 2, latency_ms"),
        ("R-50,t4,64,float16,eager,nchw,inference,0", "line 2, latency_ms"),
        ("R-50,t4,64,float16,eager,nchw,inference,nan", "line 2, latency_ms"),
        ("R-50,t4,many,float16,eager,nchw,inference,1", "line 2, batch_size"),
        ("R-50,t4,0,float16,eager,nchw,inference,1", "batch_size=0"),
        ("R-50,t4,1,half,eager,nchw,inference,1", "dtype='half'"),
        (",t4,1,float16,eager,nchw,inference,1", "line 2, network"),
        ("R-50,t4", "line 2, latency_ms"),
    ],
)
def test_bad_rows_name_line_and_column(tmp_path: Path, row: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_measurements(table(tmp_path, HEAD + row + "\n"))
    assert expected in str(caught.value)


def test_bad_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        read_measurements(tmp_path / "none.csv")
    with pytest.raises(ConfigError) as caught:
        read_measurements(table(tmp_path, "network,device\nR-50,t4\n"))
    assert caught.value.key == "latency_ms"
