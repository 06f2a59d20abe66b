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
from mypy.nodes import Context, Expression, FuncItem, MypyFile
from mypy.plugin import CheckerPluginInterface

from verax.dsl.typing import effects, keys
from verax.dsl.typing.asking import Asked
from verax.dsl.typing.errors import CODES, outright
from verax.dsl.typing.finding import Finding

KEPT = 64  # functions


class _Analysed(NamedTuple):
    """The findings of a function, with what they rest on."""

    body: object
    asked: Asked
    findings: list[Finding]


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
    The library itself, which has the means to break its own rules, is left alone.

    To be called by every hook of calls, those of the user's functions too.
    """
    if not isinstance(api, TypeChecker) or f"{api.tree.fullname}.".startswith("verax."):
        return
    unit = api.scope.top_level_function()
    analysed = _analysed(api, unit or api.tree)
    for found in analysed.findings:
        node = found.node
        known = isinstance(node, Expression) and api.lookup_type_or_none(node) is not None
        if analysed.asked.complete or node is context or known:
            _fail(api, found)
    for owner, of_unit in _effects(api).items():
        if owner is unit or (owner is not None and effects.is_quiet(owner, of_unit)):
            for found in of_unit:
                _fail(api, found)


def _fail(api: TypeChecker, found: Finding) -> None:
    with outright(api):
        api.fail(found.message, found.node, code=CODES[found.code])
        if found.fix:
            api.note(f"fix: {found.fix}", found.node, code=CODES[found.code])


def _analysed(api: TypeChecker, unit: FuncItem | MypyFile) -> _Analysed:
    body = unit.defs if isinstance(unit, MypyFile) else unit.body
    lookup = api.lookup_type_or_none
    kept = _ANALYSED.get(unit)
    if kept is not None and kept.body is body and kept.asked.holds(lookup):
        return kept
    asked = Asked(lookup)
    found = keys.analyse(unit, api.tree.fullname, asked)
    made = _ANALYSED[unit] = _Analysed(body, asked, found)
    _ANALYSED.move_to_end(unit)
    while len(_ANALYSED) > KEPT:
        _ANALYSED.popitem(last=False)
    return made


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
