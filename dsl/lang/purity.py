"""Purity: what a function reads is the same after staging as before, and it asks no clock.

A staged function runs once, and its program many times: what it writes outside would be written
once, and what it takes from an iterator or a clock would stand in the program for good. So what
the function reads (see identity.py) is compared once more when it has run. A difference is a
PurityError that names the variable and the line, and the containers are put back as they were.

One kind of writing is allowed: to fill in what was missing or None with a value that is not staged.
That is how a function keeps tables for itself, and it does not matter when, or how often, it runs.

Law: a function that is staged without an error leaves what it reads as it was, or filled in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import BuiltinFunctionType, CodeType, FunctionType, GeneratorType, MethodType
from typing import Any, NamedTuple

from verax.compiler.ir.errors import PurityError
from verax.dsl.lang.bytecode import facts, spoken_at, written_at
from verax.dsl.lang.contents import KINDS, MISSING
from verax.dsl.lang.identity import Identity, read_by
from verax.dsl.lang.outside import (
    DRAW,
    ITERATE,
    Hook,
    asked,
    is_iterator,
    put_back,
    same_state,
    state_of,
    watched,
)
from verax.dsl.lang.path import root, variable
from verax.dsl.lang.scope import Scope
from verax.dsl.lang.treedef import node_of
from verax.dsl.lang.value import Value


def called(
    scope: Scope,
    user: object,
    reads: Identity | None,
    f: Callable[..., Any],
    args: tuple[Any, ...],
) -> Any:
    """f(*args), staged in this scope.

    Args:
        user: the user's function in f.
        reads: what it reads, if that is known; found here otherwise. Inside another function,
            whose own check sees what both read, only functions that look as if they write count.
    """
    if reads is None:
        if scope.outer is not None and not _writes(user):
            return f(*args)
        reads = read_by(user)
    if not reads.sources:
        y = f(*args)
    else:
        y = _with_sources(scope, reads, f, args)
    if not reads.holds():
        _check(scope, reads)
    return y


def _writes(f: object) -> bool:
    """Whether the code of f, or of a function that it captured, may write."""
    if isinstance(f, MethodType):
        f = f.__func__
    code = getattr(f, "__code__", None)
    if not isinstance(code, CodeType):
        return not isinstance(f, BuiltinFunctionType)
    if facts(code).writes:
        return True
    inner = _contents(f) if isinstance(f, FunctionType) else []
    return any(type(g) is FunctionType and facts(g.__code__).writes for g in inner)


# writes ------------------------------------------------------------------------------------------


class _Write(NamedTuple):
    """One change of what the function reads.

    Attributes:
        name: the variable, as messages call it: ``history[3]``.
        variable: its name alone, as the bytecode has it.
        attribute: the attribute that was written, or nothing.
        before, after: what stood there and what stands there.
        restore: puts it back.
        verb: what happened.
    """

    name: str
    variable: str
    attribute: str
    before: Any
    after: Any
    restore: Callable[[], None]
    verb: str

    @property
    def allowed(self) -> bool:
        """Whether it only fills in what was missing, with something that is not staged."""
        empty = self.before is None or (self.before is MISSING and self.verb != "appended")
        return empty and not _is_staged(self.after)


def _check(scope: Scope, reads: Identity) -> None:
    writes = list(_written(reads))
    wrong = [w for w in writes if not w.allowed]
    if not wrong:
        return
    for w in reversed(wrong):
        w.restore()
    first = wrong[0]
    codes = [code for _, code, _ in reads.codes]
    place = written_at(codes, first.variable, first.attribute)
    raise PurityError(
        f"{written(first.name, first.verb, scope.where, scope.what)}; it is as it was before",
        fix=elsewhere(scope.name, first.variable),
        places=[place] if place else [],
    )


def written(name: str, verb: str, where: str, what: str) -> str:
    """What is wrong with a write."""
    return (
        f"{name} was {verb} while {where} was being staged ({what}): that would happen once, and"
        " not in every call"
    )


def elsewhere(name: str, variable: str) -> str:
    """What to do instead."""
    return f"return what {name} writes, and write it to {variable} outside"


def _written(reads: Identity) -> Iterator[_Write]:
    """What differs from before."""
    for same, v, then, path in reads.contents:
        if same(v, then):
            continue
        kind = KINDS[same]

        def restore(kind: Any = kind, v: Any = v, then: Any = then) -> None:
            kind.restore(v, then)

        for step, before, after in kind.changes(v, then):
            attribute = step[1:] if step.startswith(".") else ""
            verb = _verb(before, after)
            if verb == "added" and isinstance(v, list):
                verb = "appended"
            yield _Write(variable(path) + step, root(path), attribute, before, after, restore, verb)
    for cell, then, name in reads.cells:
        try:
            now = cell.cell_contents
        except ValueError:
            now = MISSING
        if now is not then:

            def bind(cell: Any = cell, then: Any = then) -> None:
                cell.cell_contents = then

            yield _Write(name, name, "", then, now, bind, "bound anew")
    for mapping, key, then, name in reads.names:
        now = mapping.get(key, MISSING)
        if now is not then:

            def put(mapping: Any = mapping, key: str = key, then: Any = then) -> None:
                if isinstance(mapping, dict):
                    _refilled(mapping, key, then)

            shown = f"the global {name}" if name == key else name
            yield _Write(shown, name.split(".")[0], "", then, now, put, "bound anew")


def _refilled(mapping: dict[str, Any], key: str, then: Any) -> None:
    if then is MISSING:
        mapping.pop(key, None)
    else:
        mapping[key] = then


def _verb(before: Any, after: Any) -> str:
    if before is MISSING:
        return "added"
    return "removed" if after is MISSING else "changed"


def _is_staged(v: Any) -> bool:
    """Whether a staged value stands somewhere in v, as far as is cheap to see."""
    todo, seen = [v], set[int]()
    while todo and len(seen) < 10_000:
        x = todo.pop()
        if id(x) in seen:
            continue
        seen.add(id(x))
        if isinstance(x, Value):
            if x.scope is not None:
                return True
        elif isinstance(x, Mapping):
            todo += x.values()
        elif isinstance(x, (list, tuple, set, frozenset)):
            todo += x
        elif isinstance(x, FunctionType):
            todo += [*_contents(x), *(x.__defaults__ or ())]
        elif isinstance(x, partial):
            todo += [x.func, *x.args, *x.keywords.values()]
        else:
            node = node_of(type(x))
            todo += node.take(x)[1] if node is not None else getattr(x, "__dict__", {}).values()
    return False


def _contents(f: FunctionType) -> list[Any]:
    """What a function captured."""
    out = []
    for cell in f.__closure__ or ():
        try:
            out.append(cell.cell_contents)
        except ValueError:
            continue
    return out


# reads of what changes by itself ------------------------------------------------------------------


def _with_sources(
    scope: Scope, reads: Identity, f: Callable[..., Any], args: tuple[Any, ...]
) -> Any:
    """f(*args), where f may ask a clock, or reads iterators and random generators."""
    sources = [(v, name, spoken, state_of(v)) for v, name, spoken in reads.sources if v is not None]
    frames = {
        v.gi_frame: name
        for v, name, _, _ in sources
        if isinstance(v, GeneratorType) and v.gi_frame is not None
    }
    if frames or len(sources) < len(reads.sources):
        y = watched(Hook(scope.where, frames, []), lambda: f(*args))
    else:
        y = f(*args)
    for v, name, spoken, before in sources:
        if not same_state(state_of(v), before):
            put_back(v, before)
            verb, fix = ("read", ITERATE) if is_iterator(v) else ("drawn from", DRAW)
            place = spoken_at([code for _, code, _ in reads.codes], spoken)
            raise asked(f"{name} was {verb}", scope.where, fix, [place] if place else [])
    return y
