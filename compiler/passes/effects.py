"""What each pass does with each effect: it lets it through, or refuses the op by name.

An effect that stands in no row here is refused, so that a new kind of effect starts out safe. Ops
that hold programs are not asked: the pass runs on the programs inside.
"""

from __future__ import annotations

from verax.compiler.ir.errors import EffectError
from verax.compiler.ir.op import Op
from verax.compiler.ir.span import Span, places

PASSED: dict[str, frozenset[str]] = {
    "jvp": frozenset(),
    "jet": frozenset(),
    "transpose": frozenset(),
    "vmap": frozenset(),
}


def admit(what: str, op: Op, span: Span | None) -> None:
    """Raise an EffectError unless the pass knows what to do with the effects of op itself."""
    refused = op.own_effects - PASSED[what]
    if refused:
        raise EffectError(
            f"{what} of {op.name}, which has the effect {', '.join(sorted(refused))}",
            fix=f"move {op.name} out of the function that is transformed",
            places=places(span),
        )
