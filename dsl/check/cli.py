"""``verax check PATH...``: the command line, and the processes behind it.

One process per file, a few at a time. Exit codes: 0 no errors, 1 errors were found, 2 something
could not be checked (a path that does not exist, a module that does not import, an interrupt).
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from verax.compiler.ir.errors import StructureError
from verax.dsl.check.collect import files_of
from verax.dsl.check.findings import Failure, Outcome, Target
from verax.dsl.check.meshes import Options
from verax.dsl.check.report import FileReport, Report, as_json, text
from verax.dsl.check.worker import (
    IMPORT_SECONDS,
    Done,
    Ended,
    Event,
    Imported,
    Job,
    Started,
    died,
    late,
    run,
)
from verax.dsl.lang.amounts import in_bytes

GRACE = 2.0
"""Seconds beside the limit before a process that does not listen is ended."""

_ABOUT = """\
Stage every function and method whose parameters are annotated with arrays, keys or structs, at its
declared signature with symbolic dims, and report all errors at once. No device is used and no data.

The files are IMPORTED: what stands at the top of a module is run, as by python -c "import module".
"""
_CODES = """\
exit codes: 0 no errors; 1 errors; 2 a path or a module could not be checked, or an interrupt.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """The command ``verax``; returns the exit code."""
    options = _arguments(argv)
    try:
        budget = None if options.comm_budget is None else in_bytes(
            options.comm_budget, "verax check", "--comm-budget"
        )  # fmt: skip
    except StructureError as error:
        print(error.message, file=sys.stderr)
        return 2
    report = check(options.paths, options.timeout, Options(budget, options.implicit), options.jobs)
    try:
        print(as_json(report) if options.json else text(report, options.verbose), flush=True)
    except BrokenPipeError:  # the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return report.code


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="verax", description="Tools for programs in verax.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser(
        "check",
        help="stage annotated functions and report all errors",
        description=_ABOUT,
        epilog=_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = command.add_argument
    add("paths", nargs="+", metavar="PATH", help="a file, a folder, or the name of a package")
    add("--json", action="store_true", help="write JSON (see docs/check.md)")
    add("--timeout", type=_seconds, default=10.0, metavar="SECONDS",
        help="the time limit per function (default 10); imports may take a minute")  # fmt: skip
    add("--comm-budget", metavar="BYTES",
        help="what one function may communicate on a mesh: 4096, 512KB, 2MiB")  # fmt: skip
    add("--implicit", action="store_true",
        help="where cuts are declared, allow what is gathered or exchanged unasked")  # fmt: skip
    add("--jobs", "-j", type=int, default=min(4, os.cpu_count() or 1), metavar="N",
        help="how many files are checked at a time")  # fmt: skip
    add("--verbose", "-v", action="store_true", help="list functions without annotations, too")
    return parser.parse_args(argv)


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text} is no positive number of seconds")
    return value


def check(
    paths: Sequence[str], seconds: float = 10.0, options: Options | None = None, jobs: int = 1
) -> Report:
    """Check files, folders and packages."""
    start = time.perf_counter()
    files, failures = files_of(paths)
    todo = [_Running(Job(os.path.abspath(file), seconds, options or Options())) for file in files]
    interrupted = False
    try:
        _all(todo, max(1, jobs))
    except KeyboardInterrupt:
        interrupted = True
        for r in todo:
            r.stop()
    reports = tuple([r.report() for r in todo])
    return Report(reports, tuple(failures), time.perf_counter() - start, interrupted)


def _all(todo: Sequence[_Running], jobs: int) -> None:
    """Run all files, so many at a time."""
    waiting, running = list(todo), list[_Running]()
    while waiting or running:
        while waiting and len(running) < jobs:
            running.append(waiting.pop(0))
            running[-1].start()
        left = min(r.deadline for r in running) - time.monotonic()
        ready: list[Any] = wait([r.pipe for r in running], max(0.0, left))
        for r in list(running):
            if r.pipe in ready:
                r.hear()
            elif time.monotonic() >= r.deadline:
                r.give_up()
            if r.finished:
                running.remove(r)


_CONTEXT: Any = multiprocessing.get_context(
    "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
)


class _Running:
    """A file that is being checked, and what was heard of it."""

    process: BaseProcess
    pipe: Connection

    def __init__(self, job: Job) -> None:
        self.job = job
        self.targets: tuple[Target, ...] = ()
        self.outcomes: dict[int, Outcome] = {}
        self.at: int | None = None  # the function that is under way
        self.failure: Failure | None = None
        self.finished = self.started = False
        self.deadline = 0.0

    def start(self) -> None:
        """Start a process for what is left."""
        self.pipe, theirs = _CONTEXT.Pipe(duplex=False)
        self.process = _CONTEXT.Process(target=run, args=(self.job, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self.started, self.at = True, None
        self._allow(max(self.job.seconds, IMPORT_SECONDS))

    def _allow(self, seconds: float) -> None:
        self.deadline = time.monotonic() + seconds + GRACE

    def hear(self) -> None:
        """Take what the process says; its silence is the end of it."""
        try:
            event: Event = self.pipe.recv()
        except (EOFError, OSError):
            self._ended()
            return
        if isinstance(event, Imported):
            self.targets = event.targets
        elif isinstance(event, Started):
            self.at = event.at
            self._allow(self.job.seconds)
        elif isinstance(event, Done):
            self.outcomes[event.at] = event.outcome
            self.at = None
        elif isinstance(event, Ended):
            self.failure, self.finished = event.failure, True
            self.process.join()

    def _ended(self) -> None:
        """The process died."""
        self.process.join()
        code = self.process.exitcode
        if self.at is None:
            how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
            self.failure = Failure(self.job.file, f"its import ended the process ({how})")
            self.finished = True
        else:
            self._go_on(died(self.targets[self.at], code))

    def give_up(self) -> None:
        """The process does not listen: end it, and go on behind the function."""
        self.stop()
        if self.at is None:
            self.failure = Failure(self.job.file, "its import did not end in time")
            self.finished = True
        else:
            self._go_on(late(self.targets[self.at], self.job.seconds))

    def _go_on(self, outcome: Outcome) -> None:
        assert self.at is not None
        self.outcomes[self.at] = outcome
        self.job = self.job._replace(first=self.at + 1)
        if self.job.first < len(self.targets):
            self.start()
        else:
            self.finished = True

    def stop(self) -> None:
        """End the process at once."""
        if self.started and self.process.is_alive():
            self.process.kill()
            self.process.join()

    def report(self) -> FileReport:
        """What was heard of the file."""
        outcomes = [(t, self.outcomes[i]) for i, t in enumerate(self.targets) if i in self.outcomes]
        return FileReport(self.job.file, tuple(outcomes), self.failure)
