"""``jit``: a function that is staged once per types of its arguments, compiled and dispatched.

Inside another staged function a jitted function is inlined. Static arguments are known by value
and stay Python objects; donated ones give their buffers away. ``stage``, ``lower`` and ``compile``
show the three steps on the way, for arguments or for their types alone.

Law: ``jit(f)(*args)`` equals ``f(*args)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial, update_wrapper
from typing import TYPE_CHECKING, Any, Concatenate, Generic, Literal, ParamSpec, TypeVar, overload

from verax.compiler.backend.emit import module, spmd_module
from verax.compiler.ir.dtypes import float32
from verax.compiler.ir.errors import DonationError, StructureError
from verax.compiler.ir.program import Program
from verax.compiler.ir.sizes import Size
from verax.compiler.ir.types import ArrayType, Type
from verax.compiler.passes.pipeline import prepare
from verax.dsl.lang.amounts import Bytes, in_bytes
from verax.dsl.lang.cache import (
    CacheInfo,
    Counts,
    Found,
    Function,
    Recent,
    Request,
    compile_staged,
    counts_of,
    kinds_of,
    lookup,
    recent,
    with_keywords,
)
from verax.dsl.lang.checked import Checked
from verax.dsl.lang.chosen import Chosen, Names, Numbers
from verax.dsl.lang.compiled import CommTable, Compiled, Lowered
from verax.dsl.lang.dtypes import DTypeLike, dtype_of
from verax.dsl.lang.frames import door, drop_library_frames
from verax.dsl.lang.identity import Identity, why_unkeyed
from verax.dsl.lang.scope import STACK, Donated, describe
from verax.dsl.lang.stage import Staged, argument_path, kind_of, stage
from verax.dsl.lang.static import static_key
from verax.dsl.lang.treedef import TreeDef, flatten
from verax.dsl.lang.value import Value
from verax.dsl.lang.variants import Variant, Variants
from verax.sharding.errors import user_line

if TYPE_CHECKING:
    from verax.compiler.backend.compile import Executable

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")

_MOST = 4096  # variants that are listed
Promotion = Literal["standard", "strict"]


def _check_options(max_variants: int | None, promotion: str) -> None:
    if max_variants is not None and max_variants < 1:
        raise StructureError(
            f"jit: max_variants is {max_variants}, expected a positive number or None",
            fix="max_variants=1 allows one program; None sets no bound",
        )
    if promotion not in ("standard", "strict"):
        raise StructureError(
            f"jit: promotion is {promotion!r}, which is unknown",
            fix="promotion='standard' or 'strict'",
        )


class Jit(Generic[P, R]):
    """A jitted function; see ``jit``."""

    __name__: str

    def __init__(
        self,
        f: Callable[P, R],
        static_argnums: Numbers,
        static_argnames: Names,
        donate_argnums: Numbers,
        donate_argnames: Names,
        max_variants: int | None,
        promotion: Promotion,
        comm_budget: Bytes | None,
    ) -> None:
        if not callable(f):
            raise StructureError(
                f"jit needs a function, got an object of {type(f).__name__}",
                fix="give the function itself: jit(f)(x), not jit(f(x))",
            )
        _check_options(max_variants, promotion)
        self._f: Callable[..., R] = f
        self._static = Chosen(f, static_argnums, static_argnames, "static arguments")
        self._donate = Chosen(f, donate_argnums, donate_argnames, "donated arguments")
        self._simple = not self._static and not self._donate
        self._strict = promotion == "strict"
        self._options: Any = "strict" if self._strict else None
        if self._donate:
            self._options = self._donate.numbers, self._donate.names, self._options
        self._limit = max_variants
        self.comm_budget = (
            None if comm_budget is None else in_bytes(comm_budget, "jit", "comm_budget")
        )
        if self.comm_budget is not None:  # functions with and without it share no entry
            self._options = self.comm_budget, self._options
        self._seen: dict[object, Variant] = {}
        self._counts = Counts()
        self._last: Recent | None = None
        self._checked = Checked(f)
        update_wrapper(self, f, updated=())

    def _identity_(self) -> tuple[Any, ...]:
        return self._f, self._static.numbers, self._static.names, self._strict

    def __repr__(self) -> str:
        return f"<jit of {describe(self._f)}>"

    @overload
    def __get__(self, instance: None, owner: type) -> Jit[P, R]: ...
    @overload
    def __get__(self: Jit[Concatenate[S, Q], R], instance: S, owner: type) -> Callable[Q, R]: ...
    def __get__(self, instance: Any, owner: type) -> Any:
        return self if instance is None else BoundJit(self, instance)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            if STACK.scope is not None:
                return self._inlined(args, kwargs)
            last = self._last
            if last is not None and not kwargs:
                leaves: list[Any] = []
                if last.fits(args, leaves):
                    self._counts.hits += 1
                    result: R = last.run(leaves, last.who.reads, "jit")
                    return result
            if self._simple:
                leaves, tree = flatten((args, kwargs) if kwargs else args)
                found = lookup(self._f, leaves, tree, self._options)
                if found is not None:
                    self._counts.hits += 1
                    if found.entry not in self._seen:
                        self._note(found, tree, args, kwargs)
                    self._last = None if kwargs else recent(self._f, leaves, tree, found.entry)
                    entry, xs, reads = found
                    result = entry(xs, reads, "jit")
                    return result
            return self._requested(args, kwargs)
        except Exception as error:
            drop_library_frames(error)
            raise

    def _requested(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> R:
        """A call that stages, or binds static arguments, or gives buffers away."""
        request = self._request(args, kwargs)
        if self._limit is not None:
            allow = partial(self._allow, request.tree, args, kwargs)
            request = request._replace(allow=allow)
        found = request.find()
        entry, xs, reads = found
        if entry not in self._seen:
            self._note(found, request.tree, args, kwargs)
        if entry.donate:
            self._check_donated(request, xs, entry.donate)
        result: R = entry(xs, reads, "jit")
        if entry.donate:
            gone = Donated(self._f, user_line() or "")
            for i in entry.donate:
                xs[i].scope, xs[i].ref = gone, None
        return result

    def _request(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request:
        """The call, with its static arguments bound."""
        if not self._static:
            return self._plain(self._f, args, kwargs, ((), 0, ()), ())
        static = {i: x for i, x in enumerate(args) if i in self._static.numbers}
        named = {n: x for n, x in kwargs.items() if n in self._static.names}
        reads: list[Value] = []
        key = tuple(
            [static_key(self._f, i, x, reads) for i, x in (*static.items(), *named.items())]
        )

        def bound(*rest: Any, **others: Any) -> R:
            left = iter(rest)
            whole = [static[i] if i in static else next(left) for i in range(len(args))]
            return self._f(*whole, **others, **named)

        rest = tuple([x for i, x in enumerate(args) if i not in static])
        others = {n: x for n, x in kwargs.items() if n not in named}
        return self._plain(bound, rest, others, (tuple(static), len(args), key), tuple(reads))

    def _plain(
        self,
        run: Callable[..., R],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        extra: Any,
        reads: tuple[Value, ...],
    ) -> Request:
        keywords = bool(kwargs)
        leaves, tree = flatten((args, kwargs) if keywords else args)

        def make(run: Function, xs: Sequence[Value], who: Identity) -> tuple[Staged, Executable]:
            types, weak = [x.type for x in xs], [x.weak for x in xs]
            call = self._checked.call(tree, xs, keywords, extra[0])
            s = self._staged(run, tree, types, weak, keywords, who)
            call.check_result(s.out_tree, s.program.out_types)
            donate = self._donated(tree, weak, keywords, extra[0]) if self._donate else ()
            executable = compile_staged(s, types, donate)
            self._within_budget(executable)
            return s, executable

        skipped = extra[0] if self._static else ()
        path = partial(argument_path, self._f, tree, keywords=keywords, skipped=skipped)
        key = (self._options, extra) if self._static else self._options
        return Request(
            self._f, run, self._f, leaves, tree, tree.code, path, key, reads, make, self._counts,
        )  # fmt: skip

    def _staged(
        self,
        run: Callable[..., R],
        tree: TreeDef,
        types: Sequence[Type],
        weak: Sequence[bool],
        keywords: bool,
        reads: Identity | None = None,
    ) -> Staged:
        call = with_keywords(run) if keywords else run
        return stage(
            call, tree, types, what="jit", of=self._f, weak=weak, reads=reads, strict=self._strict
        )

    def _inlined(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> R:
        """A call where another function is staged."""
        scope = STACK.scope
        if not self._strict or scope is None or scope.strict:
            return self._checked.inlined(self._f, args, kwargs)
        scope.strict = True
        try:
            return self._checked.inlined(self._f, args, kwargs)
        finally:
            scope.strict = False

    # variants -------------------------------------------------------------------------------------

    @property
    def cache(self) -> Variants:
        """The programs that this function has: ``len``, iteration, ``print``, ``clear()``."""
        return Variants(self._f, self._seen, self._limit, self._forget)

    def _forget(self) -> None:
        self._last = None

    def _note(
        self, found: Found, tree: TreeDef, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        """Remember a program that this function had not met yet."""
        entry, xs, _ = found
        v = self._variant(tree, args, kwargs, xs)._replace(entry=entry)
        key: object = v.key if entry.key is None else entry  # what is staged at each call is one
        if self._limit is not None and key not in self._seen:
            self.cache.check(v)
        self._seen[key] = v
        if len(self._seen) > _MOST:
            del self._seen[next(iter(self._seen))]

    def _allow(
        self, tree: TreeDef, args: tuple[Any, ...], kwargs: dict[str, Any], xs: Sequence[Value]
    ) -> None:
        """Raise if a program for these arguments is one too many."""
        v = self._variant(tree, args, kwargs, xs)
        if v.key not in self._seen:
            self.cache.check(v)

    def _variant(
        self, tree: TreeDef, args: tuple[Any, ...], kwargs: dict[str, Any], xs: Sequence[Value]
    ) -> Variant:
        static: tuple[tuple[Any, Any], ...] = ()
        if self._static:
            places = [(i, x) for i, x in enumerate(args) if i in self._static.numbers]
            static = (*places, *[(n, x) for n, x in kwargs.items() if n in self._static.names])
        others = len(kwargs) > sum(type(n) is str for n, _ in static)
        return Variant(self._f, tree, kinds_of(xs), others, static, None)

    # donation -------------------------------------------------------------------------------------

    def _donated(
        self, tree: TreeDef, weak: Sequence[bool], keywords: bool, skipped: Sequence[int]
    ) -> tuple[int, ...]:
        """The leaves of the donated arguments."""
        n_args = tree.children[0] if keywords else tree
        kept = [i for i in range(len(n_args.children) + len(skipped)) if i not in skipped]
        out = []
        for i, path in enumerate(tree.paths()):
            group, steps = (path[0].key, path[1:]) if keywords else (0, path)
            at = steps[0].key
            wanted = kept[at] in self._donate.numbers if group == 0 else at in self._donate.names
            if wanted and not weak[i]:
                out.append(i)
        return tuple(out)

    def _skipped(self, request: Request) -> Sequence[int]:
        """The positions of the static arguments of a call."""
        skipped: Sequence[int] = request.extra[1][0] if self._static else ()
        return skipped

    def _check_donated(self, request: Request, xs: Sequence[Value], donate: Sequence[int]) -> None:
        """A donated array is passed once only."""
        for i in donate:
            same = [k for k, x in enumerate(xs) if x is xs[i]]
            if len(same) > 1:
                names = " and ".join(request.path(k) for k in same)
                raise DonationError(
                    f"{names} are one array, which is donated to {describe(self._f)}",
                    fix="pass a copy: x.copy()",
                )

    # the steps ------------------------------------------------------------------------------------

    def _abstract(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Staged, list[Type], Request, tuple[int, ...]]:
        request = self._request(args, kwargs)
        kinds = [kind_of(x) for x in request.leaves]
        types, weak = [t for t, _ in kinds], [w for _, w in kinds]
        tree, keywords = request.tree, bool(kwargs)
        call = self._checked.call(tree, request.leaves, keywords, self._skipped(request))
        s = self._staged(request.run, tree, types, weak, keywords)
        call.check_result(s.out_tree, s.program.out_types)
        donate = self._donated(tree, weak, keywords, self._skipped(request)) if self._donate else ()
        return s, [*types, *[x.type for x in s.captured]], request, donate

    def _within_budget(self, run: Executable) -> None:
        if self.comm_budget is not None:
            CommTable(run.comm).within(self.comm_budget, describe(self._f))

    def stage(self, *args: Any, **kwargs: Any) -> Program:
        """The program for arguments such as these: arrays, or types made by ``vx.spec``."""
        return self._abstract(args, kwargs)[0].program

    def lower(self, *args: Any, **kwargs: Any) -> Lowered:
        """The StableHLO text for arguments such as these; loads no device."""
        s, types, _, donate = self._abstract(args, kwargs)
        ready = prepare(s.program, tuple(types), None)
        if ready.mesh is None:
            return Lowered(module(ready.program, donate).text, ready.program)
        made = spmd_module(ready.program, ready.mesh, ready.in_types, ready.out_types, donate)
        return Lowered(made.text, ready.program)

    def compile(self, *args: Any, **kwargs: Any) -> Compiled:
        """The executable for arguments such as these, with its costs."""
        s, types, request, donate = self._abstract(args, kwargs)
        run = compile_staged(s, types[: len(types) - len(s.captured)], donate)
        self._within_budget(run)
        return Compiled(run, s, request.tree, types[: len(request.leaves)], describe(self._f))

    def cache_info(self) -> CacheInfo:
        """How often calls found the function staged, and why it was staged again if it was."""
        info = self._counts.info()
        return info._replace(unkeyed=info.unkeyed or why_unkeyed(self._f))


class BoundJit:
    """A jitted method of an instance."""

    __slots__ = ("__self__", "jitted")

    def __init__(self, jitted: Jit[Any, Any], instance: Any) -> None:
        self.jitted, self.__self__ = jitted, instance

    def _identity_(self) -> tuple[Any, ...]:
        return self.jitted, self.__self__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.jitted(self.__self__, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.jitted, name)
        if name in ("stage", "lower", "compile"):
            return door(lambda *args, **kwargs: found(self.__self__, *args, **kwargs))
        return found

    def __repr__(self) -> str:
        return repr(self.jitted)


@overload
def jit(
    f: Callable[P, R],
    /,
    *,
    static_argnums: Numbers = ...,
    static_argnames: Names = ...,
    donate_argnums: Numbers = ...,
    donate_argnames: Names = ...,
    max_variants: int | None = ...,
    promotion: Promotion = ...,
    comm_budget: Bytes | None = ...,
) -> Jit[P, R]: ...
@overload
def jit(
    *,
    static_argnums: Numbers = ...,
    static_argnames: Names = ...,
    donate_argnums: Numbers = ...,
    donate_argnames: Names = ...,
    max_variants: int | None = ...,
    promotion: Promotion = ...,
    comm_budget: Bytes | None = ...,
) -> Callable[[Callable[P, R]], Jit[P, R]]: ...
def jit(
    f: Callable[..., Any] | None = None,
    /,
    *,
    static_argnums: Numbers = (),
    static_argnames: Names = (),
    donate_argnums: Numbers = (),
    donate_argnames: Names = (),
    max_variants: int | None = None,
    promotion: Promotion = "standard",
    comm_budget: Bytes | None = None,
) -> Any:
    """f, compiled: staged once per types of its arguments, then run on the device.

    Python scalars among the arguments are values of the program (``vx.jit(f)(x, 0.5)`` and
    ``(x, 0.6)`` are one program); what Python must know, such as a number of layers, is static.

    Annotated arguments are checked by name, once per types of arguments: dims that are called alike
    are of one size, dtypes and ranks are those declared, and so is the result.

    Args:
        f: a function of trees of arrays; it must not have side effects.
        static_argnums, static_argnames: arguments that stay Python objects. Each new value is
            staged anew.
        donate_argnums, donate_argnames: arguments whose memory the results may take. Their later
            use is a DonationError.
        max_variants: how many programs there may be; a call that needs one more, for other types
            or static values, is a VariantError that shows what is different. ``f.cache`` lists
            them, and ``f.cache.clear()`` frees them.
        promotion: ``"strict"`` makes arrays of two dtypes that meet a DTypeError.
        comm_budget: what one run may communicate on a mesh, in bytes or as ``"2MiB"``; a program
            that communicates more is a ShardingError that shows its table.

    Raises:
        ShapeError, DTypeError, ShardingError, StructureError: an argument or the result is not what
            its annotation says.
        PurityError: f wrote to something outside of it, or asked a clock, while it was staged.
        VariantError: there are ``max_variants`` programs already.

    >>> import verax as vx
    >>> @vx.jit
    ... def f(x):
    ...     return x * 2.0
    >>> f(vx.arange(3.0))
    Array([0., 2., 4.], dtype=float32)
    """
    donated = donate_argnums, donate_argnames
    options = (static_argnums, static_argnames, *donated, max_variants, promotion, comm_budget)
    if f is None:
        return door(lambda g: Jit(g, *options))
    return Jit(f, *options)


def cache_info(f: Callable[..., Any]) -> CacheInfo:
    """How often f was staged: as a jitted function, or by un-jitted transformations of it.

    >>> import verax as vx
    >>> f = vx.jit(lambda x: x + 1.0)
    >>> f(1.0), f(2.0)
    (Array(2., dtype=float32), Array(3., dtype=float32))
    >>> f.cache_info()
    CacheInfo(hits=1, staged=1, forced=0, unkeyed=None)
    """
    return f.cache_info() if isinstance(f, Jit) else counts_of(f).info()


def spec(shape: int | Iterable[Size], dtype: DTypeLike = float32) -> ArrayType:
    """The type of an array, to stage a function without one.

    >>> import verax as vx
    >>> vx.spec((8, 16))
    float32[8,16]
    """
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    return ArrayType(sizes, dtype_of(dtype))
