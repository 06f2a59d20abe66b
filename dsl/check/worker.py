"""One file in a process of its own: it is imported, its functions are staged one after the other.

What happens is told as it happens, so that the parent knows what was under way when the process
hung or died. A time limit interrupts Python by a signal; what does not even listen to that is ended
by the parent, which starts again behind it.

Law: whatever a file does, the parent hears of it or sees the process end.
"""

from __future__ import annotations

import ast
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from multiprocessing.connection import Connection
from types import FrameType
from typing import NamedTuple, TypeAlias

from verax.dsl.check.attempt import distinct, examine
from verax.dsl.check.collect import Found, definitions, find, load
from verax.dsl.check.findings import Failure, Finding, Outcome, Place, Target, place_in
from verax.dsl.check.meshes import Options, meshes_of, on_meshes
from verax.sharding.mesh import Mesh

IMPORT_SECONDS = 60.0
"""What importing a module may take, where the limit per function is shorter."""


class Job(NamedTuple):
    """A file to check, from its function number ``first`` on."""

    file: str
    seconds: float
    options: Options
    first: int = 0


class Imported(NamedTuple):
    """The module is there, with these functions."""

    targets: tuple[Target, ...]


class Started(NamedTuple):
    """Function number ``at`` is being staged."""

    at: int


class Done(NamedTuple):
    """Function number ``at`` was staged."""

    at: int
    outcome: Outcome


class Ended(NamedTuple):
    """All is done; ``failure`` says why the file could not be checked, if it could not."""

    failure: Failure | None = None


Event: TypeAlias = Imported | Started | Done | Ended


class TimeUp(BaseException):
    """The time limit; no ``except Exception`` of the user's catches it."""


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise TimeUp in this thread after so many seconds, and again until it gets through."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeUp

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.05)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def run(job: Job, out: Connection) -> None:
    """Check a file and send what happens; the main function of the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears of it, and ends this process
    with contextlib.redirect_stdout(sys.stderr):
        for event in events(job):
            out.send(event)
    out.close()


def events(job: Job) -> Iterator[Event]:
    """What happens while a file is checked."""
    try:
        tree = _parsed(job.file)
    except (SyntaxError, ValueError, OSError) as error:
        yield Ended(_unreadable(job.file, error))
        return
    if not definitions(tree):
        yield Ended()
        return
    try:
        with limited(max(job.seconds, IMPORT_SECONDS)):
            module = load(job.file)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        yield Ended(_not_imported(job.file, error))
        return
    found = find(module, tree, job.file)
    yield Imported(tuple([f.target for f in found]))
    meshes = meshes_of(module)
    for i, f in enumerate(found[job.first :], job.first):
        yield Started(i)
        yield Done(i, _outcome(f, meshes, job))
    yield Ended()


def _parsed(file: str) -> ast.Module:
    with open(file, "rb") as f:
        return ast.parse(f.read(), file)


def _unreadable(file: str, error: Exception) -> Failure:
    if isinstance(error, SyntaxError):
        return Failure(file, f"syntax error: {error.msg}", error.lineno or 0)
    if isinstance(error, OSError):
        return Failure(file, f"cannot be read: {error.strerror}")
    return Failure(file, f"cannot be read: {error}")


def _not_imported(file: str, error: BaseException) -> Failure:
    place = place_in(error.__traceback__)
    line = place.line if place is not None and os.path.abspath(file) == place.file else 0
    if isinstance(error, TimeUp):
        return Failure(file, "its import did not end in time", line)
    if isinstance(error, SystemExit):
        return Failure(file, f"its import ended the program: SystemExit({error.code!r})", line)
    if isinstance(error, SyntaxError):
        name = os.path.basename(error.filename or "?")
        return Failure(file, f"its import met a syntax error: {name}: {error.msg}", line)
    said = str(error).strip().split("\n")[0]
    kind = type(error).__name__
    return Failure(file, f"its import raised {kind}" + (f": {said}" if said else ""), line)


def _outcome(found: Found, meshes: list[Mesh], job: Job) -> Outcome:
    try:
        with limited(job.seconds):
            outcome, function, attempt = examine(found)
            if function is None or attempt is None:
                return outcome
            more = on_meshes(function, attempt, meshes, job.options)
            return outcome._replace(
                findings=distinct((*outcome.findings, *more.findings)),
                comm=more.comm,
                reason="; ".join(more.reasons) or None,
            )
    except KeyboardInterrupt:
        raise
    except TimeUp as error:
        return late(found.target, job.seconds, place_in(error.__traceback__))
    except BaseException as error:
        kind = type(error).__name__
        text = f"{kind}, raised while {found.target.name} was staged"
        place = place_in(error.__traceback__) or found.target.place
        return Outcome(True, (Finding("verax-exception", text, place, found.target.name),))


def late(target: Target, seconds: float, place: Place | None = None) -> Outcome:
    """The outcome of a function that did not end."""
    return Outcome(
        False,
        (
            Finding(
                "verax-timeout",
                f"{target.name} did not end within {seconds:g} s while it was staged",
                place or target.place,
                target.name,
                "loops over values are written with vx.scan, vx.fori_loop or vx.while_loop;"
                " --timeout allows more",
            ),
        ),
    )


def died(target: Target, code: int | None) -> Outcome:
    """The outcome of a function in which the process ended."""
    how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
    text = f"{target.name} ended the process while it was staged ({how})"
    return Outcome(False, (Finding("verax-exception", text, target.place, target.name),))
