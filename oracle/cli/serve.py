"""`oracle serve`: scores over HTTP."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from oracle.cli._flags import natural, whole

_EXAMPLES = """\
examples:
  oracle serve
  oracle serve --port 9000 --max-rows 100000
  oracle serve --host 0.0.0.0                   # open to every machine that reaches it

  curl -s 'http://127.0.0.1:8000/score?device=t4&batch_size=8' -d '"ResNet-50"'
  curl -s 'http://127.0.0.1:8000/score?device=t4' -d '{"_BASE_": "RegNetX-400MF", "REGNET": {"DEPTH": 20}}'
  curl -s 'http://127.0.0.1:8000/score_many?device=t4' -d '["ResNet-50", "RegNetX-400MF"]'

POST /score answers with the JSON of `oracle score --format json`, POST /score_many with columns;
GET /devices, /networks, /health. The query string has the words of `oracle score` (device, batch_size,
dtype, mode, runtime, engine, ...). Networks are configs or names of shipped networks, devices names of
shipped devices: nothing of a request runs, and no file of this machine is opened for it. Errors of a
request come back as JSON with status 422."""


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "serve",
        help="answer over HTTP, for other languages and many clients",
        description="Scores over HTTP, on this machine alone unless --host says otherwise; Ctrl-C ends it.",
        epilog=_EXAMPLES,
    )
    command.add_argument(
        "--host", default="127.0.0.1", metavar="HOST", help="address to listen on (default: 127.0.0.1)"
    )
    command.add_argument("--port", type=whole, default=8000, metavar="N", help="default: 8000; 0 for any that is free")
    command.add_argument(
        "--max-body", type=natural, default=16_000_000, metavar="BYTES", help="of a request (default: 16,000,000)"
    )
    command.add_argument(
        "--max-documents", type=natural, default=1_000, metavar="N", help="networks of a POST /score (default: 1,000)"
    )
    command.add_argument(
        "--max-rows", type=natural, default=10_000, metavar="N", help="networks of a POST /score_many (default: 10,000)"
    )
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from oracle.errors import OracleError
    from oracle.serve import Bounds, run

    if args.port > 65_535:
        raise OracleError(f"port={args.port}: expected at most 65535")

    def ready(port: int) -> None:
        host = f"[{args.host}]" if ":" in args.host else args.host
        sys.stdout.write(f"oracle serve: http://{host}:{port} (Ctrl-C ends it)\n")
        sys.stdout.flush()

    run(args.host, args.port, Bounds(args.max_body, args.max_documents, args.max_rows), ready=ready)
    return 0
