"""Functions with a derivative of their own: ``custom_derivative``, ``custom_jvp``, ``custom_vjp``.

There is one declaration, a primal and a linear map; these are spellings of it. For
``custom_derivative`` the function returns its result and the map from tangents to tangents.
``custom_jvp`` and ``custom_vjp`` take the map as a second function, forward or backward. Whichever
is given, forward mode, reverse mode, every order and vmap follow; a backward rule must be linear in
the cotangent to be used forward.

Arguments that are no floating-point arrays (integers, keys, functions, strings) need no mention:
their tangents and cotangents are None.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import update_wrapper
from itertools import count
from math import inf
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from verax.compiler.ir.errors import StructureError
from verax.dsl.lang.backward import pulled
from verax.dsl.lang.declared import Leaves, Static, declared
from verax.dsl.lang.differences import check_rule
from verax.dsl.lang.promotion import asarray
from verax.dsl.lang.scope import STACK, describe, name_of
from verax.dsl.lang.tree import map as tree_map
from verax.dsl.lang.treedef import build, flatten, leaves, prefix_leaves, structure

P = ParamSpec("P")
Q = ParamSpec("Q")
S = TypeVar("S")
R = TypeVar("R")
Function = Callable[..., Any]
Rule = TypeVar("Rule", bound=Callable[..., Any])
_NUMBERS = count()


class Declared(Generic[P, R]):
    """What the three share: a function that is staged together with its rule."""

    what = "the rule"
    __name__: str

    def __init__(self, f: Callable[P, R], nondiff_argnums: int | Sequence[int] = ()) -> None:
        if not callable(f):
            raise StructureError(
                f"{type(self).__name__} needs a function, got an object of {type(f).__name__}",
                fix=f"vx.{type(self).__name__}(f), or as a decorator: @vx.{type(self).__name__}",
            )
        self._f: Callable[..., R] = f
        self.stops = False  # whether what the functions close over has no say in the derivative
        self._number = next(_NUMBERS)
        given = (nondiff_argnums,) if isinstance(nondiff_argnums, int) else tuple(nondiff_argnums)
        self._signature = _signature(f)
        for i in given:
            if type(i) is not int or not 0 <= i < _most_arguments(self._signature):
                raise StructureError(
                    f"{type(self).__name__} of {describe(f)}: nondiff_argnums names argument"
                    f" {i!r}, which it does not have",
                    fix="count positional arguments from 0",
                )
        self._static = tuple(sorted(given))
        update_wrapper(self, f, updated=())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {describe(self._f)}>"

    @property
    def without_rule(self) -> Callable[..., R]:
        """The function as it would be without its rule."""
        return self._primal

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(
        self: Declared[Concatenate[S, Q], R], instance: S, owner: type
    ) -> Callable[Q, R]: ...
    def __get__(self, instance: Any, owner: type) -> Any:
        return self if instance is None else MethodType(self, instance)

    def _identity_(self) -> tuple[Any, ...]:
        rules = self._rules() or ("no rule yet", self._number)
        return (self._f, *rules, self._static)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        given = self._positional(args, kwargs)
        if not self._rules():
            raise self._without_rule()
        if STACK.scope is None:
            return self._primal(*given)
        static = Static([given[i] for i in self._static if i < len(given)])
        moving = tuple([x for i, x in enumerate(given) if i not in self._static])
        result: R = declared(
            self,
            lambda args: self._primal(*self._merged(args[0].args, args[1])),
            lambda args, ts: self._rule(args[0].args, args[1], ts[1]),
            Leaves((static, moving)),
            user=self._f,
            what=self.what,
            stops=self.stops,
        )
        return result

    def _positional(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """The arguments by position, defaults filled in."""
        if self._signature is None:
            return args
        bound = self._signature.bind(*args, **kwargs)
        if bound.kwargs:
            raise StructureError(
                f"{name_of(self._f)} takes {', '.join(bound.kwargs)} by keyword only, and the"
                " arguments of a function with a derivative rule have positions",
                fix="remove the * from its parameters",
            )
        bound.apply_defaults()
        return bound.args

    def _merged(self, static: Sequence[Any], moving: Sequence[Any]) -> list[Any]:
        """All arguments in their order."""
        out = list(moving)
        for i, x in zip(self._static, static):
            out.insert(i, x)
        return out

    def _primal(self, *args: Any) -> R:
        return self._f(*args)

    def _rules(self) -> tuple[Any, ...]:
        """The functions that make up the rule; none before it is given."""
        raise NotImplementedError

    def _rule(self, static: Sequence[Any], xs: tuple[Any, ...], ts: tuple[Any, ...]) -> Any:
        """The result and its tangent."""
        raise NotImplementedError

    def _without_rule(self) -> StructureError:
        name, how = name_of(self._f), "defvjp(fwd, bwd)" if "vjp" in self.what else "defjvp(rule)"
        return StructureError(
            f"{describe(self._f)} is a {type(self).__name__} and has no rule yet",
            fix=f"{name}.{how}",
        )

    def _once(self) -> None:
        """Raise if there is a rule already: programs with it may have been kept."""
        if self._rules():
            raise StructureError(
                f"{describe(self._f)} has its derivative rule already",
                fix=f"make another one: {type(self).__name__}({name_of(self._f)})",
            )


def _signature(f: Function) -> inspect.Signature | None:
    try:
        return inspect.signature(f)
    except (TypeError, ValueError):
        return None


def _most_arguments(signature: inspect.Signature | None) -> float:
    if signature is None:
        return inf
    kinds = [p.kind for p in signature.parameters.values()]
    return inf if inspect.Parameter.VAR_POSITIONAL in kinds else len(kinds)


class custom_jvp(Declared[P, R]):
    """A function whose derivative is given forward: from tangents to tangents.

    Args:
        f: the function. It may be called with keywords.
        nondiff_argnums: arguments that the rule takes as they are, in front. Functions, integers
            and other arguments that are no floating-point arrays need no mention.

    The rule is linear in the tangents; reverse mode transposes it. It may call the function, so
    that derivatives of higher order use the rule again.

    >>> import verax as vx
    >>> @vx.custom_jvp
    ... def log1pexp(x):
    ...     return vx.log(1.0 + vx.exp(x))
    >>> @log1pexp.defjvp
    ... def _(primals, tangents):
    ...     (x,), (t,) = primals, tangents
    ...     return log1pexp(x), t * vx.sigmoid(x)
    >>> vx.grad(log1pexp)(100.0)
    Array(1., dtype=float32)
    """

    what = "the jvp rule"

    def __init__(self, f: Callable[P, R], nondiff_argnums: int | Sequence[int] = ()) -> None:
        super().__init__(f, nondiff_argnums)
        self._jvp: Function | None = None

    def defjvp(self, rule: Rule, *, check: tuple[Any, ...] | None = None) -> Rule:
        """Give the rule; returns it, so that this decorates.

        Args:
            rule: takes the nondiff arguments, then the tuple of the others and the tuple of their
                tangents; gives (result, tangent of the result). None stands for a zero tangent.
            check: arguments at which the rule is compared with finite differences at once; see
                ``vx.testing.check_rule``.
        """
        self._once()
        self._jvp = rule
        if check is not None:
            check_rule(self, *check)
        return rule

    def defjvps(self, *rules: Function | None) -> None:
        """Give a rule per argument: ``rule(tangent, result, *args)``; None where it is zero.

        >>> import verax as vx
        >>> f = vx.custom_jvp(lambda x, y: x * y)
        >>> f.defjvps(lambda t, _, x, y: t * y, None)
        >>> vx.grad(f, argnums=(0, 1))(2.0, 3.0)
        (Array(3., dtype=float32), Array(0., dtype=float32))
        """
        if self._static:
            raise StructureError("defjvps knows no nondiff_argnums", fix="use defjvp")

        def rule(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
            if len(rules) != len(primals):
                raise StructureError(
                    f"{describe(self._f)} has {len(rules)} rules for {len(primals)} arguments",
                    fix="one rule per argument, None where the derivative is zero",
                )
            ans = self(*primals)  # type: ignore[call-arg]
            moved = [r(t, ans, *primals) for r, t in zip(rules, tangents) if r and _moves(t)]
            return ans, _total(ans, moved)

        self.defjvp(rule)

    def _rules(self) -> tuple[Any, ...]:
        return () if self._jvp is None else (self._jvp,)

    def _rule(self, static: Sequence[Any], xs: tuple[Any, ...], ts: tuple[Any, ...]) -> Any:
        assert self._jvp is not None
        out = self._jvp(*static, xs, ts)
        return pair(out, f"{self.what} of {describe(self._f)}", "(result, tangent of the result)")


def _moves(t: Any) -> bool:
    return any(x is not None for x in leaves(t))


def _total(ans: Any, moved: Sequence[Any]) -> Any:
    """The sum of several tangents of one result, of which None is zero."""
    tree = structure(ans)
    rows = zip(*[prefix_leaves(tree, m) for m in moved]) if moved else [()] * tree.n_leaves
    return build(tree, [_sum([x for x in row if x is not None]) for row in rows])


def _sum(xs: Sequence[Any]) -> Any:
    if not xs:
        return None
    total = xs[0]
    for x in xs[1:]:
        total = total + x
    return total


class custom_vjp(Declared[P, R]):
    """A function whose derivative is given backward: from cotangents to cotangents.

    Args:
        f: the function. It may be called with keywords.
        nondiff_argnums: arguments that the backward function takes as they are, in front.
            Functions, integers and other arguments that are no floating-point arrays need no
            mention.

    Forward mode works too where the backward function is linear in the cotangent.

    >>> import verax as vx
    >>> @vx.custom_vjp
    ... def clip_gradient(bound, x):
    ...     return x
    >>> clip_gradient.defvjp(
    ...     lambda bound, x: (x, bound),
    ...     lambda bound, ct: (None, vx.clip(ct, -bound, bound)),
    ... )
    >>> vx.grad(lambda x: 10.0 * clip_gradient(1.0, x))(3.0)
    Array(1., dtype=float32)
    """

    what = "the vjp rule"

    def __init__(self, f: Callable[P, R], nondiff_argnums: int | Sequence[int] = ()) -> None:
        super().__init__(f, nondiff_argnums)
        self._halves: tuple[Function, ...] = ()

    def defvjp(
        self,
        fwd: Callable[..., tuple[R, Any]],
        bwd: Function,
        *,
        check: tuple[Any, ...] | None = None,
    ) -> None:
        """Give the rule.

        Args:
            fwd: takes the arguments of the function; gives (result, residuals), any tree.
            bwd: takes the nondiff arguments, the residuals and the cotangent of the result; gives
                the tuple of the cotangents of the other arguments, None for zero.
            check: arguments at which the rule is compared with finite differences at once; see
                ``vx.testing.check_rule``.
        """
        self._once()
        self._halves = (fwd, bwd)
        if check is not None:
            check_rule(self, *check)

    def _rules(self) -> tuple[Any, ...]:
        return self._halves

    def _rule(self, static: Sequence[Any], xs: tuple[Any, ...], ts: tuple[Any, ...]) -> Any:
        fwd, bwd = self._halves
        out = fwd(*self._merged(static, xs))
        what = f"the forward function of {describe(self._f)}"
        ys, residuals = pair(out, what, "(result, residuals)")
        ys = tree_map(asarray, ys)
        return ys, pulled(self._f, lambda r, ct: bwd(*static, r, ct), residuals, xs, ts, ys)


class custom_derivative(Declared[P, R]):
    """A function that returns its result and its derivative, as a map from tangents to tangents.

    Args:
        f: gives (result, push); ``push`` takes one tangent per argument, None where an argument has
            none, and gives the tangent of the result. It may use what f has computed.

    The map is linear; reverse mode transposes it.

    >>> import verax as vx
    >>> @vx.custom_derivative
    ... def safe_norm(x):
    ...     n = vx.sqrt(vx.sum(x * x))
    ...     return n, lambda t: vx.sum(x * t) / vx.where(n > 0.0, n, 1.0)
    >>> safe_norm(vx.asarray([3.0, 4.0]))
    Array(5., dtype=float32)
    >>> vx.grad(safe_norm)(vx.zeros(2))
    Array([0., 0.], dtype=float32)
    """

    what = "the derivative"

    def __init__(self, f: Callable[P, tuple[R, Function]]) -> None:
        super().__init__(f)  # type: ignore[arg-type]

    def _both(self, args: Sequence[Any]) -> Any:
        return pair(self._f(*args), describe(self._f), "(result, push)")

    def _primal(self, *args: Any) -> R:
        result: R = self._both(args)[0]
        return result

    def _rules(self) -> tuple[Any, ...]:
        return (self._f,)

    def _rule(self, static: Sequence[Any], xs: tuple[Any, ...], ts: tuple[Any, ...]) -> Any:
        ys, push = self._both(xs)
        return ys, push(*ts)


def pair(out: Any, what: str, of: str) -> Any:
    """What a rule gives, if it is a pair."""
    if type(out) is not tuple or len(out) != 2:
        raise StructureError(f"{what} gives {flatten(out)[1]}, not a pair", fix=f"return {of}")
    return out
