"""Open builders: where staged values live, and how values from outside come in.

While a function is staged there is one open scope, the innermost of this thread; the ones around it
stand behind ``outer``. A value of another scope that is used here becomes an input of the program
(it is *captured*), so closures need no rules of their own. A closed scope refuses.

Law: a value is read only in its own scope or, as a captured input, in a scope inside it.
"""

from __future__ import annotations

from threading import local
from types import CodeType
from typing import TYPE_CHECKING, NoReturn

from verax.compiler.ir.errors import DonationError, EscapedValueError
from verax.compiler.ir.program import Builder
from verax.compiler.ir.sizes import Size
from verax.sharding.errors import source_line

if TYPE_CHECKING:
    from verax.dsl.lang.key import Use
    from verax.dsl.lang.value import Value


class Scope:
    """An open builder and what it knows.

    Attributes:
        what: how the function came to be staged: ``jit``, ``grad``, ``the body of scan``...
        looks: Python may ask what a value is worth (``values`` holds what is known so far).
        forced: Python did ask: the program is true of these arguments only.
        captured: the values from outside, by identity, with the slots that they have here.
        looked: the concrete values from outside that Python asked for: the program is true of
            these arrays only.
        uses: per slot of a random key, where it was consumed.
        repeats: the function runs more than once per call, so that it may not consume a key from
            outside.
        axis: the name and the size of the axis that a vmap maps here.
        strict: arrays of two dtypes that meet are an error.
    """

    __slots__ = (
        "axis", "builder", "captured", "code", "forced", "looked", "looks", "name", "open", "outer",
        "repeats", "strict", "uses", "values", "what",
    )  # fmt: skip
    values: dict[int, Value]
    strict: bool
    captured: dict[int | tuple[int, int], tuple[int, Value]]
    uses: dict[int, Use]
    looked: list[Value]

    def __init__(
        self,
        what: str,
        f: object = None,
        *,
        looks: bool = False,
        repeats: bool = False,
        outer: Scope | None = None,
        axis: tuple[str, Size] | None = None,
    ) -> None:
        self.builder = Builder()
        self.open, self.forced, self.looks, self.repeats = True, False, looks, repeats
        self.captured, self.values, self.uses, self.looked = {}, {}, {}, []
        self.what, self.outer, self.axis = what, outer, axis
        self.strict = False
        if outer is not None:
            self.strict = outer.strict
            self.builder.equations = type(outer.builder.equations)()  # these may be bounded
        self.name, self.code = name_of(f), code_of(f)

    @property
    def where(self) -> str:
        """``f (model.py:12)``: the function that is being staged."""
        return show_function(self.name, self.code)

    def lift(self, x: Value) -> int:
        """The slot of x here; a value from outside becomes an input."""
        scope = x.scope
        if scope is self:
            slot: int = x.ref
            return slot
        if scope is None:
            key: int | tuple[int, int] = id(x)
        else:
            if not scope.open:
                scope.refuse(x)
            key = id(scope), x.ref
        found = self.captured.get(key)
        if found is None:
            slot = self.builder.input(x.type.bare)
            found = self.captured[key] = (slot, x)
            if self.looks:
                self.values[slot] = x
        return found[0]

    def look(self, x: Value) -> None:
        """Note that Python asked what a concrete value from outside is worth."""
        scope: Scope | None = self
        while scope is not None:
            scope.looked.append(x)
            scope = scope.outer

    def refuse(self, x: Value) -> NoReturn:
        """Raise because x is used after this scope was closed."""
        inside = "" if STACK.scope is None else f", in {STACK.scope.where}"
        raise EscapedValueError(
            f"{x.type}, a value inside {self.where}, was used after {self.what} had staged it"
            + inside,
            fix="return the value from the function and use what the call returns",
        )


class Donated(Scope):
    """The scope of arrays whose buffer a call has taken: nothing can be read there."""

    __slots__ = ("place",)
    place: str

    def __init__(self, f: object, place: str) -> None:
        super().__init__("jit", f)
        self.open, self.place = False, place

    def refuse(self, x: Value) -> NoReturn:
        raise DonationError(
            f"{x.type} was donated to {self.where}, which took its buffer",
            places=[self.place],
            fix="use what that call returned, or do not donate this argument",
        )


class Stack(local):
    """The innermost open scope of each thread."""

    scope: Scope | None = None


STACK = Stack()


def named_axes(scope: Scope | None) -> dict[str, Size]:
    """The named axes that are mapped around this scope, the innermost first."""
    out: dict[str, Size] = {}
    while scope is not None:
        if scope.axis is not None:
            out.setdefault(*scope.axis)
        scope = scope.outer
    return out


def code_of(f: object) -> CodeType | None:
    """The code that a callable runs, through partials, wrappers and methods, or None."""
    for _ in range(64):
        code = getattr(f, "__code__", None)
        inner = getattr(f, "__wrapped__", None) or getattr(f, "func", None)
        if inner is None or inner is f:
            break
        f = inner
    if not isinstance(code, CodeType):
        code = getattr(vars(type(f)).get("__call__"), "__code__", None)
    return code if isinstance(code, CodeType) else None


def name_of(f: object) -> str:
    """What messages call a callable."""
    inner = f
    for _ in range(64):
        name = getattr(inner, "__qualname__", None) or getattr(inner, "__name__", None)
        if isinstance(name, str):
            return name.replace("<locals>.", "")
        inner = getattr(inner, "func", None)
        if inner is None:
            break
    return type(f).__name__ if f is not None else "a function"


def show_function(name: str, code: CodeType | None) -> str:
    """``f (model.py:12)``."""
    if code is None:
        return name
    return f"{name} ({source_line(code.co_filename, code.co_firstlineno).split(': ', 1)[0]})"


def describe(f: object) -> str:
    """``f (model.py:12)``, for any callable."""
    return show_function(name_of(f), code_of(f))
