"""The script of `oracle completion` in a real shell."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from search.cli import main as search

pytest.importorskip("shtab", reason="pip install shtab")

Run = Callable[..., Any]


def completed(script: Path, *words: str) -> list[str]:
    """What bash offers for the last of some words of a command line."""
    function = f"_shtab_{words[0].replace('-', '_')}"
    line = " ".join(f"'{word}'" for word in words)
    text = f'source {script}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; {function}; echo "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", text], capture_output=True, text=True, check=True, cwd=script.parent)  # noqa: S607
    return done.stdout.split()


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash on this machine")
def test_bash_completes_commands_flags_and_shipped_names(run: Run, tmp_path: Path) -> None:
    script = tmp_path / "oracle.bash"
    done = run("completion", "bash")
    assert (done.code, done.err) == (0, "")
    script.write_text(done.out, encoding="utf-8")
    (tmp_path / "RegNetX-4own.yaml").touch()
    assert completed(script, "oracle", "ne") == ["networks"]
    assert completed(script, "oracle", "score", "--max-l") == ["--max-latency-ms"]
    assert set(completed(script, "oracle", "score", "RegNetX-4")) == {
        "RegNetX-4.0GF",
        "RegNetX-400MF",
        "RegNetX-4own.yaml",
    }
    assert completed(script, "oracle", "score", "ResNet-50", "-d", "rtx-409") == ["rtx-4090"]
    assert completed(script, "oracle", "score", "ResNet-50", "--dtype", "bf") == ["bfloat16"]


def test_a_script_for_every_shell(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    for shell in ("bash", "zsh", "tcsh"):
        assert "validate" in run("completion", shell).out
        assert search(["completion", shell]) == 0
        assert "rerank" in capsys.readouterr().out
    assert run("completion", "fish").code == 2


def test_without_shtab_it_says_what_to_install(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    done = run("completion", "bash")
    assert done.code == 2
    assert "pip install 'nas-cost-oracle[completion]'" in done.err
