"""All figures that the documentation quotes, printed again.

    python -m tests.benchmarks                       # what there is, and where it is quoted
    python -m tests.benchmarks speed                 # one group
    python -m tests.benchmarks accuracy --data DATA  # on public measurements, in a folder DATA

Every benchmark is a script of its own, and says with `--help` what it takes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from typing import NamedTuple


class Figures(NamedTuple):
    """Figures of the documentation.

    Attributes:
        words: module below tests.benchmarks, and its arguments; DATA stands for the folder of measurements.
        page: where they are quoted.
    """

    words: tuple[str, ...]
    page: str


GROUPS: dict[str, tuple[Figures, ...]] = {
    "speed": (
        Figures(("sweep_speed",), "docs/concepts/closed-forms.md, README.md: microseconds per candidate"),
        Figures(("score_speed",), "docs/concepts/closed-forms.md, README.md: milliseconds per network, growth"),
        Figures(("startup_speed",), "docs/concepts/closed-forms.md: a process"),
        Figures(("space_speed",), "docs/concepts/closed-forms.md: NAS-Bench-201 whole"),
    ),
    "engines": (
        Figures(("engine_graphs",), "docs/howto/engine.md: kernels and nodes"),
        Figures(("arena",), "CHANGELOG.md: arenas of TFLite-Micro"),
        Figures(("vela",), "CHANGELOG.md: Ethos-U"),
    ),
    "accuracy": (
        Figures(("validate", "DATA", "--cache", "CACHE"), "docs/accuracy.md: timm, HELP, Jetson, Raspberry Pi"),
        Figures(("products", "DATA"), "docs/accuracy.md: products and attention"),
        Figures(("ncnn_boards", "DATA"), "docs/accuracy.md: boards"),
        Figures(("consistency",), "docs/known-errors.md: runtimes; CHANGELOG.md: curves over batches"),
    ),
    "host": (
        Figures(("host_accuracy",), "docs/accuracy.md: this very CPU"),
        Figures(("engine_accuracy",), "docs/accuracy.md: engines on this host"),
    ),
    "search": (
        Figures(("study_speed",), "docs/tutorials/study.md"),
        Figures(("suggestion_speed",), "docs/howto/pool-sampler.md: milliseconds per suggestion"),
        Figures(("samplers", "nasbench201"), "docs/howto/pool-sampler.md: samplers on cells of NAS-Bench-201"),
        Figures(("samplers", "regnets"), "docs/howto/pool-sampler.md: samplers on RegNets"),
        Figures(("warm_start",), "docs/howto/pool-sampler.md: warm starts"),
        Figures(("pruners",), "docs/studies.md: what pruners save"),
        Figures(("pool_pruning",), "docs/studies.md: the pool sampler and stopped trainings"),
        Figures(("study_digits",), "docs/tutorials/study.md: hypervolumes"),
        Figures(("confidence", "DATA"), "docs/howto/limits.md: confidence and ties"),
        Figures(("serve_speed",), "docs/howto/serve.md: requests per second"),
    ),
    "equality": (
        Figures(("equality",), "docs/concepts/closed-forms.md: every shipped network"),
        Figures(("members",), "docs/concepts/closed-forms.md: random members of spaces"),
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run groups, one script after the other; the number of those that failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument("groups", nargs="*", choices=[*GROUPS, []], metavar="GROUP", help=", ".join(GROUPS))
    parser.add_argument("--data", default="", help="folder of public measurements")
    parser.add_argument("--cache", default=".benchmarks", help="folder for networks that were traced")
    args = parser.parse_args(argv)
    failed = 0
    for group in args.groups or GROUPS:
        for figures in GROUPS[group]:
            words = [{"DATA": args.data, "CACHE": args.cache}.get(word, word) for word in figures.words]
            print(f"\n{group}: {' '.join(figures.words)}: {figures.page}", flush=True)
            if args.groups:
                failed += "" in words or _run(*words)
    return failed


def _run(module: str, *words: str) -> bool:
    """Whether a script failed."""
    done = subprocess.run([sys.executable, "-m", f"tests.benchmarks.{module}", *words], check=False)
    return done.returncode != 0


if __name__ == "__main__":
    sys.exit(main())
