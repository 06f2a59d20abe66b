"""What a static argument of a jitted function counts as, for the cache.

Law: two values of one key are interchangeable for staging.
"""

from __future__ import annotations

from typing import Any

from verax.compiler.ir.errors import StructureError
from verax.dsl.lang.fixed import is_plain
from verax.dsl.lang.scope import describe
from verax.dsl.lang.treedef import exact, node_of
from verax.dsl.lang.value import Value
from verax.dsl.lang.walk import Walk


def static_key(f: object, at: object, x: Any, reads: list[Value]) -> Any:
    """What a static argument counts as: its content, or what its class says is equal."""
    if not _says_what_is_equal(type(x)):
        walk = Walk()
        key = at, walk.value(x, (None, "the static argument ", at, None)), walk.finish()
        if walk.reason is None:
            reads += walk.reads
            return key
    try:
        hash(x)
    except TypeError:
        raise StructureError(
            f"the static argument {at} of {describe(f)} is a {type(x).__name__}, which has no hash",
            fix="pass a tuple instead of a list, a vx.struct instead of a dict",
        ) from None
    return at, exact(x)


def _says_what_is_equal(c: type) -> bool:
    """Whether this is a class of the user's with an equality of its own."""
    own: Any = c.__hash__
    return own is not None and own is not object.__hash__ and is_plain(c) and node_of(c) is None
