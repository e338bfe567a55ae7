"""`make fuzz RUNS=100000 SEED=1`: mutated spells and frames until something gives.

`make fuzz ONLY=4711` makes one run again and shows its input. Exits with 1 when it found something.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from time import monotonic

from llmspell.testing.fuzz import Report, fuzz
from llmspell.testing.fuzz_runs import Plan, make_input
from llmspell.testing.mutations import read_spells

TESTS = Path(__file__).parents[1] / "tests"
CORPUS = (TESTS / "escapes" / "lua", TESTS / "escapes" / "gate", TESTS / "conformance")
PAUSE = 10.0
"""Seconds between two lines of progress."""


class Printer:
    """Prints each finding at once, whole, and a line of progress now and then."""

    def __init__(self, runs: int) -> None:
        self.runs = runs
        self.shown = 0
        self.began = self.last = monotonic()

    def __call__(self, report: Report) -> None:
        for finding in report.findings[self.shown :]:
            print(f"FOUND by {finding}{'-' * 60}", flush=True)
        self.shown = len(report.findings)
        if monotonic() - self.last > PAUSE:
            self.last = monotonic()
            rate = report.runs / (self.last - self.began)
            print(f"{report.runs} of {self.runs} runs, {rate:.0f} a second, grown by at most "
                  f"{report.grown / 1e6:.0f} MB, {self.shown} findings", flush=True)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, help="number of the first run")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", type=int, help="make this one run and show its input")
    args = parser.parse_args()
    plan = Plan(CORPUS, args.seed)
    numbers = range(args.first, args.first + args.runs)
    if args.only is not None:
        numbers = range(args.only, args.only + 1)
        print(make_input(plan, args.only, read_spells(plan.folders)), "-" * 60, sep="\n")
    printer = Printer(len(numbers))
    report = fuzz(plan, numbers, args.jobs, printer)
    printer(report)
    print(f"seed {args.seed}, {monotonic() - printer.began:.0f} s\n{report}")
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main())
