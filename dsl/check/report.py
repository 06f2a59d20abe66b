"""How findings are written: as text with the source beside it, and as JSON.

The text of a finding is that of the error which staging raises, with carets under the piece of the
user's source instead of its line alone. The JSON has the same content and a version.
"""

from __future__ import annotations

import json
import linecache
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from verax.dsl.check.findings import Comm, Failure, Finding, Outcome, Place, Target

VERSION = 1
_MOST_LINES = 4


class FileReport(NamedTuple):
    """What came of one file: its functions with their outcomes, or why there are none."""

    file: str
    outcomes: tuple[tuple[Target, Outcome], ...]
    failure: Failure | None = None


class Report(NamedTuple):
    """What came of a run."""

    files: tuple[FileReport, ...]
    failures: tuple[Failure, ...]
    seconds: float
    interrupted: bool = False

    @property
    def findings(self) -> list[Finding]:
        """All errors; what two functions show at one place is one."""
        clean = {
            (target.place.file, o.first)
            for target, o in self.outcomes
            if o.staged and not o.findings
        }
        found = [f.blamed(clean) for _, o in self.outcomes for f in o.findings]
        kept = {(f.code, f.place, f.mesh): f for f in reversed(found)}
        return sorted(kept.values(), key=lambda f: (f.place.file, f.place.line, f.place.column))

    @property
    def not_read(self) -> list[Failure]:
        """The paths and the files that could not be checked."""
        return [*self.failures, *[f.failure for f in self.files if f.failure is not None]]

    @property
    def outcomes(self) -> list[tuple[Target, Outcome]]:
        """All functions."""
        return [pair for file in self.files for pair in file.outcomes]

    @property
    def code(self) -> int:
        """The exit code: 0 clean, 1 findings, 2 something could not be checked."""
        if self.interrupted or self.not_read:
            return 2
        return 1 if self.findings else 0


# text --------------------------------------------------------------------------------------------


def text(report: Report, verbose: bool = False) -> str:
    """The report for people."""
    parts = ["\n".join(_finding(f)) for f in report.findings]
    parts += [_failure(f) for f in report.not_read]
    missing = list(_not_staged(report, verbose))
    if missing:
        parts.append("\n".join(["not checked:", *missing]))
    comm = [c for _, o in report.outcomes for c in o.comm]
    parts += ["\n".join(_comm(c)) for c in comm]
    parts.append(_summary(report))
    return "\n\n".join(parts)


def _finding(f: Finding) -> Iterator[str]:
    first, *rest = f.message.splitlines()
    yield f"{_where(f.place)}: [{f.code}] {first}"
    yield from rest
    yield from excerpt(f.place)
    yield from (f"  at {place}" for place in f.places)
    yield f"  in {f.function}" + (f" on {f.mesh}" if f.mesh else "")
    if f.fix is not None:
        yield f"  fix: {f.fix}"


def _where(p: Place) -> str:
    return f"{_short(p.file)}:{p.line}" + (f":{p.column}" if p.column else "")


def _short(file: str) -> str:
    """The path from here, where the file lies below."""
    below = os.path.isabs(file) and file.startswith(os.getcwd() + os.sep)
    return os.path.relpath(file) if below else os.path.normpath(file)


def excerpt(p: Place) -> Iterator[str]:
    """The lines of a place, with carets below what is meant."""
    last = max(p.line, p.end_line)
    width = len(str(last))
    for n in range(p.line, min(last, p.line + _MOST_LINES - 1) + 1):
        source = linecache.getline(p.file, n).rstrip()
        if not source:
            continue
        yield f"  {n:>{width}} | {source}"
        if p.column:
            start = p.column - 1 if n == p.line else len(source) - len(source.lstrip())
            end = p.end_column - 1 if n == last else len(source)
            before = "".join("\t" if c == "\t" else " " for c in source[:start])
            mark = before + "^" * max(1, end - start)
            yield f"  {'':>{width}} | {mark}"


def _failure(f: Failure) -> str:
    lines = [f"{_short(f.file)}{f':{f.line}' if f.line else ''}: could not be checked: {f.message}"]
    if f.line:
        lines += excerpt(Place(f.file, f.line))
    return "\n".join(lines)


def _not_staged(report: Report, verbose: bool) -> Iterator[str]:
    for target, outcome in report.outcomes:
        if outcome.reason is not None and (verbose or outcome.relevant):
            where = f"{_short(target.place.file)}:{target.place.line}"
            yield f"  {where} {target.name}: {outcome.reason}"


def _comm(c: Comm) -> Iterator[str]:
    sizes = ", ".join(f"{n}={k}" for n, k in c.sizes)
    yield f"{_where(c.place)}: {c.function} on {c.mesh} communicates, where {sizes}:"
    yield from (f"    {line}" for line in c.table.splitlines())


def _summary(report: Report) -> str:
    staged = sum(o.staged for _, o in report.outcomes)
    open_ = sum(not o.staged and o.relevant and not o.findings for _, o in report.outcomes)
    plain = sum(not o.relevant for _, o in report.outcomes)
    n = len(report.findings)
    parts = [f"{_count(n, 'error')} in {_count(staged, 'function')} of"
             f" {_count(len(report.files), 'file')}"]  # fmt: skip
    if open_:
        parts.append(f"{open_} not checked")
    if plain:
        parts.append(f"{plain} without annotations of arrays")
    if report.not_read:
        parts.append(f"{_count(len(report.not_read), 'path')} not read")
    if report.interrupted:
        parts.append("interrupted")
    return "; ".join(parts)


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


# JSON --------------------------------------------------------------------------------------------


def as_json(report: Report) -> str:
    """The report for programs; docs/check.md describes it."""
    data = {
        "version": VERSION,
        "exit_code": report.code,
        "seconds": round(report.seconds, 3),
        "interrupted": report.interrupted,
        "findings": [_finding_data(f) for f in report.findings],
        "functions": [_function_data(t, o) for t, o in report.outcomes],
        "communication": [_comm_data(c) for _, o in report.outcomes for c in o.comm],
        "not_read": [
            {"file": f.file, "line": f.line or None, "message": f.message} for f in report.not_read
        ],
    }
    return json.dumps(data, indent=2)


def _place_data(p: Place) -> dict[str, Any]:
    return {
        "file": p.file,
        "line": p.line,
        "column": p.column or None,
        "end_line": p.end_line or None,
        "end_column": p.end_column or None,
    }


def _finding_data(f: Finding) -> dict[str, Any]:
    return {
        "code": f.code,
        "message": f.message,
        **_place_data(f.place),
        "function": f.function,
        "fix": f.fix,
        "places": list(f.places),
        "mesh": f.mesh,
    }


def _function_data(target: Target, outcome: Outcome) -> dict[str, Any]:
    return {
        "name": target.name,
        "file": target.place.file,
        "line": target.place.line,
        "staged": outcome.staged,
        "errors": len(outcome.findings),
        "reason": outcome.reason,
    }


def _comm_data(c: Comm) -> dict[str, Any]:
    return {
        "function": c.function,
        **_place_data(c.place),
        "mesh": c.mesh,
        "sizes": dict(c.sizes),
        "bytes": c.nbytes,
        "table": c.table,
    }
