from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
import torch

from oracle.errors import ConfigError
from oracle.spec import CellSpec, NetSpec
from search.objectives import Builder, check_quality, quality_of
from search.objectives.train import Data, _fitted, digits
from search.space import load_space

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

BN: dict[str, Any] = {"activation": "relu", "inplace": True, "bn_eps": 1e-5, "bn_momentum": 0.1}
TINY = NetSpec(
    (
        CellSpec.make("res_stem_cifar", w_in=3, w_out=8, **BN),
        CellSpec.make("vanilla_block", w_in=8, w_out=16, stride=2, **BN),
        CellSpec.make("head", w_in=16, head_w=0, num_classes=10, dropout=0.0, **BN),
    ),
    (3, 8, 8),
)


class Evaluation:
    seed = 0

    def __init__(self, stop_at: int = 99) -> None:
        self.reports: list[tuple[int, float]] = []
        self.stop_at = stop_at

    def check(self, value: float, step: int) -> None:
        self.reports.append((step, value))
        if step == self.stop_at:
            raise optuna.TrialPruned

    def report(self, value: float, step: int) -> None:
        self.reports.append((step, value))


def quality(**keys: Any) -> Any:
    return quality_of(check_quality({"TYPE": "train", "THREADS": 1, **keys}, Path()), load_space("cifar-regnet"))


def test_digits_are_split_once_and_for_all() -> None:
    data = digits()
    assert [len(part) for part in data] == [1347, 1347, 450, 450]
    assert data.train_images.shape[1:] == (1, 8, 8)
    assert set(data.test_labels.tolist()) == set(range(10))
    assert 0 <= data.train_images.min() <= data.train_images.max() <= 1


def test_it_learns_and_reports_every_epoch_and_repeats_itself() -> None:
    evaluation, again = Evaluation(), Evaluation()
    accuracy = quality(EPOCHS=2)(TINY, Builder(TINY), evaluation)
    assert accuracy > 0.6  # a guess has 0.1
    assert [step for step, _ in evaluation.reports] == [1, 2]
    assert evaluation.reports[-1][1] == accuracy
    assert quality(EPOCHS=2)(TINY, Builder(TINY), again) == accuracy
    assert again.reports == evaluation.reports


def test_threads_are_given_back() -> None:
    seen = []

    class Watching(Evaluation):
        def report(self, value: float, step: int) -> None:
            seen.append(torch.get_num_threads())

    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        quality(EPOCHS=1, THREADS=1)(TINY, Builder(TINY), Watching())
        assert (seen, torch.get_num_threads()) == ([1], before + 1)
    finally:
        torch.set_num_threads(before)


def test_pruning_stops_a_training() -> None:
    evaluation = Evaluation(stop_at=1)
    with pytest.raises(optuna.TrialPruned):
        quality(EPOCHS=5)(TINY, Builder(TINY), evaluation)
    assert len(evaluation.reports) == 1


def test_a_training_that_is_done_is_not_stopped() -> None:
    assert quality(EPOCHS=1)(TINY, Builder(TINY), Evaluation(stop_at=1)) > 0


def test_images_are_fitted_to_the_network() -> None:
    images = torch.rand(6, 1, 4, 4)
    fitted = _fitted(Data(images, torch.zeros(6), images, torch.zeros(6)), (3, 8, 8))
    assert fitted.train_images.shape == (6, 3, 8, 8)
    plain = _fitted(Data(images, torch.zeros(6), images, torch.zeros(6)), (3, 4, 4)).train_images
    assert float(plain.mean()) == pytest.approx(0, abs=1e-6)
    assert float(plain[:, :1].std()) == pytest.approx(1, abs=1e-5)
    with pytest.raises(ConfigError, match="images with 2 channels: expected 1 or 3"):
        _fitted(Data(torch.rand(2, 2, 4, 4), torch.zeros(2), images, torch.zeros(6)), (3, 4, 4))


def test_ones_own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "train_data.py").write_text(
        "import torch\n"
        "def load():\n"
        "    images = torch.zeros(64, 3, 8, 8); images[::2] = 1.0\n"
        "    labels = torch.zeros(64).long(); labels[::2] = 1\n"
        "    return images, labels, images, labels\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    accuracy = quality(DATA="train_data:load", EPOCHS=6, BATCH_SIZE=16)(TINY, Builder(TINY), Evaluation())
    assert accuracy == 1.0
