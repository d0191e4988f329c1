"""Networks in files of the current directory."""

from __future__ import annotations

from pathlib import Path

import pytest

CODE = '''
import torch
from torch import nn

print("printed while importing")


class Tokens(nn.Module):
    def __init__(self, width=8, act="relu"):
        super().__init__()
        print("printed while building")
        self.embed, self.layer = nn.Embedding(100, width), nn.Linear(width, width)

    def forward(self, ids, mask):
        return self.layer(self.embed(ids) * mask.unsqueeze(-1))


class Steps(nn.Module):
    """Looks at numbers, as many a drop-path schedule does."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in torch.linspace(0, 1, 3).tolist())

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class Stubborn(nn.Module):
    """Looks at its own weights."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.scale = float(self.layer.weight.abs().sum())

    def forward(self, x):
        return self.layer(x)


def make(width=32, act="relu"):
    return Tokens(width, act)


class Rooms:
    linear = nn.Linear


existing = nn.Linear(4, 4)
number = 3


def bad():
    raise ValueError("[bold]no[/bold]")


def leaves():
    raise SystemExit(3)


def nothing():
    return None
'''


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module of networks in the current directory; a new one per test, for imports are kept."""
    monkeypatch.chdir(tmp_path)
    name = f"nets_{abs(hash(tmp_path)):x}"
    (tmp_path / f"{name}.py").write_text(CODE, encoding="utf-8")
    return name
