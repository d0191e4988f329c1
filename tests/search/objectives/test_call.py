from __future__ import annotations

from pathlib import Path

import pytest

from oracle.errors import ConfigError
from search.objectives.call import imported


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "call_good.py").write_text("def quality(spec, builder, evaluation):\n    return 1.5\nNUMBER = 3\n")
    (tmp_path / "call_bad.py").write_text("raise RuntimeError('no licence')\n")
    monkeypatch.syspath_prepend(str(tmp_path))


def test_a_function_by_name() -> None:
    assert imported("call_good:quality", "QUALITY.FUNCTION")(None, None, None) == 1.5


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("call_good", "expected package.module:function"),
        ("call_good:", "expected package.module:function"),
        ("call_none:quality", "call_none cannot be imported: ModuleNotFoundError"),
        ("call_bad:quality", "call_bad cannot be imported: RuntimeError: no licence"),
        ("call_good:qualities", "call_good has no function qualities"),
        ("call_good:NUMBER", "call_good has no function NUMBER"),
    ],
)
def test_what_cannot_be_imported_ends_in_one_line(name: str, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        imported(name, "QUALITY.FUNCTION")
    assert str(error.value).startswith(f"QUALITY.FUNCTION: value {name!r}: ")
    assert words in str(error.value)
    assert "\n" not in str(error.value)
