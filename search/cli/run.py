"""`oracle-search run`: a study from its file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from oracle._resources import shipped
from oracle.cli._flags import add_output, natural

from ._studies import add_accept, add_workers

_EXAMPLES = """\
examples:
  oracle-search run digits
  oracle-search run my/study.yaml --trials 200 --storage sqlite:///study.db
  oracle-search run mine.yaml --from mine-before    # a study of the same space: what it evaluated is learnt from
  oracle-search run digits --workers 4         # processes of this machine; Ctrl-C ends all
  oracle-search run digits --storage postgresql://user@host/db   # and elsewhere: oracle-search worker digits ...

A study file says what to look for, and what not to spend an evaluation on:
  SPACE: regnetx                            # oracle-search spaces; a path, or SETUP and what it has
  DEVICES: [t4, pixel-4]                    # scored in any case
  COST: {BATCH_SIZE: 8, DTYPE: float32}     # also MODE, RUNTIME, LAYOUT
  OBJECTIVES: [maximise quality, minimise latency_ms@t4]
  CONSTRAINTS: [params <= 30e6, latency_ms@pixel-4 <= 40]
  QUALITY: {TYPE: call, FUNCTION: package.module:function}
  SAMPLER: pool                             # tpe, nsga2, nsga3, gp, random, grid; exact where QUALITY is none
  PRUNER: {TYPE: hyperband, MIN: 1, MAX: 27}  # stops trainings early; also halving, median, none
  TRIALS: 200                               # also NAME, STORAGE, TIMEOUT, SEED
QUALITY may be none (then no objective is quality), call, proxies, train or table. A FUNCTION of one's own is
found in the working directory too, and gives a number for a network:
  def function(spec, builder, trial):
      model = builder()                     # the module, initialised; builder.meta() takes no memory
      for epoch in range(1, 28):
          accuracy = train(model, seed=trial.seed)
          trial.check(accuracy, epoch)      # reports, and stops what is poor
      return accuracy                       # trial.config and trial.scores state what it costs
Shipped studies, in configs/studies: {studies}.

A study that is in the storage already goes on where it stopped. Only feasible networks are suggested, each once:
TRIALS counts evaluations, but for those that failed; ten failures in a row end a run. Where QUALITY is none, the
space is enumerated, and the trials are the front of all that was seen."""


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "run",
        help="search: optuna suggests among what the oracle finds feasible, and that is evaluated",
        description="Run the study of a YAML file: only networks that obey the constraints are suggested, each once;\n"
        "where nothing needs an evaluation, the space is enumerated.",
        epilog=_EXAMPLES.replace("{studies}", ", ".join(shipped("studies"))),
    )
    command.add_argument("study", metavar="STUDY", help="shipped study, or YAML file")
    command.add_argument("--storage", default="", metavar="FILE|URL", help="instead of STORAGE")
    command.add_argument("--trials", type=natural, metavar="N", help="instead of TRIALS")
    command.add_argument("--timeout", type=float, metavar="SECONDS", help="instead of TIMEOUT")
    command.add_argument("--seed", type=int, metavar="N", help="instead of SEED")
    command.add_argument("--name", metavar="NAME", help="instead of NAME")
    command.add_argument(
        "--from",
        dest="earlier",
        action="append",
        default=[],
        metavar="STUDY",
        help="start from what another study of the space has evaluated: its name (in the same storage, if one is "
        "given), its file or its journal; may be repeated",
    )
    add_output(command)
    add_accept(command)
    add_workers(command)
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from ..study import load_study, open_results, run_study, study_of
    from ..study.storage import default_storage
    from ._helpers import helped
    from ._studies import helpers_of, summarise
    from ._watching import resume_command, watching

    plan = load_study(args.study)
    flags = {"TRIALS": args.trials, "TIMEOUT": args.timeout, "SEED": args.seed, "NAME": args.name}
    given = {key: value for key, value in flags.items() if value is not None}
    storage = args.storage or plan.storage
    if given:
        plan = study_of({**plan.values, **given})
    words = {"accept_changed_quality": args.accept_changed_quality}
    storage, count = storage or default_storage(plan.name), helpers_of(args, plan)
    earlier = [open_results(source, "" if Path(source).is_file() else args.storage) for source in args.earlier]
    with (
        watching(resume_command(plan.name, storage)) as watcher,
        helped(count, plan.name, storage, watcher, **words) as watcher,
    ):
        results = run_study(plan, storage, watcher=watcher, earlier=earlier, **words)
    return summarise(args, results)
