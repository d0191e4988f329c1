"""What a request gets: JSON, of the same shape as that of the commands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import oracle
from oracle.config import CfgNode, list_networks
from oracle.devices import list_devices, load_device
from oracle.errors import ConfigError, OracleError
from oracle.families import to_spec
from oracle.query import score, score_many
from oracle.report.export import finite
from oracle.serve.requests import Query, devices_of, networks_of, placed

_KEY = re.compile(r"^(?P<key>[\w.\[\]-]+)=(?P<value>'[^']*'|\"[^\"]*\"|\S+?)(?=[:;,\s]|$)")
_VALUE = re.compile(r"\bvalue (?P<value>'[^']*'|\"[^\"]*\"|\[.*?\]|\{.*?\}|\S+?)(?=[:;,\s]|$)")
_EXPECTED = re.compile(r"\bexpected (?P<expected>.+)$", re.DOTALL)


def json_bytes(data: Mapping[str, Any]) -> bytes:
    """Plain data as compact JSON, the oracle's version first; what is not a finite number is null."""
    plain = {"oracle": oracle.__version__, **data}
    try:
        return _dumped(plain)
    except ValueError:  # a number that is not finite, which few answers have
        return _dumped(finite(plain))


def _dumped(plain: Any) -> bytes:
    return json.dumps(plain, separators=(",", ":"), allow_nan=False).encode()


def scored(content: Any, query: Query) -> dict[str, Any]:
    """What `oracle score --format json` says of each network.

    Args:
        content: of the body.
        query: of the query string; without devices, each config's own.

    Raises:
        OracleError: anything wrong with a network, a device or a word.
    """
    cfgs = networks_of(content)
    with _placed(cfgs):
        found = [score(cfg, devices_of(query, [cfg]), **query.workload, **query.words).to_dict() for cfg in cfgs]
    return {"networks": found}


def scored_many(content: Any, query: Query) -> dict[str, Any]:
    """The columns of `oracle.score_many`; one workload and one set of devices for all.

    Args:
        content, query: as in `scored`; without devices, those of the first config.

    Raises:
        OracleError: as `scored`; configs that state different workloads.
    """
    cfgs = networks_of(content)
    words = {name: value for name, value in query.words.items() if name != "strict"}
    with _placed(cfgs):
        return score_many(cfgs, devices_of(query, cfgs), **words, **query.workload).to_dict()


@contextmanager
def _placed(cfgs: Sequence[CfgNode]) -> Iterator[None]:
    """A complaint about one of several configs says which of them."""
    try:
        yield
    except ConfigError:
        for place, cfg in enumerate(cfgs) if len(cfgs) > 1 else ():
            _check(cfg, place)
        raise


def _check(cfg: CfgNode, place: int) -> None:
    try:
        to_spec(cfg)
    except ConfigError as error:
        raise placed(error, place) from None


def health() -> dict[str, Any]:
    """That the service answers."""
    return {"status": "ok"}


def devices() -> dict[str, Any]:
    """What `oracle devices --format json` says."""
    from oracle.report.rows import device_data

    found = sorted((load_device(name) for name in list_devices()), key=lambda device: (device.kind, device.name))
    return {"devices": [device_data(device) for device in found]}


def networks() -> dict[str, Any]:
    """The names of the shipped networks."""
    return {"networks": list(list_networks())}


def error_data(error: OracleError) -> dict[str, Any]:
    """An error as data.

    Args:
        error: whose message says what was wrong.

    Returns:
        `type`, `message`, and the parts of the message that name the key, the value and what was expected; None where
        it names none.

    Example:
        >>> error_data(WorkloadError("batch_size=0: expected at least 1"))["expected"]
        'at least 1'
    """
    message = str(error)
    key, value = getattr(error, "key", "") or None, None
    if at := _VALUE.search(message):
        value = at["value"]
    if named := _KEY.match(message):
        key, value = key or named["key"], value or named["value"]
    expected = _EXPECTED.search(message)
    return {
        "error": {
            "type": type(error).__name__,
            "message": message,
            "key": key,
            "value": None if value is None else value.strip("'\""),
            "expected": expected["expected"] if expected else None,
        }
    }
