"""Stages: by our own names of blocks, and by the paths of other people's modules."""

from __future__ import annotations

import oracle
from oracle.report.stages import stages_of


def test_blocks_of_our_own_belong_to_their_stage() -> None:
    paths = ["stem.conv", "s1_b1.f.a", "s1_b2.f.a", "s2_b1.f.b.conv", "head.fc", ""]
    assert list(stages_of(paths).values()) == ["stem", "s1", "s1", "s2", "head", "(network)"]


def test_a_part_that_holds_nearly_everything_is_looked_into() -> None:
    paths = ["features.0.a", "features.0.b", "features.1.a", "features.2.a", "classifier"]
    found = stages_of(paths)
    assert [found[path] for path in paths] == ["features.0", "features.0", "features.1", "features.2", "classifier"]
    assert set(stages_of(["encoder.layers.one.a", "encoder.layers.two.a"]).values()) == {
        "encoder.layers.one", "encoder.layers.two",
    }  # fmt: skip


def test_nothing_has_no_stages() -> None:
    assert stages_of([]) == {}
    assert stages_of(["", ""]) == {"": "(network)"}


def test_shipped_networks_have_stems_stages_and_heads() -> None:
    kernels = oracle.score("R-56").kernels()
    assert list(dict.fromkeys(stages_of(kernel.module for kernel in kernels).values())) == [
        "stem",
        "s1",
        "s2",
        "s3",
        "head",
    ]
