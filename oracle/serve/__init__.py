"""Scores over HTTP, for other languages and many clients: `oracle serve`.

    POST /score        a config, or a list of them -> the JSON of `oracle score --format json`
    POST /score_many   a list of configs -> columns, the JSON of `Scores.to_dict()`
    GET  /devices      the JSON of `oracle devices --format json`
    GET  /networks     the names of the shipped networks
    GET  /health       {"status": "ok", "oracle": VERSION}

Nothing of a request runs or is opened: networks are configs and names of shipped networks, devices are names of shipped
devices; no paths, no `package.module:callable`.
"""

from __future__ import annotations

from oracle.serve.app import Bounds, app, run

__all__ = ["Bounds", "app", "run"]
