"""Un-jitted transformations: the transformed function as a whole is staged, compiled and kept.

So ``grad(f)(x)`` in a loop costs a dispatch, not a trace; and since its arguments are concrete,
Python control flow on their values works under derivatives (vmap and jit have no values).

Python scalars: nobody wrote ``jit``, so f may use them as it likes (``range(n)``). Ints and bools
count by value; when a second value comes they become inputs, if f can be staged so. Floats are
inputs at once, unless f needs their value.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

from verax.compiler.ir.errors import DTypeError
from verax.dsl.lang.bounded import Bounded
from verax.dsl.lang.cache import (
    Found,
    Function,
    Request,
    compile_staged,
    counts_of,
    lookup,
    with_keywords,
)
from verax.dsl.lang.frames import drop_library_frames
from verax.dsl.lang.identity import Identity, Unkeyed, identity
from verax.dsl.lang.scope import STACK
from verax.dsl.lang.stage import Staged, argument_path, kind_of, stage
from verax.dsl.lang.treedef import TreeDef, build, exact, flatten
from verax.dsl.lang.value import Value
from verax.dsl.lang.weak import CARRIERS

if TYPE_CHECKING:
    from verax.compiler.backend.compile import Executable


def whole(g: Function, of: object, what: str, *, looks: bool) -> Function:
    """g as users call it: inlined while a function is staged, else compiled as one program.

    Args:
        g: the transformed function.
        of: the user's function in it.
        what: the transformation.
        looks: whether Python may decide on the values of concrete arguments.
    """

    @wraps(of, updated=())  # type: ignore[arg-type]
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            if STACK.scope is not None:
                return g(*args, **kwargs)
            return compiled(g, args, kwargs, what=what, of=of, looks=looks)
        except Exception as error:
            drop_library_frames(error)
            raise

    return call


def compiled(
    f: Function,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    what: str,
    of: object,
    looks: bool = False,
) -> Any:
    """Run f on concrete arguments, as one compiled program.

    Args:
        what, of: how f came to be staged and the user's function in it, for messages.
        looks: Python may decide on the values of the arguments.
    """
    leaves, tree = flatten((args, kwargs) if kwargs else args)
    call = Unjitted(f, leaves, tree, bool(kwargs), what, of, looks)
    if _LITERAL.isdisjoint(map(type, leaves)):
        found = lookup(f, leaves, tree, None) or call.with_inputs()
    else:
        found = call.with_literals()
    entry, xs, reads = found
    return entry(xs, reads, what)


_LITERAL = frozenset({int, bool})
_SCALARS = frozenset(CARRIERS)
_MET: Bounded[Any, Any] = Bounded(4096)
"""Per call with literals: those of the first call; True for inputs, False for literals always."""


class Unjitted:
    """One call of an un-jitted transformation."""

    __slots__ = ("f", "keywords", "leaves", "looks", "of", "tree", "what")

    def __init__(
        self,
        f: Function,
        leaves: list[Any],
        tree: TreeDef,
        keywords: bool,
        what: str,
        of: object,
        looks: bool,
    ) -> None:
        self.f, self.leaves, self.tree, self.keywords = f, leaves, tree, keywords
        self.what, self.of, self.looks = what, of, looks

    def with_inputs(self) -> Found:
        """All leaves are inputs; where f needs the value of a Python float, that is a literal."""
        request = self._request(self.f, self.leaves, self.tree, None, range(len(self.leaves)))
        if self.looks or _SCALARS.isdisjoint(map(type, self.leaves)):
            return request.find()
        try:
            return request.find()
        except TypeError:  # among them ConcretizationError
            pass
        return self.by_value(_SCALARS)

    def with_literals(self) -> Found:
        """Ints and bools are literals, until a second value of them shows that they vary."""
        key = self._key()
        if key is None:
            return self.by_value(_LITERAL)
        literals = exact(tuple([x for x in self.leaves if type(x) in _LITERAL]))
        met = _MET.get(key)
        if met is None:
            met = _MET.keep(key, literals)
        if met is False or met == literals:
            return self.by_value(_LITERAL)
        if met is True:
            found = lookup(self.f, self.leaves, self.tree, None)
            if found is not None:
                return found
        try:
            request = self._request(self.f, self.leaves, self.tree, None, range(len(self.leaves)))
            found = request.find()
            _MET[key] = not found.entry.forced
            return found
        except Exception:  # f needs the numbers: by value it says what is wrong, if anything is
            _MET[key] = False
        return self.by_value(_LITERAL)

    def _key(self) -> Any:
        """What a call is, but for the values of its literals."""
        try:
            who = identity(self.f, self.tree.code)
            return who.key, self.tree, tuple([kind_of(x) for x in self.leaves])
        except (Unkeyed, DTypeError):
            return None

    def by_value(self, literal: frozenset[type]) -> Found:
        """The leaves of these classes are baked into the program."""
        leaves, tree, keywords = self.leaves, self.tree, self.keywords
        places = [i for i, x in enumerate(leaves) if type(x) not in literal]
        values = tuple([(i, x) for i, x in enumerate(leaves) if type(x) in literal])

        def bound(*inputs: Any) -> Any:
            whole_leaves = list(leaves)
            for i, x in zip(places, inputs):
                whole_leaves[i] = x
            args = build(tree, whole_leaves)
            return self.f(*args[0], **args[1]) if keywords else self.f(*args)

        inputs = [leaves[i] for i in places]
        flat = flatten((0,) * len(inputs))[1]
        extra = "by value", tree, exact(values)
        found = lookup(self.f, inputs, flat, extra, tree.code)
        return found or self._request(bound, inputs, flat, extra, places).find()

    def _request(
        self, run: Function, leaves: Sequence[Any], tree: TreeDef, extra: Any, at: Sequence[int]
    ) -> Request:
        split_keywords = self.keywords and run is self.f

        def make(run: Function, xs: Sequence[Value], who: Identity) -> tuple[Staged, Executable]:
            call = with_keywords(run) if split_keywords else run
            types, weak = [x.type for x in xs], [x.weak for x in xs]
            values = xs if self.looks else None
            s = stage(
                call,
                tree,
                types,
                what=self.what,
                of=self.of,
                weak=weak,
                values=values,
                reads=who,
            )
            return s, compile_staged(s, types)

        name = partial(argument_path, self.of, self.tree, keywords=self.keywords)

        def path(i: int) -> str:
            return name(at[i])

        counts, code = counts_of(self.of), self.tree.code
        return Request(self.f, run, self.of, leaves, tree, code, path, extra, (), make, counts)
