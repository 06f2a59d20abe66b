"""Types that mypy reveals, read back: arrays with sizes as polynomials, so that they compare.

Law: what is read of a written type and what is made of a staged value are equal where the types
are. ``UNKNOWN`` stands for what mypy does not know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from verax.compiler.ir.sizes import Poly, Size, dim
from verax.compiler.ir.types import ArrayType
from verax.dsl.lang.value import Value

Read: TypeAlias = Any


class Unknown:
    """A size, a run of sizes, a dtype or a whole type of which nothing is known."""


UNKNOWN = Unknown()


class ArrayOf(NamedTuple):
    """An array; ``rank_known`` is false where a run of its dims is not known."""

    dtype: Any
    dims: tuple[Any, ...]
    rank_known: bool = True


class SizeOf(NamedTuple):
    """An int that is a size."""

    size: Any


class Plain(NamedTuple):
    """Another class, by its name."""

    name: str


class ListOf(NamedTuple):
    """A list, by what each element is."""

    element: Any


class Listed(NamedTuple):
    """A list, by what each of its elements is."""

    items: tuple[Any, ...]


_TOKENS = re.compile(r"-?\d+|[\w.]+(?:`-?\d+)?(?:'s)?|\"[^\"]*\"|'[^']*'|[\[\],*|()?=]|->|:|@")


class Reader:
    """Reads one type.

    Args:
        ranks: per type variable tuple the dims that it stands for.
    """

    def __init__(self, text: str, ranks: Mapping[str, tuple[Size, ...]]) -> None:
        self.tokens, self.ranks = _TOKENS.findall(text), ranks
        self.at = 0

    def read(self) -> Read:
        """The type; UNKNOWN where it is none that is read here."""
        try:
            found = self.one()
            return found if self.at == len(self.tokens) else UNKNOWN
        except (IndexError, ValueError):
            return UNKNOWN

    def take(self) -> str:
        token: str = self.tokens[self.at]
        self.at += 1
        return token

    def next(self, token: str) -> bool:
        """Whether this token comes next; it is taken."""
        if self.at < len(self.tokens) and self.tokens[self.at] == token:
            self.at += 1
            return True
        return False

    def one(self) -> Read:
        star = self.next("*")
        name = self.take().rpartition(".")[2].partition("`")[0]
        args: list[Any] = []
        if self.next("["):
            if self.next("("):
                self.take()
            while not self.next("]"):
                if self.tokens[self.at] == "fallback":
                    del self.tokens[self.at : self.at + 2]
                    self.one()
                    continue
                args.append(self.one())
                self.next(",")
        self.next("?")
        if star:
            return Run(self.ranks.get(name))
        return self.made(name, args)

    def made(self, name: str, args: list[Any]) -> Read:
        if name == "Array":
            dims: list[Any] = []
            known = True
            for x in args[1:]:
                if isinstance(x, Run):
                    known &= x.dims is not None
                    dims += x.dims or ()
                else:
                    dims.append(size_of(x))
            return ArrayOf(args[0], tuple(dims), known)
        if name == "Literal":
            return args[0].name if isinstance(args[0], Plain) else args[0]
        if name in ("Add", "Mul"):
            sizes = [size_of(a) for a in args]
            if any(n is UNKNOWN for n in sizes):
                return UNKNOWN
            total: Size = 0 if name == "Add" else 1
            for n in sizes:
                total = total + n if name == "Add" else total * n
            return SizeOf(total)
        if name == "Size":
            return SizeOf(size_of(args[0]))
        if name == "tuple":
            return UNKNOWN if Plain("") in args else tuple(args)  # tuple[int, ...]
        if name == "list":
            return ListOf(args[0])
        if name in ("Any", "object"):
            return UNKNOWN
        return int(name) if re.fullmatch(r"-?\d+", name) else Plain(name)


class Run(NamedTuple):
    """A run of dims; None where it is not known."""

    dims: tuple[Size, ...] | None


def size_of(x: Any) -> Any:
    """What stands as a dim as a size."""
    if isinstance(x, SizeOf):
        return x.size
    if isinstance(x, Plain) and x.name not in ("int", "object"):
        return dim(x.name)
    return x if isinstance(x, int) else UNKNOWN


def staged(x: Any) -> Read:
    """The type of a staged value."""
    if isinstance(x, Value):
        if x.weak:
            return UNKNOWN
        if isinstance(x.type, ArrayType):
            return ArrayOf(Plain(x.type.dtype.__name__), tuple(x.type.shape))
        return Plain("Key")
    if isinstance(x, bool):
        return Plain("bool")
    if isinstance(x, (int, Poly)):
        return SizeOf(x)
    if isinstance(x, tuple):
        return tuple([staged(y) for y in x])
    if isinstance(x, list):
        return Listed(tuple([staged(y) for y in x]))
    return UNKNOWN


def fits(said: Read, true: Read) -> bool | None:
    """Whether what mypy says is what is true; None where it says too little."""
    if true is UNKNOWN:
        return True
    if said is UNKNOWN:
        return None
    if isinstance(true, Listed):
        if isinstance(said, ListOf):
            return fits((said.element,) * len(true.items), true.items)
        return fits(said, true.items)
    if isinstance(said, tuple) and type(said) is tuple:
        if type(true) is not tuple or len(said) != len(true):
            return False
        parts = [fits(s, t) for s, t in zip(said, true)]
        return False if False in parts else None if None in parts else True
    if isinstance(said, ArrayOf) and isinstance(true, ArrayOf):
        if said.dtype not in (UNKNOWN, true.dtype):
            return False
        if not said.rank_known:
            return None
        if len(said.dims) != len(true.dims):
            return False
        if any(s is not UNKNOWN and s != t for s, t in zip(said.dims, true.dims)):
            return False
        return None if UNKNOWN in (said.dtype, *said.dims) else True
    if isinstance(true, SizeOf) and said in (Plain("int"), SizeOf(UNKNOWN)):
        return None
    return bool(said == true)
