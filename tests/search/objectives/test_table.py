from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from oracle import load_cfg, to_spec
from oracle.config import cfg_from_dict
from oracle.errors import ConfigError, OracleError
from search.objectives import check_quality, quality_of
from search.space import load_space

CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"


def look_up(tmp_path: Path, text: str, space: str = "nasbench201", **keys: Any) -> Any:
    (tmp_path / "table.csv").write_text(text)
    section = check_quality({"TYPE": "table", "FILE": "table.csv", **keys}, tmp_path)
    return quality_of(section, load_space(space))


def test_networks_are_found_by_what_they_are(tmp_path: Path) -> None:
    found = look_up(tmp_path, f"network,accuracy\n{CELL},91.5\nRegNetX-200MF,68.9\n")
    ops = ["nor_conv_3x3", "nor_conv_3x3", "avg_pool_3x3", "skip_connect", "nor_conv_3x3", "skip_connect"]
    cell = to_spec(cfg_from_dict({"MODEL": {"TYPE": "nasbench201"}, "NB201": {"OPS": ops}}))
    assert found(cell, None, None) == 91.5
    assert found(to_spec(load_cfg("RegNetX-200MF")), None, None) == 68.9
    with pytest.raises(OracleError, match="the table has no such network"):
        found(to_spec(load_cfg("RegNetX-400MF")), None, None)


@pytest.mark.parametrize(
    ("text", "keys", "words"),
    [
        ("net,accuracy\n", {}, "QUALITY.NAME: value 'network'"),
        ("network,top1\n", {}, "QUALITY.VALUE: value 'accuracy'"),
        ("network,accuracy\nRegNetX-200MF,good\n", {}, "line 2: value 'good': expected a number"),
        ("network,accuracy\nRegNetX-201MF,1\n", {}, "network 'RegNetX-201MF'"),
        ("network,accuracy\nRegNetX-200MF,1\nregnetx-200mf,2\n", {}, "has two values, 1.0 and 2.0"),
    ],
)
def test_a_bad_table_says_where(tmp_path: Path, text: str, keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as error:
        look_up(tmp_path, text, **keys)
    assert words in str(error.value)
