"""``checkpoint``: a function whose inner values are computed again in the backward pass.

What f computes is kept for its derivative only as far as a policy says; the rest is computed again
from the arguments. ``checkpoint_name`` gives values the names that two of the policies speak of.

Law: ``checkpoint(f)`` and all its derivatives are those of f.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

from verax.compiler.ir.errors import StructureError
from verax.compiler.ops.policies import Named, Policy, policy_of
from verax.compiler.ops.remat import Remat
from verax.dsl.lang.control import Operands, flat
from verax.dsl.lang.scope import describe
from verax.dsl.lang.stage import as_argument, known, spend_inputs, spend_results, stage
from verax.dsl.lang.treedef import build, flatten
from verax.dsl.lang.value import apply, apply_all
from verax.dsl.lang.whole import whole

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


def checkpoint(
    f: Callable[P, R],
    *,
    policy: Policy | str | None = None,
    prevent_cse: bool = True,
    static_argnums: int | Sequence[int] = (),
) -> Callable[P, R]:
    """f, of which a derivative keeps little and computes the rest again.

    Args:
        f: a function of trees of arrays.
        policy: what may be kept beside the arguments: ``"nothing_saveable"`` (the default),
            ``"everything_saveable"``, ``"dots_saveable"`` (products of matrices),
            ``"dots_with_no_batch_dims_saveable"``, ``vx.save_only_these_names(...)`` or
            ``vx.save_anything_except_these_names(...)``. It speaks of the operations of f itself: a
            loop in f is one operation, whose body can have a checkpoint of its own.
        prevent_cse: keep XLA from merging what is computed again with the forward pass. In the
            body of a loop it could not do so anyway.
        static_argnums: arguments that stay Python objects.

    Raises:
        StructureError: there is no such policy, or no such argument.

    >>> import verax as vx
    >>> block = vx.checkpoint(lambda x: vx.sin(vx.sin(x)))
    >>> vx.grad(block)(0.0)
    Array(1., dtype=float32)
    """
    chosen = policy_of(policy)
    numbers = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)

    def checkpoint_f(*args: Any, **kwargs: Any) -> Any:
        static = {n % len(args): args[n] for n in numbers if _is_argument(f, n, args)}
        moving = tuple([x for i, x in enumerate(args) if i not in static])
        ops = Operands((moving, kwargs))

        def inner(*values: Any) -> Any:
            rest, named = ops.filled(values)
            left = iter(rest)
            return f(*[static[i] if i in static else next(left) for i in range(len(args))], **named)

        values = ops.values if known(ops.values) else None
        s = stage(inner, flat(ops.types), ops.types, what="checkpoint", of=f, values=values)
        spend_inputs(s, ops.values, "checkpoint")
        op = Remat(s.program, chosen.rule, chosen.names, prevent_cse)
        ys = apply_all(op, *ops.values, *s.captured)
        spend_results(s, ys)
        return build(s.out_tree, ys)

    wrapped: Callable[P, R] = whole(checkpoint_f, f, "checkpoint", looks=True)
    return wrapped


def _is_argument(f: object, n: int, args: tuple[Any, ...]) -> bool:
    if -len(args) <= n < len(args):
        return True
    raise StructureError(
        f"checkpoint of {describe(f)}: static_argnums names argument {n},"
        f" and the call has {len(args)} positional"
        f" argument{'s' * (len(args) != 1)}",
        fix="pass it by position, or name an argument that the call has",
    )


def checkpoint_name(x: T, name: str) -> T:
    """x, whose arrays policies of ``checkpoint`` know by this name.

    >>> import verax as vx
    >>> def f(x):
    ...     y = vx.checkpoint_name(vx.sin(x), "inner")
    ...     return vx.sin(y)
    >>> g = vx.checkpoint(f, policy=vx.save_only_these_names("inner"))
    >>> vx.grad(g)(0.0)
    Array(1., dtype=float32)
    """
    leaves, tree = flatten(x)
    named: T = build(tree, [apply(Named(name), as_argument(leaf)) for leaf in leaves])
    return named


def save_only_these_names(*names: str) -> Policy:
    """The policy that keeps what ``checkpoint_name`` called so, and nothing else.

    >>> import verax as vx
    >>> vx.save_only_these_names("a", "b")
    Policy(rule='save_only_these_names', names=('a', 'b'))
    """
    return Policy("save_only_these_names", names)


def save_anything_except_these_names(*names: str) -> Policy:
    """The policy that keeps all but what ``checkpoint_name`` called so.

    >>> import verax as vx
    >>> vx.save_anything_except_these_names("a")
    Policy(rule='save_anything_except_these_names', names=('a',))
    """
    return Policy("save_anything_except_these_names", names)
