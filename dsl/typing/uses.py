"""The state of a function at one point of one path: what names hold, and which keys were consumed.

Values have identities. A key, or any other object, is a ``Ref``: a path from where it first was
seen (a variable, a call) through attributes, elements and parts. As at run time (dsl/lang/key.py),
a key stands against its whole and its parts, and what ``fold_in`` derives is a part of its own.

Law: two values with one path are the same object on this path of the program.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import NamedTuple, TypeAlias

from mypy.nodes import Context, Expression, FuncItem, Var

Path: TypeAlias = tuple[Hashable, ...]


class Step(NamedTuple):
    """One round of a loop, or one call of a function that is followed.

    Attributes:
        node: the loop or the call.
        round: the number of the round; -1 for a call.
        name: the loop or the function, as messages call it.
    """

    node: Context
    round: int
    name: str


Where: TypeAlias = tuple[Step, ...]


class Ref(NamedTuple):
    """An object; ``indexed`` says that literal indexes name its elements."""

    path: Path
    indexed: bool = False

    def at(self, step: Hashable) -> Ref:
        """A part of it."""
        return Ref((*self.path, step))


class Group(NamedTuple):
    """A tuple whose items are known."""

    items: tuple[Value, ...]


class Const(NamedTuple):
    """A literal."""

    value: int | str | None


class Fn(NamedTuple):
    """A function.

    Attributes:
        name: what messages call it.
        expr: the expression that it came from, to ask for its type.
        full_name: its name as mypy has it.
        function: its definition, where it stands in this module.
        bound, named: the arguments that it was given already.
        receiver: the object whose method it is.
        exact: whether its results are those of the definition.
    """

    name: str
    expr: Expression
    full_name: str = ""
    function: FuncItem | None = None
    bound: tuple[Value, ...] = ()
    named: tuple[tuple[str, Value], ...] = ()
    receiver: Value = None
    exact: bool = True


Value: TypeAlias = "Ref | Group | Const | Fn | None"


class Use(NamedTuple):
    """A key was consumed: by what, at which node, in which rounds and calls.

    Attributes:
        inner: the call of a function of the module in which it happened, with its rounds: what
            happens twice in one of them is that function's own error.
    """

    what: str
    node: Context
    where: Where
    inner: tuple[Context, Where] | None


class State:
    """What is known at one point of one path through a function."""

    __slots__ = ("env", "facts", "heap", "sizes", "uses")

    def __init__(self) -> None:
        self.env: dict[Var, Value] = {}  # what variables hold, if they were bound on this path
        self.heap: dict[Path, Value] = {}  # what attributes and elements hold, if they were set
        self.uses: dict[Path, Use] = {}
        self.sizes: dict[Path, int] = {}
        self.facts: dict[Hashable, bool] = {}  # conditions that were decided

    def copy(self) -> State:
        other = State()
        other.env, other.heap, other.uses = self.env.copy(), self.heap.copy(), self.uses.copy()
        other.sizes, other.facts = self.sizes.copy(), self.facts.copy()
        return other

    def variable(self, var: Var) -> Value:
        return self.env.get(var) or Ref((var,))

    def part(self, of: Ref, step: Hashable) -> Value:
        """The attribute or element of an object."""
        return self.heap.get((*of.path, step)) or of.at(step)

    def taken(self, path: Path) -> tuple[Use, str] | None:
        """The use that stands against consuming the key at this path, and what of it was used."""
        for n in range(len(path), 0, -1):
            found = self.uses.get(path[:n])
            if found is not None:
                return found, "it" if n == len(path) else "the whole array that it is part of"
        for other, use in self.uses.items():
            if other[: len(path)] == path:
                return use, "a part of it"
        return None

    def forget(self, of: Ref, fresh: Hashable) -> None:
        """The object may have been written to: its attributes are others from now on."""
        n = len(of.path)
        self.sizes.pop(of.path, None)
        steps = {p[n] for p in (*self.heap, *self.uses) if len(p) > n and p[:n] == of.path}
        for step in steps:
            self.heap[(*of.path, step)] = Ref((fresh, step))


LIMIT = 8
"""How many paths are followed at once."""


def merged(states: list[State]) -> list[State]:
    """One state of each kind: those that nothing will ever tell apart are one.

    Only so many are kept, those in which most was consumed: an error may be missed, none invented.
    """
    if len(states) < 2:
        return states
    kinds: dict[Hashable, State] = {}
    for s in states:
        kind = _kind(s)
        same = kinds.setdefault(kind, s)
        if same is not s:
            same.facts = {k: v for k, v in same.facts.items() if s.facts.get(k) == v}
    found = list(kinds.values())
    return sorted(found, key=lambda s: -len(s.uses))[:LIMIT] if len(found) > LIMIT else found


def _kind(s: State) -> Hashable:
    """What can be told of a state: which names hold used keys, one object, or something known."""
    places: dict[Hashable, list[Hashable]] = {}
    known: set[Hashable] = set()
    for place, v in (*s.env.items(), *s.heap.items()):
        for step, x in _leaves(v):
            if isinstance(x, Ref):
                places.setdefault(x.path[0], []).append((place, step, x.path[1:]))
            else:
                known.add((place, step, x))
    for root in [p[0] for p in s.uses]:
        if isinstance(root, Var) and root not in s.env:
            places.setdefault(root, []).append((root, (), ()))
    used: dict[Hashable, list[Hashable]] = {}
    for path, use in s.uses.items():
        used.setdefault(path[0], []).append((path[1:], use.node, use.where))
    for root, held in places.items():
        first = isinstance(root, Var) and root not in s.env
        if root in used or len(held) + first > 1:
            known.add((frozenset(held), frozenset(used.get(root, ()))))
    return frozenset(known)


def _leaves(v: Value, at: Path = ()) -> Iterator[tuple[Path, Value]]:
    if isinstance(v, Group):
        for i, x in enumerate(v.items):
            yield from _leaves(x, (*at, i))
    else:
        yield at, v
