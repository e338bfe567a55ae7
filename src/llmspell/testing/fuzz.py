"""Fuzzing: mutated spells, and mutated frames of a hostile worker, run until something gives.

Whatever the input, a run ends well or with an error of the script, a capability, a limit or a
crashed worker; never with an exception of another kind, never with the host process dead or
hanging, never with a secret or a path of the host in what it leaves. Every so often a canary must
give its normal result, and descriptors, processes, tasks and memory be what they were.

The runs are made in processes of their own, so that one that dies or hangs is a finding like any
other. A run is made from the seed and its number alone: `fuzz(plan, [number])` makes it again.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import wait
from time import monotonic
from typing import NamedTuple

from .fuzz_runs import MODES, Input, Plan, Told, make_input, work
from .mutations import Spell, read_spells


class Finding(NamedTuple):
    """A run that came out wrong, with all it takes to see it again."""

    seed: int
    number: int
    wrong: str
    input: Input

    def __str__(self) -> str:
        again = f"again: make fuzz SEED={self.seed} ONLY={self.number}"
        return f"run {self.number} of seed {self.seed}: {self.wrong}\n{again}\n{self.input}\n"


class Report:
    """What became of the runs so far.

    endings: how many runs ended how, by where they were run and the kind of end.
    counts: how often the canary sang and everything was counted.
    grown: bytes by which the memory of the host had grown, at most.
    """

    def __init__(self) -> None:
        self.endings: Counter[tuple[str, str]] = Counter()
        self.findings: list[Finding] = []
        self.counts = 0
        self.grown = 0.0

    @property
    def runs(self) -> int:
        """How many runs have ended, in whatever way."""
        return self.endings.total()

    def __str__(self) -> str:
        lines = [f"{'ending':<28}" + "".join(f"{mode:>10}" for mode in MODES)]
        for ending in sorted({ending for _, ending in self.endings}):
            counts = [self.endings[mode, ending] for mode in MODES]
            lines.append(f"{ending:<28}" + "".join(f"{count:>10}" for count in counts))
        grown = f"host grown by at most {self.grown / 1e6:.0f} MB"
        found = f"{len(self.findings)} findings"
        return "\n".join([*lines, f"{self.runs} runs, {self.counts} counts, {grown}, {found}"])


@contextmanager
def _environment(**given: str) -> Iterator[None]:
    """Variables for a process that is started meanwhile."""
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class _Job:
    """A process that makes some of the runs."""

    def __init__(self, plan: Plan, numbers: Sequence[int], folder: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.numbers = numbers
        self.pipe, theirs = context.Pipe(duplex=False)
        self.process = context.Process(target=work, args=(plan, numbers, folder, theirs))
        with _environment(PYTHONMALLOC="malloc"):  # so that what is in use can be counted
            self.process.start()
        theirs.close()
        self.heard = monotonic()
        self.began = False
        self.done = 0

    def end(self) -> str:
        """Ends the process. Says what it died of, or ""."""
        self.process.join(5)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
            return "the host process hung"
        code = self.process.exitcode or 0
        if code < 0:
            return f"the host process died of {signal.Signals(-code).name}"
        return f"the host process ended with code {code}" if code else ""


def fuzz(
    plan: Plan,
    numbers: Sequence[int],
    jobs: int = 1,
    progress: Callable[[Report], None] = lambda report: None,
) -> Report:
    """Makes the runs of these numbers in `jobs` processes; calls `progress` now and then."""
    report, spells = Report(), read_spells(plan.folders)
    with tempfile.TemporaryDirectory(prefix="llmspell-fuzz-", ignore_cleanup_errors=True) as base:
        shares = [numbers[first::jobs] for first in range(jobs)]
        working = [_Job(plan, share, base) for share in shares if share]
        try:
            while working:
                heard = wait([job.pipe for job in working], timeout=1)
                for job in list(working):
                    if job.pipe in heard:
                        going = _hear(job, plan, report, spells)
                    else:
                        going = monotonic() - job.heard < plan.patience * (1 if job.began else 10)
                    if not going:
                        working.remove(job)
                        working += _bury(job, plan, report, spells, base)
                progress(report)
        finally:
            for job in working:
                job.process.kill()
    return report


def _hear(job: _Job, plan: Plan, report: Report, spells: Sequence[Spell]) -> bool:
    """Takes what a job has told. Whether more will come."""
    try:
        told: Told = job.pipe.recv()
    except EOFError:
        return False
    job.heard = monotonic()
    job.began = True
    if told.ending:
        job.done += 1
        report.endings[told.mode, told.ending] += 1
    else:
        report.counts += 1
        report.grown = max(report.grown, told.grown)
    if told.wrong:
        made = make_input(plan, told.number, spells)
        report.findings.append(Finding(plan.seed, told.number, told.wrong, made))
    return True


def _bury(job: _Job, plan: Plan, report: Report, spells: Sequence[Spell], base: str) -> list[_Job]:
    """Takes the end of a job. One that died while it ran something gets an heir for the rest."""
    wrong, left = job.end(), job.numbers[job.done :]
    job.pipe.close()
    if not left and not wrong:
        return []
    wrong = wrong or "the host process ended before its time"
    number = left[0] if left else job.numbers[-1]
    made = make_input(plan, number, spells)
    if not job.began:
        wrong = f"nothing was run: {wrong}"
    elif left:
        report.endings[made.mode, "killed the host"] += 1
    report.findings.append(Finding(plan.seed, number, wrong, made))
    return [_Job(plan, left[1:], base)] if job.began and left[1:] else []
