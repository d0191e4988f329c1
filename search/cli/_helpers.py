"""Processes of this machine that work on a study beside the one that a person has started."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from ..study import Progress

_LAST_S = 30.0  # for which helpers may take note that the study is finished


@contextmanager
def helped(
    count: int, name: str, storage: str, watch: Callable[[Progress], None], **words: Any
) -> Generator[Callable[[Progress], None], None, None]:
    """A watcher that starts helpers as soon as the study is there and its space was probed; all have ended after it.

    Helpers are processes of their own, and not forks: threads of torch do not survive a fork. They are given the
    storage through a pipe, where no list of processes shows a password. Ctrl-C reaches whoever has the terminal, who
    ends the helpers; one whose starter is gone ends after its trial.

    Args:
        count: helpers to start, 0 for none.
        name: of the study.
        storage: path or URL.
        watch: is called as before.
        words: of `join_study`.
    """
    context = multiprocessing.get_context("spawn")
    helpers: list[Any] = []

    def watching(progress: Progress) -> None:
        watch(progress)
        if progress.probed or len(helpers) >= count or progress.spent >= progress.wanted:
            return
        with _deaf():  # what a child inherits: it is ended by us, and only once
            while len(helpers) < count:
                helpers.append(context.Process(target=_help, args=(os.getpid(), name, storage, words)))
                helpers[-1].start()

    try:
        yield watching
        for helper in helpers:
            helper.join(_LAST_S)
    finally:
        for helper in helpers:
            if helper.is_alive():
                helper.terminate()
        for helper in helpers:
            helper.join(_LAST_S)
            if helper.is_alive():
                helper.kill()
            helper.join()


@contextmanager
def _deaf() -> Generator[None, None, None]:
    """Without Ctrl-C for a moment, in this process and for good in those that it starts."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _help(starter: int, name: str, storage: str, words: dict[str, Any]) -> None:
    """What a helper does."""
    from oracle.cli._messages import warn
    from oracle.errors import OracleError

    from ..study import join_study

    signal.signal(signal.SIGTERM, _interrupt)

    def watch(progress: Progress) -> None:
        if progress.message and progress.spent < progress.wanted:
            warn(progress.message, "oracle-search")
        if os.getppid() != starter:
            raise KeyboardInterrupt

    try:
        join_study(name, storage, watcher=watch, **words)
    except KeyboardInterrupt:
        return  # its trial waits to be tried again
    except OracleError as error:
        warn(f"a worker has ended: {error}", "oracle-search")


def _interrupt(*_: Any) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough
    raise KeyboardInterrupt
