"""The ASGI application, and a server for it."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeAlias

from oracle.errors import ConfigError, MissingDependencyError, OracleError
from oracle.serve.answers import devices, error_data, health, json_bytes, networks, scored, scored_many
from oracle.serve.requests import Query, query_of

_JSON = "application/json"

Endpoint: TypeAlias = Callable[[Any], Any]
"""What starlette awaits with a request."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a request may be at most.

    Attributes:
        body_bytes: of its body.
        documents: networks of a request to /score, which makes a document of each.
        rows: networks of a request to /score_many.
    """

    body_bytes: int = 16_000_000
    documents: int = 1_000
    rows: int = 10_000


class _RefusedError(Exception):
    """A request that is not answered, with the status that says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def app(bounds: Bounds = Bounds()) -> Any:
    """The application, for any ASGI server.

    Args:
        bounds: of requests.

    Raises:
        MissingDependencyError: starlette is not installed.

    Example:
        >>> uvicorn.run(oracle.serve.app(), port=8000)
    """
    routing, made = _library("starlette.routing"), _Endpoints(bounds)
    routes = [
        routing.Route("/score", made.posted(scored, bounds.documents), methods=["POST"]),
        routing.Route("/score_many", made.posted(scored_many, bounds.rows), methods=["POST"]),
        routing.Route("/devices", made.got(devices)),
        routing.Route("/networks", made.got(networks)),
        routing.Route("/health", made.got(health)),
    ]
    handlers = {404: made.refused, 405: made.refused, 500: made.failed}
    return _library("starlette.applications").Starlette(routes=routes, exception_handlers=handlers)


class _Endpoints:
    """Functions as endpoints: what they take is read and checked, what they give is JSON."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._response = _library("starlette.responses").Response
        self._in_thread = _library("starlette.concurrency").run_in_threadpool

    def posted(self, function: Callable[[Any, Query], dict[str, Any]], most: int) -> Endpoint:
        """Of the content of a body and the words of a query string."""

        def made(body: bytes, pairs: list[tuple[str, str]]) -> bytes:
            return json_bytes(function(_content(body, most), query_of(pairs)))

        async def endpoint(request: Any) -> Any:
            try:
                body = await _body(request, self._bounds)
                found = await self._in_thread(made, body, request.query_params.multi_items())
            except _RefusedError as refused:
                return self._answer(_error("Refused", str(refused)), refused.status)
            except OracleError as error:
                return self._answer(error_data(error), 422)
            return self._response(found, media_type=_JSON)

        return endpoint

    def got(self, function: Callable[[], dict[str, Any]]) -> Endpoint:
        """Of nothing."""

        async def endpoint(_: Any) -> Any:
            return self._answer(await self._in_thread(function))

        return endpoint

    async def refused(self, _: Any, error: Any) -> Any:
        """Another path or method."""
        return self._answer(_error("Refused", error.detail), error.status_code)

    async def failed(self, _: Any, error: Exception) -> Any:
        """A defect: an exception that is no `OracleError`."""
        message = f"{type(error).__name__}: {error} (a defect of the oracle; the log of the service shows where)"
        return self._answer(_error("Defect", message), 500)

    def _answer(self, data: dict[str, Any], status: int = 200) -> Any:
        return self._response(json_bytes(data), status, media_type=_JSON)


def _error(kind: str, message: str) -> dict[str, Any]:
    return {"error": {"type": kind, "message": message}}


async def _body(request: Any, bounds: Bounds) -> bytes:
    """The body, as long as it is not too large: no more of it is read."""
    found = bytearray()
    async for part in request.stream():
        found += part
        if len(found) > bounds.body_bytes:
            raise _RefusedError(413, f"body: expected at most {bounds.body_bytes:,} bytes")
    return bytes(found)


def _content(body: bytes, most: int) -> Any:
    try:
        content = json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise _RefusedError(400, f"body: expected JSON, a config or a list of them: {error}") from None
    if isinstance(content, list) and len(content) > most:
        raise _RefusedError(413, f"body: {len(content):,} networks, expected at most {most:,}")
    return content


def _no_number(name: str) -> Any:
    raise ConfigError(f"value {name}: expected a finite number")


def run(host: str = "127.0.0.1", port: int = 8000, bounds: Bounds = Bounds(), *, ready: Callable[[int], None]) -> None:
    """Serve until Ctrl-C or SIGTERM, after which requests that have begun are answered.

    Args:
        host, port: where to listen; a host other than a loopback's is open to every machine that reaches it.
        bounds: of requests.
        ready: called with the port once it listens.

    Raises:
        MissingDependencyError: uvicorn or starlette is not installed.
        OracleError: the address cannot be used.
    """
    uvicorn = _library("uvicorn")
    config = uvicorn.Config(app(bounds), log_level="warning", access_log=False, lifespan="off")

    class Server(uvicorn.Server):  # type: ignore[misc,name-defined]
        """Says when it listens."""

        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            if self.started:
                ready(listening.getsockname()[1])

    with _listening(host, port) as listening:
        Server(config).run([listening])


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named for asyncio, which leaves TCP_NODELAY alone without it: answers would wait for 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen()
    except (OSError, OverflowError) as error:
        listening.close()
        raise OracleError(f"host={host!r}, port={port}: cannot listen there: {error}") from None
    return listening


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise MissingDependencyError(
            f"serve needs {name.partition('.')[0]}; `pip install 'nas-cost-oracle[serve]'`"
        ) from None
