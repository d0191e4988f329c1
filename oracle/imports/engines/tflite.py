"""TFLite's benchmark_model: its profile of operators, as text or CSV, and its summary.

With `--enable_op_profiling=true` a table "Run Order" says `[node type] [first] [avg ms] [%] ... [Name]`, fields parted
by tabs, or by commas in the file of `--profiling_output_csv_file`; further tables say the same in another order. The
summary is `Inference timings in us: Init: 5685, First inference: 18535, Warmup (avg): 14462, Inference (avg): 14575`,
and before it `count=50 first=18000 curr=14500 min=14300 max=18000 avg=14575 std=...` of the last runs.
(https://www.tensorflow.org/lite/performance/measurement)
"""

from __future__ import annotations

import re

from oracle.imports.engines.report import Layer, Report, Timing, number

_AVERAGE = re.compile(r"Inference \(avg\): *([\d.eE+]+)")
_RUNS = re.compile(r"count=(\d{1,9}) .*?min=([\d.eE+]+) .*?avg=([\d.eE+]+)")
_THREADS = re.compile(
    r"(?:#threads used for CPU inference|Num threads|num_threads)[:=]? *\[?(\d{1,4})\]?", re.IGNORECASE
)
_GRAPH = re.compile(r"^.*?(?:Graph|graph): *\[([^\]]+)\]")


def knows(text: str) -> bool:
    """Whether it holds the summary or a table of operators."""
    return bool(_AVERAGE.search(text)) or any(_columns(line) for line in text.splitlines())


def read(text: str, file: str) -> Report:
    """Operators in the order of execution, and the runs.

    Raises:
        OracleError: a time that is no number.
    """
    lines = text.splitlines()
    words: dict[str, int] = {}
    network, runs, notes = "", None, []
    timings: tuple[Timing, ...] = ()
    for index, line in enumerate(lines, 1):
        if (match := _THREADS.search(line)) and int(match[1]):
            words["threads"] = int(match[1])
        if match := _GRAPH.match(line):
            network = match[1]
        runs = _RUNS.search(line) or runs
        if match := _AVERAGE.search(line):
            place = f"{file}:{index}"
            mean = number(match[1], place, "Inference (avg)") * 1e-3
            least = number(runs[2], place, "min") * 1e-3 if runs else None
            if mean > 0:
                repeats = int(runs[1]) if runs else 0
                timings = (Timing(network, mean, place, least or None, None, repeats, tuple(words.items())),)
                notes.append("latency is the mean of the runs: benchmark_model prints no median")
    return Report("litert", tuple(_layers(lines, file)), timings, tuple(notes))


def _layers(lines: list[str], file: str) -> list[Layer]:
    start = next((index for index, line in enumerate(lines) if _columns(line)), None)
    if start is None:
        return []
    columns, mark = _columns(lines[start]), "\t" if "\t" in lines[start].strip() else ","
    found: list[Layer] = []
    for index, line in enumerate(lines[start + 1 :], start + 2):
        cells = [cell.strip() for cell in line.strip().split(mark)]
        if len(cells) < len(columns):
            if found:
                break  # the table ends
            continue
        row = dict(zip(columns, cells, strict=False))
        name = re.sub(
            r"^\[(.*)\](:\d+)?$", r"\1", mark.join(cells[columns.index("name") :]) if "name" in columns else ""
        )
        place = f"{file}:{index}"
        found.append(
            Layer(name or row["node type"], row["node type"], number(row["avg ms"], place, "avg ms") * 1e-3, place)
        )
    return found


def _columns(line: str) -> list[str]:
    """The names of a table's header, without brackets; nothing for a line that is none."""
    words = [cell.strip().strip("[]").replace("_", " ").lower() for cell in re.split(r"\t|,", line.strip())]
    return words if {"node type", "avg ms"} <= set(words) else []
