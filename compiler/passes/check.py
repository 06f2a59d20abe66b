"""What every program obeys, whoever made it; the tests run this after every pass.

Results are numbered without a gap, inputs first; an operand stands before its use; types are bare
and are those that the ops infer from their operands; effects are those of the equations.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn
from weakref import WeakValueDictionary

from verax.compiler.ir.errors import InternalError
from verax.compiler.ir.program import Equation, Program
from verax.compiler.ir.span import places
from verax.sharding.errors import VeraxError

_CHECKED: WeakValueDictionary[int, Program] = WeakValueDictionary()  # by id: types are no content


def check(p: Program) -> Program:
    """p itself, or an InternalError that shows the equation that breaks a law."""
    if _CHECKED.get(id(p)) is p:
        return p
    n = p.n_in
    if n > len(p.types):
        raise InternalError(f"a program of {n} inputs has {len(p.types)} values")
    for eq in p.equations:
        _equation(p, eq, n)
        n += eq.n_out
    if n != len(p.types):
        raise InternalError(f"the equations give values up to %{n - 1}, types go to "
                            f"%{len(p.types) - 1}")  # fmt: skip
    if bad := [o for o in p.outs if not 0 <= o < n]:
        raise InternalError(f"the program returns %{bad[0]}, which it does not have")
    if bare := [t for t in p.types if t.bare is not t]:
        raise InternalError(f"inside programs types carry no spec, got {bare[0]}")
    effects = frozenset[str]().union(*[eq.op.effects for eq in p.equations])
    if effects != p.effects:
        raise InternalError(f"the program has the effects {_names(p.effects)}, "
                            f"its equations {_names(effects)}")  # fmt: skip
    _CHECKED[id(p)] = p
    return p


def _equation(p: Program, eq: Equation, n: int) -> None:
    if eq.first != n:
        _fail(p, eq, f"its results start at %{eq.first}, expected %{n}")
    if late := [x for x in eq.operands if not 0 <= x < n]:
        _fail(p, eq, f"the operand %{late[0]} does not stand before it")
    for inner in eq.op.programs:
        check(inner)
    given = tuple([p.types[x] for x in eq.operands])
    try:
        want = eq.op.infer(given)
    except VeraxError as error:
        _fail(p, eq, f"the op refuses its operands ({', '.join(map(str, given))}): {error.message}")
    got = p.types[n : n + eq.n_out]
    if len(want) != eq.n_out or any(w is not g for w, g in zip(want, got)):
        _fail(p, eq, f"it gives {', '.join(map(str, want))}")


def _fail(p: Program, eq: Equation, why: str) -> NoReturn:
    types = ", ".join(
        f"%{i}: {p.types[i] if i < len(p.types) else '?'}"
        for i in range(eq.first, eq.first + eq.n_out)
    )
    operands = ", ".join(f"%{x}" for x in eq.operands)
    text = f"{types} = {eq.op!r} {operands}".rstrip()
    raise InternalError(f"{why}\n  in  {text}", places=places(eq.span))


def _names(effects: Iterable[str]) -> str:
    return "{" + ", ".join(sorted(effects)) + "}"
