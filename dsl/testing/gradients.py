"""``check_grads``: the derivatives of any function, to any order, against finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from verax.compiler.ir.errors import DerivativeError, StructureError
from verax.dsl.lang.differences import (
    Measured,
    Tolerance,
    difference,
    direction,
    forward,
    reverse,
    tolerance,
    widened,
)
from verax.dsl.lang.scope import describe
from verax.dsl.lang.vjp import jvp, vjp

MODES = {"fwd": forward, "rev": reverse}
NAMES = {"fwd": "forward mode", "rev": "reverse mode"}


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int = 1,
    modes: Sequence[str] = ("fwd", "rev"),
    rtol: float | None = None,
    atol: float | None = None,
    eps: float | None = None,
) -> None:
    """Raise unless the derivatives of f at args are those that finite differences show.

    Args:
        f: a function of trees of arrays; floating-point arguments are widened to 64 bits.
        args: its arguments.
        order: the highest order that is checked: forward mode of forward mode, and so on, in every
            order of the modes.
        modes: ``fwd``, ``rev`` or both.
        rtol, atol: how far the numbers may lie apart; eps: the step of the differences.

    Raises:
        DerivativeError: they disagree; the message shows the numbers.

    >>> import verax as vx
    >>> vx.testing.check_grads(vx.sin, (0.5,), order=2)
    """
    unknown = [mode for mode in modes if mode not in MODES]
    if unknown or not modes:
        raise StructureError(
            f"check_grads: modes is {tuple(modes)}, which is unknown",
            fix="modes=('fwd', 'rev'), or one of them",
        )
    wide = widened(tuple(args))
    near = tolerance(f(*wide))
    own = (rtol, atol, eps)
    near = Tolerance(*[default if x is None else x for x, default in zip(own, near)])
    _check(f, wide, order, modes, near, describe(f), ())


def _check(
    f: Callable[..., Any],
    args: tuple[Any, ...],
    order: int,
    modes: Sequence[str],
    near: Tolerance,
    name: str,
    taken: tuple[str, ...],
) -> None:
    if order == 0:
        return
    u, v = direction(f(*args), 3 + len(taken)), direction(args, len(taken))
    want = difference(f, args, u, v, near.eps)
    for mode in modes:
        found = MODES[mode](f, args, u, v)
        if not near.agree([found, want]):
            steps = " of ".join(NAMES[m] for m in (mode, *reversed(taken)))
            table = Measured((NAMES[mode], "finite differences"), (found, want)).table()
            raise DerivativeError(
                f"{steps}, of {name}, is wrong\n{table}",
                fix="compare the rule with the derivative on paper; at a kink there is none",
            )
        _check(_derived(f, mode, u, v), args, order - 1, modes, near, name, (*taken, mode))


def _derived(f: Callable[..., Any], mode: str, u: Any, v: Any) -> Callable[..., Any]:
    """The derivative as a function of the arguments, along fixed numbers."""
    if mode == "fwd":
        return lambda *args: jvp(f, args, v)[1]
    return lambda *args: vjp(f, *args)[1](u)
