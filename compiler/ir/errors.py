"""The kinds of errors of the compiler and the language, each with a stable code."""

from __future__ import annotations

from verax.sharding.errors import VeraxError


class ShapeError(VeraxError, TypeError):
    """Shapes or ranks that do not fit together, or an axis out of range."""

    code = "verax-shape"


class UnknownSizeError(ShapeError):
    """A size that must be known is symbolic: whether the call is right cannot be decided."""

    code = "verax-size"


class IndexingError(VeraxError, IndexError):
    """A literal index out of range, or an index of a kind that cannot index."""

    code = "verax-index"


class DTypeError(VeraxError, TypeError):
    """dtypes that an op does not take, or a conversion that would change a value."""

    code = "verax-dtype"


class StructureError(VeraxError, TypeError):
    """Pytrees that differ in structure where they must agree."""

    code = "verax-structure"


class UnboundAxisError(StructureError):
    """A collective over a named axis, and no vmap around it has an axis of that name."""

    code = "verax-axis"


class ImmutableError(VeraxError, TypeError):
    """Something that never changes was assigned to."""

    code = "verax-immutable"


class DerivativeError(VeraxError, TypeError):
    """A derivative that does not exist: of a non-scalar, an integer, a non-linear equation."""

    code = "verax-derivative"


class ConcretizationError(VeraxError, TypeError):
    """Python asked for the value of an array that is only staged."""

    code = "verax-concrete"


class EscapedValueError(VeraxError, RuntimeError):
    """A staged value was used after its function had been staged."""

    code = "verax-escape"


class KeyReuseError(VeraxError, RuntimeError):
    """A random key was consumed twice."""

    code = "verax-key"


class DonationError(VeraxError, RuntimeError):
    """An array was used after a call had taken its buffer."""

    code = "verax-donated"


class EffectError(VeraxError, TypeError):
    """An effect where none is allowed."""

    code = "verax-effect"


class PurityError(VeraxError, RuntimeError):
    """A function wrote to what it had not made, or read a clock, while it was being staged."""

    code = "verax-purity"


class VariantError(VeraxError, RuntimeError):
    """A jitted function was called with more types of arguments than it may have."""

    code = "verax-variant"


class MemoryBudgetError(VeraxError, MemoryError):
    """A function needs more memory than it may have, however much it computes again."""

    code = "verax-memory"


class ParseError(VeraxError, ValueError):
    """Text that is not a program."""

    code = "verax-parse"


class BackendError(VeraxError, RuntimeError):
    """XLA refused or failed; the message shows the user's line that the op came from."""

    code = "verax-backend"


class InternalError(VeraxError, AssertionError):
    """A rule of verax broke a law of the IR: always a bug in verax, never in the user's program."""

    code = "verax-internal"
