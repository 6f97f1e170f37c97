"""Many trials, in as many processes as there are cores; memory does not grow with their number."""

import os
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import ExitStack
from itertools import islice
from multiprocessing import get_context

from busbar.simulator.trials.summary import Summary

_AHEAD = 2
"""So many seeds per worker are handed out at a time."""
_SEEDS_PER_LIFE = 250
"""A worker is replaced after so many: what leaks anywhere goes with it."""


def run_many(
    seeds: Iterable[int], *, run: Callable[[int], Summary], workers: int | None = None
) -> Generator[Summary, None, None]:
    """One summary per seed, in the order in which they end.

    `run` can be sent to another process; `workers`: None is one per core, 1 is this process. Closing it stops what has
    not begun.
    """
    workers = workers or os.cpu_count() or 1
    if workers == 1:
        yield from map(run, seeds)
        return
    left = iter(seeds)
    with ExitStack() as stack:
        # Started afresh, not forked: a worker has its own event loops and no threads of ours.
        pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), max_tasks_per_child=_SEEDS_PER_LIFE)
        stack.callback(pool.shutdown, wait=True, cancel_futures=True)
        running: set[Future[Summary]] = {pool.submit(run, seed) for seed in islice(left, _AHEAD * workers)}
        while running:
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            running |= {pool.submit(run, seed) for seed in islice(left, len(ended))}
            for future in ended:
                yield future.result()
