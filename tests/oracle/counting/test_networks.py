"""Traces of networks."""

from __future__ import annotations

import pytest

from oracle.config import load_cfg
from oracle.counting.networks import count_net
from oracle.errors import OracleError
from oracle.families import to_spec
from oracle.spec import Workload


@pytest.mark.parametrize("batch_size", [10**16, 10**18, 2**63, 10**30])
def test_images_beyond_64_bits_are_an_error(batch_size: int) -> None:
    with pytest.raises(OracleError, match=f"batch_size={batch_size}.* exceed 64 bits"):
        count_net(to_spec(load_cfg("R-56")), Workload(batch_size=batch_size))
