"""Random keys: opaque values that are consumed once.

Where a key was consumed is kept in its ``Use``: on the object for a concrete key, in the scope for
a staged one (equal equations share a slot, so ``keys[0]`` written twice is one key). Elements of an
array of keys, and what ``fold_in`` derives, are *parts*: each may be consumed once, and whoever
consumes the whole consumes them all. What an inner function does to the keys that it was given, or
that it captured, is done to the outer ones when it has been staged.

Law: on no path does a program use the bits of one key twice. A loop body, which runs many times,
consumes no key from outside.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from types import EllipsisType
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, overload

from verax.compiler.ir.errors import IndexingError, KeyReuseError
from verax.compiler.ir.sizes import Poly, Size
from verax.compiler.ir.span import Span, places, user_span
from verax.compiler.ir.types import KeyType
from verax.compiler.ops.contract import permute
from verax.compiler.ops.random import KeyData, KeyWrap
from verax.dsl.lang.scope import STACK, Scope
from verax.dsl.lang.signatures import Ds, Es, M, N, Shape1, Shape2, Shape3, Shape4
from verax.dsl.lang.value import Value, apply

if TYPE_CHECKING:
    from verax.dsl.lang.value import AnyArray

SPLIT = "split it first, and use each part once: a, b = vx.random.split(key)"
PER_STEP = (
    "scan over split keys (vx.random.split(key, n)), carry the key and split it in the body, or"
    " derive one per step: vx.random.fold_in(key, i)"
)
"""What to write instead of consuming a key twice, and in a loop."""


class Use:
    """Whether a key was consumed: by what and where; and the same for its parts."""

    __slots__ = ("parent", "parts", "span", "what")
    what: str | None
    span: Span | None
    parent: Use | None
    parts: dict[Hashable, Use]

    def __init__(self, parent: Use | None = None) -> None:
        self.what, self.span, self.parent, self.parts = None, None, parent, {}

    def part(self, at: Hashable) -> Use:
        """The use of a part; the same ``at`` is the same part."""
        found = self.parts.get(at)
        if found is None:
            found = self.parts[at] = Use(self)
        return found

    def taken(self) -> Use | None:
        """The use that stands against consuming this key: its own, of the whole, or of a part."""
        up: Use | None = self
        while up is not None:
            if up.what is not None:
                return up
            up = up.parent
        return self._part_taken()

    def _part_taken(self) -> Use | None:
        for part in self.parts.values():
            found = part if part.what is not None else part._part_taken()
            if found is not None:
                return found
        return None

    def take(self, what: str, span: Span | None, t: object) -> None:
        """Note that the key was consumed here, or raise because it was before."""
        earlier = self.taken()
        if earlier is not None:
            raise KeyReuseError(
                f"a random key ({t}) is consumed by {what}, but {earlier.what} consumed"
                f" {_which(earlier, self)} before",
                places=places(earlier.span, span),
                fix=_reuse_fix(str(earlier.what), what),
            )
        self.what, self.span = what, span

    def join(self, inner: Use, t: object) -> None:
        """Do to this key what was done to it inside a function."""
        if inner.what is not None:
            self.take(inner.what, inner.span, t)
        for at, part in inner.parts.items():
            if isinstance(at, Somewhere):  # another place at each call: one stands for all
                mine = self.parts[_SOMEWHERE] = Use(self)
            else:
                mine = self.part(at)
            mine.join(part, t)

    @property
    def touched(self) -> bool:
        """Whether it or a part of it was consumed."""
        return self.what is not None or self._part_taken() is not None

    def fixed(self) -> Use | None:
        """The use, of it or of a part, that is the same each time the function runs."""
        if self.what is not None:
            return self
        for at, part in self.parts.items():
            found = None if isinstance(at, Somewhere) else part.fixed()
            if found is not None:
                return found
        return None


def _reuse_fix(earlier: str, now: str) -> str:
    """What to do instead of using a key again, told by what was done to it."""
    if earlier == now == "split":
        return "split it once, into as many as you need: a, b, c = vx.random.split(key, 3)"
    if earlier.startswith("fold_in") and now.startswith("fold_in"):
        return "fold in another number each time: vx.random.fold_in(key, step)"
    if earlier.startswith("fold_in") or now.startswith("fold_in"):
        return "derive every key from it: vx.random.normal(vx.random.fold_in(key, 0), shape)"
    return SPLIT


def _which(earlier: Use, now: Use) -> str:
    up = now.parent
    while up is not None:
        if up is earlier:
            return "the whole array that it is part of"
        up = up.parent
    return "it" if earlier is now else "a part of it"


class Somewhere:
    """A part whose place is not known while staging: of two such, none is the other."""


_SOMEWHERE = Somewhere()


class Key(Value, Generic[*Ds], of=KeyType):
    """A random key, or an array of them. Index it, iterate over it or map over it to get one.

    In annotations ``Key[()]`` is one key, ``Key[Batch]`` an array of them, and ``Key`` either.
    """

    __slots__ = ("_use",)
    _use: Use | None

    def __init__(self, type: KeyType, at: Any, scope: Scope | None = None) -> None:
        super().__init__(type, at, scope)
        self._use = None

    @property
    def use(self) -> Use:
        """Where it was consumed."""
        scope = self.scope
        if scope is not None:
            found = scope.uses.get(self.ref)
            if found is None:
                found = scope.uses[self.ref] = Use()
            return found
        if self._use is None:
            self._use = Use()
        return self._use

    @property
    def size(self) -> int:
        """The number of keys."""
        n = 1
        for k in self.shape:
            n *= k
        return n

    @overload
    def __getitem__(self: Key[N, *Es], index: int) -> Key[*Es]: ...
    @overload
    def __getitem__(self: Key[N, *Es], index: slice) -> Key[Any, *Es]: ...
    @overload
    def __getitem__(self, index: None) -> Key[Any, *Ds]: ...
    @overload
    def __getitem__(self, index: EllipsisType | tuple[()]) -> Key[*Ds]: ...
    @overload
    def __getitem__(self: Key[N, M, *Es], index: tuple[int, int]) -> Key[*Es]: ...
    @overload
    def __getitem__(self, index: Any) -> Key: ...
    def __getitem__(self, index: Any) -> Any:
        """Some of the keys; indexes as those of arrays."""
        if not self.type.shape:
            raise IndexingError(
                f"{self.type} is one key and has no elements",
                fix="make several: keys = vx.random.split(key, 3)",
            )
        parts = index if isinstance(index, tuple) else (index,)
        data = apply(KeyData(), self)
        picked = data[(*parts, slice(None)) if Ellipsis in parts else parts]
        out = _wrap(self.type.impl, picked)
        _link(out, self.use.part(_place(parts, self.type.shape)))
        return out

    @overload
    def __iter__(self: Unranked) -> Iterator[Key]: ...
    @overload
    def __iter__(self: Key[N, *Es]) -> Iterator[Key[*Es]]: ...
    def __iter__(self) -> Iterator[Any]:
        for i in range(len(self)):
            yield self[i]

    @overload
    def reshape(self, shape: tuple[()], /) -> OneKey: ...
    @overload
    def reshape(self, shape: Shape1, /) -> Key[Any]: ...
    @overload
    def reshape(self, shape: Shape2, /) -> Key[Any, Any]: ...
    @overload
    def reshape(self, n: Size, m: Size, /) -> Key[Any, Any]: ...
    @overload
    def reshape(self, shape: Shape3, /) -> Key[Any, Any, Any]: ...
    @overload
    def reshape(self, n: Size, m: Size, k: Size, /) -> Key[Any, Any, Any]: ...
    @overload
    def reshape(self, shape: Shape4, /) -> Key[Any, Any, Any, Any]: ...
    @overload
    def reshape(self, *shape: Size | Sequence[Size]) -> Key: ...
    def reshape(self, *shape: Size | Sequence[Size]) -> Any:
        """The same keys in another shape."""
        one = len(shape) == 1 and not isinstance(shape[0], int | Poly)
        sizes: Any = shape[0] if one else shape
        out = _wrap(self.type.impl, apply(KeyData(), self).reshape((*sizes, 2)))
        _link(out, self.use)
        return out

    def __repr__(self) -> str:
        if self.scope is not None:
            return f"Key({self.type}, staged in {self.scope.where})"
        return f"Key({self.type}, {self.numpy().tolist()})"


OneKey: TypeAlias = "Key[*tuple[()]]"
"""``Key[()]``, which pyright reads as ``Key``."""

Unranked: TypeAlias = "Key[Any, Any, Any, Any, Any, Any, Any, Any, *tuple[Any, ...]]"
"""What comes first among overloads by rank: it takes keys of unknown rank."""


def _wrap(impl: str, data: AnyArray) -> Key:
    key = apply(KeyWrap(impl), data)
    assert isinstance(key, Key)
    return key


def _link(key: Key, use: Use) -> None:
    """Make ``use`` the use of a key that stands for another one or for a part of it."""
    if key.scope is None:
        key._use = use
    else:
        key.scope.uses.setdefault(key.ref, use)


def _place(parts: Sequence[Any], shape: Sequence[Any]) -> Hashable:
    """Literal indexes of one element name it; what else is picked is a part of its own."""
    if len(parts) == len(shape) and all(type(i) is int for i in parts):
        return tuple([i % n if isinstance(n, int) else i for i, n in zip(parts, shape)])
    return Somewhere()


def consume(key: Key, what: str) -> None:
    """Note that ``what`` uses up a key; KeyReuseError, with both places, if it was used before."""
    local_use(key).take(what, user_span(), key.type)


def derive(key: Key, data: int | None) -> None:
    """Note that a key was derived from this one with ``data``; None where that is no literal.

    Deriving twice with the same literal is an error, and so is consuming the key as well.
    """
    at: Hashable = Somewhere() if data is None else ("fold_in", data)
    name = "fold_in" if data is None else f"fold_in with {data}"
    local_use(key).part(at).take(name, user_span(), key.type)


def local_use(key: Key) -> Use:
    """The use of a key as the open scope sees it; a captured key has one of its own there."""
    scope = STACK.scope
    if scope is None or key.scope is scope:
        if key.scope is not None and not key.scope.open:
            key.scope.refuse(key)
        return key.use
    slot = scope.lift(key)
    found = scope.uses.get(slot)
    if found is None:
        found = scope.uses[slot] = Use()
    return found


def spend(uses: Sequence[tuple[Value, Use]], what: str, *, repeats: bool = False) -> None:
    """Do to outer keys what a staged function does to its inputs.

    Args:
        uses: the outer keys, with what was done to each inside.
        what: how the function was staged, for the message.
        repeats: the function runs many times, so that it may not consume these keys.
    """
    for key, use in uses:
        assert isinstance(key, Key)
        if repeats:
            refuse_repeated(key.type, use, what)
        local_use(key).join(use, key.type)


def refuse_repeated(t: object, use: Use, what: str) -> None:
    """Raise if a use is the same each time that a loop body runs."""
    again = use.fixed()
    if again is not None:
        raise KeyReuseError(
            f"a random key ({t}) from outside is consumed by {again.what} in {what},"
            " which runs many times",
            places=places(again.span),
            fix=PER_STEP,
        )


def swap_axes(key: Key, perm: Sequence[int]) -> Key:
    """The array of keys with dimension ``perm[i]`` as its dimension i; consumes nothing."""
    data = apply(permute((*perm, len(perm))), apply(KeyData(), key))
    out = _wrap(key.type.impl, data)
    _link(out, key.use)
    return out
