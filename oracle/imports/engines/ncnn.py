"""ncnn's benchncnn, as it prints: settings `num_threads = 4`, then `squeezenet  min = 11.66  max = 11.80  avg = 11.74`.

Times are milliseconds. A name that ends in `_int8` is of a quantised network.
"""

from __future__ import annotations

import re

from oracle.imports.engines.report import Report, Timing, number

_NUMBER = r"\s*=\s*([-+\w.]+)"
_ROW = re.compile(rf"^\s*(\S+)\s+min{_NUMBER}\s+max{_NUMBER}\s+avg{_NUMBER}\s*$", re.ASCII)
_SETTING = re.compile(r"^\s*(loop_count|num_threads|powersave|gpu_device|cooling_down)\s*=\s*(-?\d{1,9})\s*$", re.ASCII)


def knows(text: str) -> bool:
    """Whether some line is such a row."""
    return any(_ROW.match(line) for line in text.splitlines())


def read(text: str, file: str) -> Report:
    """A timing for each network; settings hold for the rows below them.

    Raises:
        OracleError: a time that is no number.
    """
    settings: dict[str, int] = {}
    found, notes = [], ["latency is the mean of the runs: benchncnn prints no median"]
    for index, line in enumerate(text.splitlines(), 1):
        if match := _SETTING.match(line):
            settings[match[1]] = int(match[2])
        match = _ROW.match(line)
        if match is None:
            continue
        place = f"{file}:{index}"
        least, _, mean = (number(match[i], place, word) for i, word in ((2, "min"), (3, "max"), (4, "avg")))
        if mean == 0:  # benchncnn prints so what it could not run
            continue
        words: dict[str, int | str] = {"dtype": "int8"} if match[1].endswith("_int8") else {}
        if settings.get("num_threads", 0) > 0 and settings.get("gpu_device", -1) < 0:
            words["threads"] = settings["num_threads"]
        repeats = max(settings.get("loop_count", 0), 0)
        found.append(Timing(match[1], mean, place, least or None, None, repeats, tuple(words.items())))
    if settings.get("gpu_device", -1) >= 0:
        notes.append(f"ran on the GPU (gpu_device = {settings['gpu_device']})")
    return Report("ncnn", timings=tuple(found), notes=tuple(notes))
