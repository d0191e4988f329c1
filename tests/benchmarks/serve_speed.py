"""Requests per second of `oracle serve` on this machine: python -m tests.benchmarks.serve_speed

A service in a process of its own, clients in threads of this one over connections that stay open; every network is
another RegNet. Prints requests and configs per second of single configs, and of lists of 1,000, with one client and
with four; and, as machines are busy with other things, the processor time of the service per request (Linux).
"""

from __future__ import annotations

import http.client
import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from search.space import load_space

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def served() -> Iterator[tuple[int, int]]:
    """The port and the process of a service that runs."""
    command = [sys.executable, "-m", "oracle", "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            yield int(line.split()[2].rpartition(":")[2]), process.pid
        finally:
            process.terminate()


def configs(count: int) -> list[dict[str, Any]]:
    """Distinct RegNets as plain sections."""
    space = load_space("regnetx")
    chunk = space.chunk(0)
    found = []
    for row in range(count):
        sections: dict[str, Any] = {"MODEL": {"TYPE": "regnet", "NUM_CLASSES": 1000}}
        for key, column in chunk.columns.items():
            section, name = key.split(".")
            sections.setdefault(section, {})[name] = column[row].item()
        found.append(sections)
    return found


def cpu_s(pid: int) -> float:
    """Processor time of a process so far; nan where there is no /proc."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return math.nan
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def rate(
    port: int, pid: int, path: str, bodies: list[bytes], clients: int, seconds: float = 6.0
) -> tuple[float, float]:
    """Requests per second, and seconds of the processor per request, after a second that does not count."""
    done, stop = [0] * clients, threading.Event()

    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        place = number
        while not stop.is_set():
            connection.request("POST", path, bodies[place % len(bodies)])
            answer = connection.getresponse()
            content = answer.read()
            assert answer.status == 200, content
            done[number] += 1
            place += clients

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    time.sleep(1.0)
    before, began, used = sum(done), time.perf_counter(), cpu_s(pid)
    time.sleep(seconds)
    count, elapsed, spent = sum(done) - before, time.perf_counter() - began, cpu_s(pid) - used
    stop.set()
    for thread in threads:
        thread.join()
    return count / elapsed, spent / max(count, 1)


def main() -> None:
    """Print the table."""
    nets = configs(4_000)
    single = [json.dumps(net).encode() for net in nets]
    named = [b'"ResNet-50"']
    lists = [json.dumps(nets[start : start + 1_000]).encode() for start in range(0, len(nets), 1_000)]
    print("what                                    clients  requests/s   configs/s  CPU ms/request")
    with served() as (port, pid):
        for what, path, bodies, size in (
            ("/score, a shipped name", "/score?device=t4", named, 1),
            ("/score, single configs", "/score?device=t4", single, 1),
            ("/score, lists of 1,000", "/score?device=t4", lists, 1_000),
            ("/score_many, single configs", "/score_many?device=t4", single, 1),
            ("/score_many, lists of 1,000", "/score_many?device=t4", lists, 1_000),
        ):
            for clients in (1, 4):
                found, spent = rate(port, pid, path, bodies, clients, 6.0 if size == 1 else 15.0)
                print(f"{what:40s}{clients:7d}{found:12.1f}{found * size:12,.0f}{spent * 1e3:16.2f}")


if __name__ == "__main__":
    main()
