"""A service in a process of its own, as people start it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

import oracle
from oracle.cli import main
from oracle.errors import MissingDependencyError

pytest.importorskip("starlette", reason="starlette is not installed")
pytest.importorskip("uvicorn", reason="uvicorn is not installed")

ROOT = Path(__file__).resolve().parents[3]


# The command; CI may start us deaf to Ctrl-C.
HEARING = (
    "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "runpy.run_module('oracle', run_name='__main__')"
)


def started(*flags: str) -> tuple[subprocess.Popen[str], str]:
    """A service on a free port, and its address."""
    process = subprocess.Popen(
        [sys.executable, "-c", HEARING, "serve", "--port", "0", *flags],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("oracle serve: http://127.0.0.1:"), process.communicate()
    return process, line.split()[2]


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    process, address = started("--max-body", "20000", "--max-documents", "3", "--max-rows", "5")
    yield address
    process.terminate()
    assert process.communicate(timeout=300)[1] == ""


def asked(address: str, body: Any = None, raw: bytes | None = None) -> tuple[int, Any]:
    """Status and JSON of an answer."""
    data = raw if raw is not None else None if body is None else json.dumps(body).encode()
    try:
        with urlopen(Request(address, data), timeout=300) as answer:  # noqa: S310 - our own address
            return answer.status, json.loads(answer.read())
    except HTTPError as error:
        return error.code, json.loads(error.read())


def test_the_same_json_as_the_command(service: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "ResNet-50", "RegNetX-400MF", "-d", "t4", "--batch", "8", "--format", "json"]) == 0
    expected = json.loads(capsys.readouterr().out)
    assert asked(f"{service}/score?device=t4&batch_size=8", ["ResNet-50", "RegNetX-400MF"]) == (200, expected)
    status, found = asked(f"{service}/score_many?device=t4&batch_size=8", ["ResNet-50", "RegNetX-400MF"])
    assert status == 200
    assert found["columns"]["macs"] == [net["macs"] for net in expected["networks"]]
    latency = [net["devices"]["t4"]["latency_ms"] for net in expected["networks"]]
    assert found["columns"]["latency_ms@t4"] == pytest.approx(latency, rel=1e-12)


def test_health_and_lists(service: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(f"{service}/health") == (200, {"oracle": oracle.__version__, "status": "ok"})
    assert main(["devices", "--format", "json"]) == 0
    assert asked(f"{service}/devices") == (200, json.loads(capsys.readouterr().out))
    assert asked(f"{service}/networks")[1]["networks"] == list(oracle.list_networks())


def test_what_is_wrong_is_said_as_json(service: str) -> None:
    status, found = asked(f"{service}/score", {"MODEL": {"TYPE": "regnet"}, "REGNET": {"DEPTH": "x"}})
    assert (status, found["error"]["type"], found["error"]["key"]) == (422, "ConfigError", "REGNET.DEPTH")
    assert asked(f"{service}/score?device=t5", "ResNet-50")[1]["error"]["key"] == "device"
    for raw in (b"{", b"", b"\xff", b"[NaN]", b"[" * 5_000):
        assert asked(f"{service}/score", raw=raw)[0] in (400, 422)
    assert asked(f"{service}/nowhere")[0] == 404
    assert asked(f"{service}/score")[0] == 405


def test_what_is_too_much_is_refused(service: str) -> None:
    assert asked(f"{service}/score", ["ResNet-50"] * 3)[0] == 200
    status, found = asked(f"{service}/score", ["ResNet-50"] * 4)
    assert (status, found["error"]["message"]) == (413, "body: 4 networks, expected at most 3")
    assert asked(f"{service}/score_many", ["ResNet-50"] * 5)[0] == 200
    assert asked(f"{service}/score_many", ["ResNet-50"] * 6)[0] == 413
    status, found = asked(f"{service}/score", "x" * 20_000)
    assert (status, found["error"]["message"]) == (413, "body: expected at most 20,000 bytes")


def test_ctrl_c_ends_it_without_a_word() -> None:
    process, address = started()
    assert asked(f"{address}/health")[0] == 200
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=300)[1] == ""
    assert process.returncode == 130


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 2
    assert f"port={port}: cannot listen there" in capsys.readouterr().err
    assert main(["serve", "--port", "70000"]) == 2
    assert "at most 65535" in capsys.readouterr().err


def test_without_starlette_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "starlette.routing", None)
    from oracle.serve import app

    with pytest.raises(MissingDependencyError, match=r"pip install 'nas-cost-oracle\[serve\]'"):
        app()
