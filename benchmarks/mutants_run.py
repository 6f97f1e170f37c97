"""Mutants against the tests that come to their line, each in a process forked from one that has loaded everything.

A plugin of pytest: once everything is collected, every test is run as it is, its time taken and its lines noted; then
each mutant is met by the tests of its line, the ones that are quick and have found its kind first, until one fails.
"""

import gc
import os
import resource
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from mutants_made import Mutant, Place, traced

LEAST_CPU_S = 3.0
"""Every test may take so long, and `SLOWER` times what it took by itself: longer is a hang, which counts as found."""
SLOWER = 10
WALL_PER_CPU = 60
"""Nothing waits for ever: a test that does not even use the processor is ended after so many times as long."""
NARROW = 60
"""Lines that a test of one function comes to."""
SURVIVED, KILLED, HUNG = "survived", "killed", "hung"


@dataclass(kw_only=True)
class Outcome:
    """What became of a mutant."""

    mutant: Mutant
    verdict: str
    by: str = ""
    """The test that found it."""
    tests: int = 0
    """How many tests come to its line."""
    took_s: float = 0.0


@dataclass(kw_only=True)
class Meeting:
    """The plugin: collects, notes who comes to which line, then lets mutants and tests meet."""

    modules: list[ModuleType]
    mutants: Iterable[Mutant]
    told: Callable[[Outcome], None]
    until_s: float
    """Monotonic; no mutant is begun later."""
    most_cpu_s: float
    """A mutant that the tests have not noticed after so long is taken to be left."""
    _reached: set[tuple[str, int]] = field(default_factory=set)
    _tests_of: dict[tuple[str, int], list[pytest.Item]] = field(default_factory=lambda: defaultdict(list))
    _lines: dict[str, int] = field(default_factory=dict)
    _cpu_s: dict[str, float] = field(default_factory=dict)
    _found: Counter[tuple[str, str]] = field(default_factory=Counter)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """In the place of pytest's own."""
        if session.testsfailed:
            raise session.Interrupted("not everything could be collected")
        self._look(session.items)
        gc.collect()
        gc.freeze()
        places = {module.__name__: module for module in self.modules}
        for mutant in self.mutants:
            if time.monotonic() > self.until_s:
                break
            self.told(self._meet(mutant, places[mutant.module]))
        return True

    def _look(self, items: Iterable[pytest.Item]) -> None:
        places = []
        for module in self.modules:
            name, add = module.__name__, self._reached.add

            def reached(line: int, name: str = name, add: Callable[[tuple[str, int]], None] = add) -> None:
                add((name, line))

            places += traced(module, reached)
        for item in items:
            self._reached.clear()
            began = time.process_time()
            if _fails(item):
                raise pytest.UsageError(f"fails without any mutant: {item.nodeid}")
            self._cpu_s[item.nodeid] = time.process_time() - began
            self._lines[item.nodeid] = len(self._reached)
            for line in self._reached:
                self._tests_of[line].append(item)
        for place in places:
            place.restore()

    def _meet(self, mutant: Mutant, module: ModuleType) -> Outcome:
        tests = self._in_order(mutant)
        began = time.monotonic()
        outcome = Outcome(mutant=mutant, verdict=SURVIVED, tests=len(tests))
        if tests:
            outcome.verdict, outcome.by = self._fork(Place(module, mutant.function), mutant, tests)
            self._found[mutant.function, outcome.by] += bool(outcome.by)
            self._found["", outcome.by] += bool(outcome.by)
        outcome.took_s = round(time.monotonic() - began, 2)
        return outcome

    def _in_order(self, mutant: Mutant) -> list[pytest.Item]:
        """Whoever is likely to find it per second of work first; who comes to few lines looks at them more closely."""

        def worth(item: pytest.Item) -> float:
            found = self._found[mutant.function, item.nodeid] + 0.02 * self._found["", item.nodeid]
            close = float((NARROW / self._lines[item.nodeid]) ** 2.5)
            return -(found + close) / (self._cpu_s[item.nodeid] + 0.02)

        return sorted(self._tests_of[mutant.module, mutant.line], key=worth)

    def _fork(self, place: Place, mutant: Mutant, tests: list[pytest.Item]) -> tuple[str, str]:
        """The verdict, and by whom."""
        inlet, outlet = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(inlet)
            _silence()
            place.put(mutant.source)
            began = time.process_time()
            for number, item in enumerate(tests):
                os.write(outlet, number.to_bytes(4, "big"))
                self._give_time(item)
                if _fails(item):
                    os._exit(1)
                if time.process_time() - began > self.most_cpu_s:
                    break
            os._exit(0)
        os.close(outlet)
        with os.fdopen(inlet, "rb") as told:
            begun = told.read()
        status = os.waitpid(child, 0)[1]
        last = tests[int.from_bytes(begun[-4:], "big")].nodeid
        if os.WIFSIGNALED(status):
            return HUNG, last
        return (SURVIVED, "") if os.WEXITSTATUS(status) == 0 else (KILLED, last)

    def _give_time(self, item: pytest.Item) -> None:
        cpu_s = LEAST_CPU_S + SLOWER * self._cpu_s[item.nodeid]
        signal.setitimer(signal.ITIMER_PROF, cpu_s)
        signal.setitimer(signal.ITIMER_REAL, cpu_s * WALL_PER_CPU)


def _fails(item: pytest.Item) -> bool:
    reports: list[Any] = runtestprotocol(item, nextitem=None, log=False)
    return any(report.failed for report in reports)


def _silence() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, 3 * 2**30))
