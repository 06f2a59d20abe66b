"""Reports what the analyses find, from the hooks of calls.

mypy has no hook for functions. But whoever handles a call has the checker, and it says in which
function the call stands: so that function is analysed, once for as long as the types that the
analysis asked for stay the same, and each finding is reported when its call is checked. mypy may
check a call many times, or on trial, and leaves out what it was told twice.

Law: what is reported depends on the function and on types alone, not on the order of hooks: a
cold run, a warm one, one with workers and the daemon agree.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from mypy.checker import TypeChecker
from mypy.nodes import CallExpr, Context, Expression, FuncItem, MypyFile, Node
from mypy.plugin import CheckerPluginInterface

from verax.dsl.typing import effects, keys
from verax.dsl.typing.asking import Asked
from verax.dsl.typing.errors import CODES, outright
from verax.dsl.typing.finding import Finding
from verax.dsl.typing.syntax import of_unit

KEPT = 64  # functions
BUDGET = 2_000
"""Steps in which a function may be analysed for every call that is checked."""


class _Analysed(NamedTuple):
    """The findings of a function, with what they rest on."""

    body: object
    asked: Asked
    findings: list[Finding]
    steps: int
    last: frozenset[Node]


_ANALYSED: OrderedDict[FuncItem | MypyFile, _Analysed] = OrderedDict()


class _Module(NamedTuple):
    """A module, and the effects in it by function, with what they rest on."""

    body: object
    outline: effects.Outline
    asked: Asked
    findings: dict[FuncItem | None, list[Finding]]


_MODULES: OrderedDict[MypyFile, _Module] = OrderedDict()


def report(api: CheckerPluginInterface, context: Context) -> None:
    """Report what is wrong in the function around this call.

    Where all types are known everything is; else what is wrong here, and at the calls before.
    The library itself, which has the means to break its own rules, is left alone, and so are
    installed packages, of which mypy reports nothing.

    To be called by every hook of calls, those of the user's functions too.
    """
    if not isinstance(api, TypeChecker) or f"{api.tree.fullname}.".startswith("verax."):
        return
    if api.path in api.errors.ignored_files:
        return
    unit = api.scope.top_level_function()
    analysed = _analysed(api, unit or api.tree, context)
    for found in analysed.findings:
        node = found.node
        known = isinstance(node, Expression) and api.lookup_type_or_none(node) is not None
        if analysed.asked.complete or node is context or known:
            _fail(api, found)
    for owner, its_own in _effects(api).items():
        if owner is unit or (owner is not None and effects.is_quiet(owner, its_own)):
            for found in its_own:
                _fail(api, found)


def _fail(api: TypeChecker, found: Finding) -> None:
    with outright(api):
        api.fail(found.message, found.node, code=CODES[found.code])
        if found.fix:
            api.note(f"fix: {found.fix}", found.node, code=CODES[found.code])


def _analysed(api: TypeChecker, unit: FuncItem | MypyFile, context: Context) -> _Analysed:
    body = unit.defs if isinstance(unit, MypyFile) else unit.body
    lookup = api.lookup_type_or_none
    kept = _ANALYSED.get(unit)
    if kept is not None and kept.body is not body:
        kept = None
    if kept is not None and (_may_wait(kept, context) or kept.asked.holds(lookup)):
        return kept
    asked = Asked(lookup)
    found = keys.analyse(unit, api.tree.fullname, asked)
    steps = found.steps + (0 if kept is None else kept.steps)
    last = _last_calls(unit) if kept is None else kept.last
    made = _ANALYSED[unit] = _Analysed(body, asked, found.findings, steps, last)
    _ANALYSED.move_to_end(unit)
    while len(_ANALYSED) > KEPT:
        _ANALYSED.popitem(last=False)
    return made


def _may_wait(kept: _Analysed, context: Context) -> bool:
    """Whether a large function is not analysed anew for this call.

    It is where a key is named, where all types have become known, and at its end.
    """
    if kept.steps < BUDGET or not isinstance(context, Node) or context in kept.last:
        return False
    return not (keys.speaks_of_keys(context) or kept.asked.is_answered)


def _last_calls(unit: FuncItem | MypyFile) -> frozenset[Node]:
    calls = [x for x in of_unit(unit) if isinstance(x, CallExpr)]
    return frozenset(calls[-3:])


def _effects(api: TypeChecker) -> dict[FuncItem | None, list[Finding]]:
    """The effects in the whole module, by function."""
    tree, lookup = api.tree, api.lookup_type_or_none
    kept = _MODULES.get(tree)
    if kept is not None and kept.body is not tree.defs:
        kept = None
    if kept is not None and kept.asked.holds(lookup):
        return kept.findings
    outline = effects.outline(tree) if kept is None else kept.outline
    asked = Asked(lookup)
    found = effects.analyse(outline, asked)
    _MODULES[tree] = _Module(tree.defs, outline, asked, found)
    while len(_MODULES) > KEPT:
        _MODULES.popitem(last=False)
    return found
