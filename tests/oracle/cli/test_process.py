"""The command as a process: what it imports, pipes, signals, exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.programs import imported

ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "COLUMNS")},
    "PYTHONPATH": str(ROOT),
}
ORACLE = [sys.executable, "-m", "oracle"]

no_dev_full = not Path("/dev/full").exists()


def run(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ORACLE, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**ENVIRONMENT, **environment},
        encoding="utf-8",
    )


@pytest.mark.parametrize(
    ("commands", "heavy"),
    [
        (["--help", "--version", "score --help", "scoer"], ["torch", "numpy", "yacs", "yaml", "rich", "sympy"]),
        (["devices", "devices t4 --format json"], ["torch", "yacs", "sympy"]),
        (["networks --format csv"], ["torch", "sympy"]),
    ],
)
def test_commands_import_only_what_they_need(tmp_path: Path, commands: list[str], heavy: list[str]) -> None:
    code = f"from oracle.cli import main\nfor words in {commands!r}:\n    main(words.split())"
    assert imported(code, ["oracle.cli", *heavy], tmp_path) == {"oracle.cli"}


def test_python_m_oracle_ranks_shipped_networks_from_an_empty_directory(tmp_path: Path) -> None:
    done = run("rank", "configs/networks/cifar", "-d", "t4", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line.split()[1] for line in lines if line[:1].isdigit()] == ["R-56", "R-110"]


@pytest.mark.parametrize("arguments", [["score", "R-56", "-d", "t4"], ["score", "--help"]], ids=" ".join)
def test_a_pipe_gets_plain_text_of_at_most_100_columns(tmp_path: Path, arguments: list[str]) -> None:
    done = run(*arguments, cwd=tmp_path, COLUMNS="100" if "--help" in arguments else "200")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
    assert done.stdout.isascii()
    assert "\x1b" not in done.stdout
    for line in done.stdout.splitlines():
        assert len(line) <= 100, line
        assert line == line.rstrip()


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*ORACLE, "devices"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path, env=ENVIRONMENT
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.skipif(no_dev_full, reason="no /dev/full on this system")
def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [*ORACLE, "devices"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            cwd=tmp_path,
            env=ENVIRONMENT,
        )
    assert done.returncode == 2
    assert done.stderr == "oracle: error: standard output: No space left on device\n"


def test_a_closed_standard_output_is_no_defect(tmp_path: Path) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f"'{sys.executable}' -m oracle devices t4 >&-"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=ENVIRONMENT,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_output_that_knows_no_unicode(tmp_path: Path) -> None:
    (tmp_path / "netz-größe.yaml").write_text("_BASE_: R-56\n", encoding="utf-8")
    done = run("score", "netz-größe.yaml", cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "netz-gr??e" in done.stdout


def test_a_device_file_as_output(tmp_path: Path) -> None:
    done = run("devices", "t4", "-o", "/dev/stdout", "--format", "csv", cwd=tmp_path)
    assert done.stdout.startswith("device,figure,value,source\nt4,")


def test_an_interrupt_ends_quietly(tmp_path: Path) -> None:
    # the child interrupts itself at a place where work is going on: when the first network is read
    code = (
        "import os, signal, sys\n"
        "import oracle.config\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # CI may start us deaf to it
        "def interrupt(*_): os.kill(os.getpid(), signal.SIGINT)\n"
        "oracle.config.load_cfg = interrupt\n"
        "from oracle.cli import main\n"
        "sys.exit(main(['score', 'R-56']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=ENVIRONMENT,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
