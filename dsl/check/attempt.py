"""One function, staged at its declared signature in as many ways as its annotations leave open.

A first choice settles what is open (see lang/symbolic.py); where it does not work out, others are
tried for numbers and keys. Once one does, each option of each union is staged, and each error is
reported once.

Law: what is only not decided on symbolic sizes is no error.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from verax.compiler.ir.errors import ConcretizationError, UnknownSizeError
from verax.dsl.check.collect import Found
from verax.dsl.check.findings import Finding, Outcome, of_error, of_exception
from verax.dsl.lang.compare import Leaf, Row, leaf_of, walk
from verax.dsl.lang.contract import Contract
from verax.dsl.lang.hints import Signature, signature_of
from verax.dsl.lang.host import is_numpy
from verax.dsl.lang.patterns import (
    ArrayPattern,
    DictPattern,
    KeyPattern,
    ManyPattern,
    Pattern,
    ScalarPattern,
    StructPattern,
    TuplePattern,
    UnionPattern,
)
from verax.dsl.lang.stage import Staged, kind_of, stage
from verax.dsl.lang.symbolic import Choice, Maker, Open, other_choices
from verax.dsl.lang.treedef import build, flatten, structure
from verax.dsl.lang.value import Value
from verax.dsl.lang.weak import CARRIERS
from verax.sharding.errors import VeraxError

_MOST = 16  # ways that are tried beside the first


class Attempt(NamedTuple):
    """One way of staging a function.

    Attributes:
        choice, maker: how the arguments were made.
        finding: the error, if there is one.
        reason: why it is not decided, if it is not.
        staged: the program.
        leaves: the arguments.
        rows: what is declared of the arguments; ``out_rows`` of the results.
        outs: per result of the program its leaf.
    """

    choice: Choice
    maker: Maker
    finding: Finding | None = None
    reason: str | None = None
    staged: Staged | None = None
    leaves: Sequence[Leaf] = ()
    rows: Sequence[Row] = ()
    out_rows: Sequence[Row] = ()
    outs: Sequence[Leaf] = ()

    @property
    def clean(self) -> bool:
        """Whether it was staged without an error."""
        return self.staged is not None


class Function:
    """A function that is to be staged."""

    def __init__(self, found: Found) -> None:
        assert found.f is not None
        self.found, self.f = found, found.f
        self.skipped = int(found.receiver is not None)
        self.signature: Signature = signature_of(found.f, found.owner)
        self.contract = Contract(found.f, self.signature, self.skipped)

    @property
    def name(self) -> str:
        return self.found.target.name

    @property
    def relevant(self) -> bool:
        """Whether it takes arrays, keys or structs."""
        return any(_speaks(p.pattern) for p in self.signature.parameters[self.skipped :])

    def attempt(self, choice: Choice) -> Attempt:
        """Stage the function once."""
        maker = Maker(choice)
        try:
            args, kwargs = self._arguments(maker)
        except Open as reason:
            return Attempt(choice, maker, reason=str(reason))
        run = _Run(self, args, kwargs)
        try:
            staged = run.staged()
        except VeraxError as error:
            return Attempt(choice, maker, *self._refused(run, maker, error))
        except Exception as error:
            return Attempt(choice, maker, *self._raised(maker, error))
        return Attempt(
            choice, maker, None, None, staged, run.leaves, run.rows, run.out_rows, run.outs
        )

    def _arguments(self, maker: Maker) -> tuple[tuple[Any, ...], dict[str, Any]]:
        params = self.signature.parameters[self.skipped :]
        args = tuple([maker.parameter(p) for p in params if p.kind == ""])
        return args, {p.name: maker.parameter(p) for p in params if p.kind == "="}

    def _refused(
        self, run: _Run, maker: Maker, error: VeraxError
    ) -> tuple[Finding | None, str | None]:
        """What an error of verax means: a finding, or that it is not decided."""
        if isinstance(error, ConcretizationError | UnknownSizeError):
            return None, f"{error.message.splitlines()[0]}{_at(error)}"
        place = self.found.target.place
        if run.phase == "result":
            return of_error(error.with_traceback(None), self.name, place)._replace(
                place=self.found.returns
            ), None
        if run.phase == "arguments":
            return of_error(error.with_traceback(None), self.name, place)._replace(
                place=place
            ), None
        return of_error(error, self.name, place), None

    def _raised(self, maker: Maker, error: Exception) -> tuple[Finding | None, str | None]:
        """What an exception of the user's own means."""
        inner: BaseException | None = error
        while inner is not None:
            if isinstance(inner, ConcretizationError | UnknownSizeError):
                return None, f"{inner.message.splitlines()[0]}{_at(inner)}"
            inner = inner.__cause__ or inner.__context__
        if isinstance(error, NotImplementedError):
            return None, "it raises NotImplementedError"
        if maker.guessed:
            return None, maker.guessed[0]
        return of_exception(error, self.name, self.found.target.place), None


def _at(error: VeraxError) -> str:
    place = next(iter([*error.places, error.line]), None)
    return "" if place is None else f" (at {place.split(': ', 1)[0]})"


class _Run:
    """One call of the user's function on staged values."""

    def __init__(self, function: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.function, self.args, self.kwargs = function, args, kwargs
        self.flat, self.tree = flatten((args, kwargs))
        self.at = [i for i, x in enumerate(self.flat) if isinstance(x, Leaf)]
        self.leaves: list[Leaf] = [self.flat[i] for i in self.at]
        self.phase = "arguments"
        self.rows: Sequence[Row] = ()
        self.out_rows: Sequence[Row] = ()
        self.outs: list[Leaf] = []

    def staged(self) -> Staged:
        contract = self.function.contract
        self.bindings, self.rows = contract.check_arguments(self.args, self.kwargs)
        self.phase = "body"
        return stage(
            self.run,
            structure((0,) * len(self.leaves)),
            [x.type for x in self.leaves],
            what="verax check",
            of=self.function.f,
            weak=[x.weak for x in self.leaves],
            strict=True,
        )

    def run(self, *xs: Any) -> list[Any]:
        whole = list(self.flat)
        for i, x in zip(self.at, xs):
            whole[i] = x
        args, kwargs = build(self.tree, whole)
        receiver = self.function.found.receiver
        first = () if receiver is None else (receiver,)
        y = self.function.f(*first, *args, **kwargs)
        self.phase = "result"
        flat, tree = flatten(y)
        leaves = [Leaf(*kind_of(x)) if is_numpy(x) else leaf_of(x) for x in flat]
        result = build(tree, list(leaves))
        contract = self.function.contract
        contract.check_result(self.bindings, self.rows, result)
        self.out_rows = list(walk(contract.signature.result, result, "the result", ""))
        kept = [i for i, x in enumerate(flat) if _is_array(x)]
        self.outs = [leaves[i] for i in kept]
        self.phase = "body"
        return [flat[i] for i in kept]


def _is_array(x: Any) -> bool:
    return isinstance(x, Value) or is_numpy(x) or type(x) in CARRIERS


def _speaks(p: Pattern) -> bool:
    """Whether a pattern is of arrays, keys or structs."""
    if isinstance(p, StructPattern):
        return any(not f.static for f in p.fields)
    if isinstance(p, (ArrayPattern, KeyPattern, DictPattern)):
        return True
    if isinstance(p, ScalarPattern):
        return p.size is not None
    if isinstance(p, UnionPattern):
        return any(map(_speaks, p.options))
    if isinstance(p, TuplePattern):
        return any(map(_speaks, p.items))
    return isinstance(p, ManyPattern) and _speaks(p.item)


def examine(found: Found) -> tuple[Outcome, Function | None, Attempt | None]:
    """What comes of a function, and the way in which it was staged."""
    refused = _refusal(found)
    if refused is not None:
        return Outcome(False, (), refused), None, None
    function = Function(found)
    if not function.relevant:
        reason = "no parameter is annotated with an array, a key or a struct"
        return Outcome(False, (), reason, False), None, None
    first = _first(function)
    if first.reason is not None:
        return Outcome(False, (), first.reason), None, None
    findings = [] if first.finding is None else [first.finding]
    findings += _others(function, first)
    outcome = Outcome(True, distinct(findings), first=function.f.__code__.co_firstlineno)
    return outcome, function, first if first.clean else None


def _refusal(found: Found) -> str | None:
    if found.f is None:
        return "the module has it no more, or a decorator hides it"
    if inspect.iscoroutinefunction(found.f) or inspect.isasyncgenfunction(found.f):
        return "it is a coroutine"
    return "it is a generator" if inspect.isgeneratorfunction(found.f) else None


def _first(function: Function) -> Attempt:
    """The first way that works out; else the first one that gives an error, else the first."""
    tried = []
    choice = Choice()
    maker = Maker(choice)
    for choice in _ways(Choice(), maker):
        attempt = function.attempt(choice)
        if attempt.clean:
            return attempt
        maker.has |= attempt.maker.has
        tried.append(attempt)
    return next((a for a in tried if a.finding is not None), tried[0])


def _ways(first: Choice, maker: Maker) -> Iterator[Choice]:
    """Choices for numbers and keys, as far as they are met."""
    yield first
    if "numbers" in maker.has:
        yield first._replace(numbers="staged")
        yield first._replace(numbers="default")
    if "keys" in maker.has:
        yield first._replace(keys=True)


def _others(function: Function, first: Attempt) -> Iterator[Finding]:
    """The errors of the other options."""
    for i, (choice, text) in enumerate(other_choices(first.choice, first.maker)):
        if i == _MOST:
            return
        found = function.attempt(choice).finding
        if found is not None:
            yield found._replace(message=f"{found.message}\n    ({text})")


def distinct(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Each error once: one code at one place is one error."""
    return tuple({(f.code, f.trail, f.place, f.mesh): f for f in reversed(findings)}.values())[::-1]
