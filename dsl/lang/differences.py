"""Derivatives compared with finite differences, along one direction per argument, in 64 bits.

All comparisons are of one number: the inner product of a cotangent of the results with the change
that a direction makes. Directions are fixed numbers, so that a failure can be repeated.

Law: ``<u, push(v)> == <pull(u), v> == (<u, f(x + eps v)> - <u, f(x - eps v)>) / 2 eps``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from verax.compiler.ir.dtypes import complex128, float64
from verax.compiler.ir.errors import DerivativeError
from verax.compiler.ir.types import ArrayType, has_tangent
from verax.dsl.lang.creation import array
from verax.dsl.lang.declared import Leaves
from verax.dsl.lang.promotion import asarray, convert, scalar_class
from verax.dsl.lang.reductions import sum as total
from verax.dsl.lang.scope import describe
from verax.dsl.lang.stage import argument_path
from verax.dsl.lang.treedef import build, flatten
from verax.dsl.lang.vjp import jvp, vjp

Function = Callable[..., Any]


class Tolerance(NamedTuple):
    """How far numbers may lie apart: ``atol + rtol * size``; ``eps`` is the step of differences."""

    rtol: float
    atol: float
    eps: float

    def agree(self, numbers: Sequence[float]) -> bool:
        """Whether all numbers are close to the last one."""
        want = numbers[-1]
        room = self.atol + self.rtol * abs(want)
        return all(abs(x - want) <= room for x in numbers)


WIDE = Tolerance(1e-6, 1e-8, 1e-5)
NARROW = Tolerance(2e-2, 2e-2, 1e-2)
"""For results of fewer than 64 bits."""


def widened(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments with floating point, also Python floats, as arrays of 64 bits."""
    leaves, tree = flatten(args)
    result: tuple[Any, ...] = build(tree, [_wide(x) for x in leaves])
    return result


def _wide(x: Any) -> Any:
    if scalar_class(x) in (int, bool) or not (scalar_class(x) or Leaves(x).places):
        return x
    if scalar_class(x) is None and not has_tangent(Leaves(x).types[0]):
        return x
    x = asarray(x)
    return convert(x, complex128 if x.dtype.is_complex else float64)


def direction(x: Any, seed: int) -> Any:
    """A tree of numbers like x, None where x cannot move; of the same types."""
    leaves = Leaves(x)
    moving = [v for v, m in zip(leaves.values, leaves.moving) if m]
    return leaves.tangents([_numbers(v, seed + 7 * i) for i, v in enumerate(moving)])


def _numbers(x: Any, seed: int) -> Any:
    n = math.prod(x.shape)
    real = [math.sin(12.9898 * (i + 1) + 78.233 * (seed + 1)) for i in range(n)]
    if x.dtype.is_complex:
        values: list[Any] = [complex(r, math.cos(4.1 * i + seed)) for i, r in enumerate(real)]
    else:
        values = list(real)
    wide = array(values, complex128 if x.dtype.is_complex else float64)
    return convert(wide.reshape(x.shape), x.dtype)


def inner(u: Any, v: Any) -> float:
    """The real part of the sum of products, over the leaves that both have."""
    pairs = zip(_with_none(u), _with_none(v))
    sums = [total(x * y) for x, y in pairs if x is not None and y is not None]
    return float(math.fsum(complex(s.item()).real for s in sums))


def _with_none(x: Any) -> list[Any]:
    return flatten(x, is_leaf=lambda y: y is None)[0]


def moved(args: Any, along: Any, by: float) -> Any:
    """``args + by * along``."""
    leaves, tree = flatten(args)
    steps = _with_none(along)
    return build(tree, [x if t is None else x + t * by for x, t in zip(leaves, steps)])


def one_leaf(along: Any, keep: int) -> Any:
    """The direction along one leaf alone; None everywhere else."""
    leaves, tree = flatten(along, is_leaf=lambda y: y is None)
    return build(tree, [x if i == keep else None for i, x in enumerate(leaves)])


class Measured(NamedTuple):
    """One direction: what is measured, and the numbers."""

    names: tuple[str, ...]
    numbers: tuple[float, ...]

    def table(self) -> str:
        """The numbers below each other, as messages show them."""
        width = max(map(len, self.names))
        rows = zip(self.names, self.numbers)
        return "\n".join(f"    {name:<{width}}  {x:.6g}" for name, x in rows)


def difference(f: Function, args: tuple[Any, ...], u: Any, v: Any, eps: float) -> float:
    """The central difference of <u, f> along v."""
    up, down = inner(u, f(*moved(args, v, eps))), inner(u, f(*moved(args, v, -eps)))
    return (up - down) / (2 * eps)


def forward(f: Function, args: tuple[Any, ...], u: Any, v: Any) -> float:
    """<u, push(v)>."""
    return inner(u, jvp(f, args, v)[1])


def reverse(f: Function, args: tuple[Any, ...], u: Any, v: Any) -> float:
    """<pull(u), v>."""
    return inner(vjp(f, *args)[1](u), v)


def tolerance(result: Any) -> Tolerance:
    """What may be expected of results of these dtypes."""
    types = [t for t in Leaves(result).types if has_tangent(t)]
    wide = all(
        isinstance(t, ArrayType) and t.dtype.bits >= 64 * (1 + t.dtype.is_complex) for t in types
    )
    return WIDE if wide else NARROW


# rules -------------------------------------------------------------------------------------------


def check_rule(f: Any, *args: Any, exact: bool = True) -> None:
    """Raise unless the derivative rule of f is right at these arguments.

    The rule is compared with the derivative of f without its rule and with finite differences, in
    forward and in reverse mode, argument by argument, in 64 bits. Forward mode through a rule that
    is given backward, and reverse mode through one that is given forward, show that it is linear.

    Args:
        f: made by ``custom_jvp``, ``custom_vjp`` or ``custom_derivative``.
        args: where the rule is compared; take a point at which f is smooth.
        exact: False for a rule that is no derivative on purpose (a clipped or reversed gradient):
            then the result, and both modes with each other as far as there are both, are compared.

    Raises:
        DerivativeError: the rule gives another result, another derivative, or is not linear.

    >>> import verax as vx
    >>> f = vx.custom_jvp(vx.sin)
    >>> f.defjvps(lambda t, _, x: t * vx.cos(x))
    >>> vx.testing.check_rule(f, 0.5)
    """
    args = widened(args)
    plain = f.without_rule
    _check_result(f, plain, args)
    result = plain(*args)
    near, u = tolerance(result), direction(result, 3)
    along = direction(args, 0)
    paths = flatten(args)[1]
    for i, t in enumerate(_with_none(along)):
        if t is None or scalar_class(t) is not None:
            continue
        v = one_leaf(along, i)
        found = _exact(f, plain, args, u, v, near) if exact else _modes(f, args, u, v)
        if not near.agree(found.numbers):
            raise DerivativeError(
                f"{f.what} of {describe(f)} is wrong along {argument_path(f, paths, i)}\n"
                + found.table(),
                fix="compare the rule with the derivative on paper, for this argument",
            )


def _exact(f: Function, plain: Function, args: Any, u: Any, v: Any, near: Tolerance) -> Measured:
    names = ("rule, forward", "rule, reverse", "finite differences")
    numbers = (
        forward(f, args, u, v),
        reverse(f, args, u, v),
        difference(plain, args, u, v, near.eps),
    )
    own = forward(plain, args, u, v)
    if math.isfinite(own):  # a rule may stand where the function's own derivative is NaN
        return Measured((*names[:2], "without rule", names[2]), (*numbers[:2], own, numbers[2]))
    return Measured(names, numbers)


def _modes(f: Function, args: Any, u: Any, v: Any) -> Measured:
    found = {}
    for name, mode in (("rule, forward", forward), ("rule, reverse", reverse)):
        try:
            found[name] = mode(f, args, u, v)
        except DerivativeError:  # it is not linear, which is allowed here
            continue
    if not found:
        raise DerivativeError(
            f"{describe(f)} can be differentiated in neither mode",
            fix="give a rule that is linear in the tangent, or in the cotangent",
        )
    return Measured(tuple(found), tuple(found.values()))


def _check_result(f: Any, plain: Function, args: tuple[Any, ...]) -> None:
    """The result that comes along with the derivative is that of the function."""
    want, got = flatten(plain(*args)), flatten(vjp(f, *args)[0])
    for i, (x, y) in enumerate(zip(want[0], got[0])):
        if not Leaves(x).places or not has_tangent(Leaves(x).types[0]):
            continue
        gap = float(abs(complex(total(abs(y - x)).item())))
        near = tolerance(x)
        if not gap <= near.atol + near.rtol * float(abs(complex(total(abs(x)).item()))):
            path = want[1].paths()[i]
            raise DerivativeError(
                f"{f.what} of {describe(f)} gives another result{path} than the function\n"
                f"    function  {x}\n    rule      {y}",
                fix="the result that the rule gives must be the function of the arguments",
            )
