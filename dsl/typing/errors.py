"""How an error of verax becomes one of mypy's: its code, its first line, and the rest as notes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mypy.checker import TypeChecker
from mypy.errorcodes import ErrorCode
from mypy.errors import ErrorWatcher
from mypy.nodes import Context
from mypy.plugin import CheckerPluginInterface

from verax.sharding.errors import VeraxError

CODES = {
    code: ErrorCode(code, text, "Verax")
    for code, text in (
        ("verax-shape", "Shapes or ranks that do not fit"),
        ("verax-dtype", "dtypes that an operation does not take, or an implicit promotion"),
        ("verax-sharding", "Layouts on a mesh that do not fit"),
        ("verax-key", "A random key that is used twice"),
        ("verax-effect", "An effect in a pure function"),
        ("verax-index", "An index that does not fit"),
        ("verax-structure", "Pytrees that differ where they must agree"),
        ("verax-derivative", "A derivative that does not exist"),
        ("verax-concrete", "Python asks for the value of a staged array"),
        ("verax-unknown", "A shape that is not known"),
        ("verax", "Other errors of verax"),
    )
}


def report(api: CheckerPluginInterface, error: VeraxError, context: Context) -> None:
    """Report an error: its first line is mypy's error, what follows and the fix are notes."""
    assert isinstance(api, TypeChecker)
    first, *rest = error.message.split("\n")
    code = CODES.get(error.code, CODES["verax"])
    if api.fail(first, context, code=code) is None:
        return
    if error.fix is not None:
        rest.append(f"fix: {error.fix}")
    for line in rest:
        api.note(line, context, code=code)


@contextmanager
def outright(api: TypeChecker) -> Iterator[None]:
    """What is reported in here is no part of what mypy tries: no overload is refused for it.

    It is a part of what is guessed.
    """
    errors = api.msg.errors
    watchers = errors._watchers
    guesses = [i + 1 for i, w in enumerate(watchers) if any(w is g for g in _GUESSES)]
    errors._watchers = watchers[: max(guesses, default=0)]
    try:
        yield
    finally:
        errors._watchers = watchers


_GUESSES: list[ErrorWatcher] = []


@contextmanager
def guessing(api: TypeChecker) -> Iterator[ErrorWatcher]:
    """What is reported in here holds for one of several guesses: it is counted, and not told."""
    with api.msg.filter_errors() as watcher:
        _GUESSES.append(watcher)
        try:
            yield watcher
        finally:
            _GUESSES.pop()


def note(api: CheckerPluginInterface, text: str, context: Context) -> None:
    """A note where a shape is not known."""
    assert isinstance(api, TypeChecker)
    api.note(text, context, code=CODES["verax-unknown"])
