"""What a rematerialised function keeps: policies by name, and names for values.

A policy says of each equation of the function whether its results may be kept for the backward
half; what may not be kept is computed again. Policies are data: a word of the table below and, for
two of them, the names that ``checkpoint_name`` gave. The words are JAX's.

Law: a name changes no value and no derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from verax.compiler.ir.errors import StructureError
from verax.compiler.ir.op import Again, Emitter, MaybeSlots, Op, Slots
from verax.compiler.ir.program import Builder
from verax.compiler.ir.types import Type
from verax.compiler.ops.barrier import Identity
from verax.compiler.ops.contract import Contract


class Named(Identity, name="named"):
    """Its operand, which policies know by this name; lowers to nothing. Tangents have no name."""

    label: str

    def tangent(self, b: Builder, xs: Slots, ys: Slots, ts: MaybeSlots) -> list[int | None]:
        return list(ts)

    def linear(self, n: int) -> tuple[frozenset[int], ...]:
        return (frozenset({0}),)

    def transpose(
        self, b: Builder, cts: MaybeSlots, xs: MaybeSlots, xts: Sequence[Type], again: Again
    ) -> MaybeSlots:
        return cts

    def lower(
        self, e: Emitter, xs: Sequence[str], xts: Sequence[Type], yts: Sequence[Type]
    ) -> list[str]:
        return list(xs)


class Policy(NamedTuple):
    """What may be kept.

    Attributes:
        rule: a word of the table ``RULES``.
        names: the names that the two rules about names speak of.
    """

    rule: str
    names: tuple[str, ...] = ()

    def saves(self, op: Op) -> bool:
        """Whether results of op may be kept."""
        return RULES[self.rule](op, self.names)


Rule: TypeAlias = Callable[[Op, tuple[str, ...]], bool]


def _is_product(op: Op, names: tuple[str, ...]) -> bool:
    if op.name == "convolve":
        return True
    return isinstance(op, Contract) and len(op.ins) == 2 and bool(_summed(op))


def _is_plain_product(op: Op, names: tuple[str, ...]) -> bool:
    """A product of matrices without a dimension that both operands and the result share."""
    if not isinstance(op, Contract) or not _is_product(op, names):
        return False
    return not set(op.ins[0]) & set(op.ins[1]) & set(op.out)


def _summed(op: Contract) -> set[int]:
    return set(op.ins[0]) & set(op.ins[1]) - set(op.out)


RULES: Mapping[str, Rule] = {
    "nothing_saveable": lambda op, names: False,
    "everything_saveable": lambda op, names: True,
    "dots_saveable": _is_product,
    "dots_with_no_batch_dims_saveable": _is_plain_product,
    "save_only_these_names": lambda op, names: isinstance(op, Named) and op.label in names,
    "save_anything_except_these_names": lambda op, names: (
        not (isinstance(op, Named) and op.label in names)
    ),
}
ON_NAMES = ("save_only_these_names", "save_anything_except_these_names")
NOTHING, EVERYTHING = Policy("nothing_saveable"), Policy("everything_saveable")


def policy_of(given: object) -> Policy:
    """The policy that a user names, or a StructureError that lists those there are."""
    if given is None:
        return NOTHING
    if isinstance(given, Policy) and given.rule in RULES:
        return given
    plain = [rule for rule in RULES if rule not in ON_NAMES]
    if isinstance(given, str) and given in plain:
        return Policy(given)
    called = repr(given) if isinstance(given, str) else f"an object of {type(given).__name__}"
    raise StructureError(
        f"checkpoint: {called} is no policy",
        fix=f"one of {', '.join(map(repr, plain))}, "
        + " or ".join(f"vx.{rule}(...)" for rule in ON_NAMES),
    )
