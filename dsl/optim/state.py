"""What transformations of gradients keep from one update to the next.

``State[Params]`` is the state for parameters of one type: to a checker that of one model does not
fit another. Its children are structs, so a state is a pytree; a transformation of your own may
bring its own one: ``class Mine(vx.optim.State[Params])``, a struct too.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from typing_extensions import TypeVar as Defaulted

from verax.compiler.ir.errors import StructureError
from verax.dsl.lang.struct import struct
from verax.dsl.lang.typing import I32

Params = Defaulted("Params", default=Any)
S = TypeVar("S", bound="State[Any]")


class State(Generic[Params]):
    """The state of some transformation, for parameters of this type."""


@struct
class Stateless(State[Params]):
    """Of what remembers nothing."""


@struct
class Counted(State[Params]):
    """The number of updates done."""

    count: I32[()]


@struct
class TraceState(State[Params]):
    """The running sum of the updates."""

    velocity: Params


@struct
class AdamState(State[Params]):
    """Steps done, and the running means of the gradient and of its square."""

    count: I32[()]
    mean: Params
    square: Params


@struct
class Chained(State[Params]):
    """The states of the links of a chain."""

    parts: tuple[State[Params], ...]


def own(state: State[Any], kind: type[S], what: str) -> S:
    """The state, if it is of this kind.

    Raises:
        StructureError: it is that of another transformation.
    """
    if isinstance(state, kind):
        return state
    raise StructureError(
        f"{what}: the state is {type(state).__name__}, expected {kind.__name__}",
        fix="pass what init, or the last update, of the same transformation gave",
    )
