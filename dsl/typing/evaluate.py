"""What a library function gives for described arguments: found by calling it while staging.

Where the rank or the dtype of an argument is open, the call is made at several, and the results are
put together again: a run of dims that follows the rank stays a ``Rest``, a dtype that follows that
of an argument stays its variable, and what follows neither is open. A size of which nothing is
known may be any: where the call fails it is tried as each size that it could have to equal.

Laws: no rule about any function stands here; a result is never more precise than what the function
gives; an error is reported only if the call fails whatever the open parts are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import count, islice, product
from typing import Any, NamedTuple

from verax.compiler.ir.dtypes import DType, bool_, complex64, float32, int32
from verax.compiler.ir.errors import (
    ConcretizationError,
    DTypeError,
    UnboundAxisError,
    UnknownSizeError,
)
from verax.compiler.ir.sizes import Poly, Size
from verax.compiler.ir.types import ArrayType, KeyType
from verax.dsl.lang.updates import At, Place
from verax.dsl.typing.calling import rebuilt, run
from verax.dsl.typing.described import (
    Described,
    Many,
    Misfit,
    Number,
    Open,
    Record,
    Rest,
    SomeDType,
    Undecided,
    is_unknown,
    names_in,
    substitute,
    unknown_size,
)
from verax.dsl.typing.layouts import Sizes, laid_out
from verax.dsl.typing.merging import KEY, Case, dims_of, together
from verax.dsl.typing.store import Store
from verax.sharding.errors import IndivisibleError, VeraxError

RANKS = (2, 1, 3)
"""How many dims a declared ``*Ds`` is tried as."""
ANY_RANKS = (1, 0, 2, 3)
"""How many dims an array of unknown rank is tried as."""
DTYPES: tuple[DType, ...] = (float32, int32, complex64, bool_)
"""What a dtype that is not known is tried as."""
MOST = 64
"""How many guesses are made at sizes that are not known."""
FEW = 3
"""How many guesses that fit are put together, from either end: what they agree in is known."""


def call(
    f: Callable[..., Any],
    args: Described,
    kwargs: Mapping[str, Any],
    sizes: Sizes | None = None,
) -> Described:
    """What f gives for these arguments.

    Raises:
        VeraxError: f refuses them, whatever is not known of them.
        Undecided: it cannot be told.
    """
    found = _Parts()
    found.visit((args, tuple(kwargs.values())))
    results: list[tuple[Case, Any]] = []
    failures: list[Exception] = []
    for case in found.cases():
        filled = _fill((args, dict(kwargs)), case, count(9))
        try:
            results.append((case, laid_out(f, filled, _attempt(f, filled), sizes)))
        except IndivisibleError:  # by an axis whose size no type names
            failures.append(Undecided("a dimension need not divide into two parts"))
            continue
        except (VeraxError, Undecided) as error:
            failures.append(error)
            continue
        if not found.open:
            break
    if results:
        for failure in failures:
            if type(failure) is Undecided:  # in one of the ways there is no telling
                raise failure
        return results[0][1] if not found.open else together(results)
    first = failures[0]
    if isinstance(first, VeraxError) and found.certain(failures):
        raise first
    if isinstance(first, VeraxError):
        raise Undecided(first.message)
    if isinstance(first, Misfit) and not all(isinstance(e, Misfit) for e in failures):
        raise Undecided(*first.args)
    raise first


def _attempt(f: Callable[..., Any], filled: tuple[Any, dict[str, Any]]) -> Any:
    """The result; where sizes are not known, with each size that they may have to equal."""
    try:
        return run(f, *filled)
    except UnknownSizeError:
        raise
    except VeraxError:
        sizes = list(dict.fromkeys(_sizes((filled[0], tuple(filled[1].values())))))
        unknown = [n for n in sizes if is_unknown(n)]
        if not unknown:
            raise
        known = [n for n in sizes if not is_unknown(n) and n != 1]
        guesses = list(islice(product(*[[*known, 1, n] for n in unknown]), MOST))
        names = [next(iter(names_in(n))) for n in unknown]
        rows = [dict(zip(names, guess)) for guess in guesses]
        found = list(islice(_successes(f, filled, rows), FEW))
        if not found:
            raise
        if len(found) == 1:
            return _without(found[0].result, set(found[0].values.values()))
        same: dict[str, Size] = dict.fromkeys(names, unknown[0])
        found += islice(_successes(f, filled, [same, *rows[::-1]]), FEW)
        return together([(_NO_CASE, x.result) for x in found])


class _Success(NamedTuple):
    """A result, and the values of unknown sizes that it is the result for."""

    values: dict[str, Size]
    result: Any


def _successes(
    f: Callable[..., Any], filled: tuple[Any, dict[str, Any]], rows: Sequence[dict[str, Size]]
) -> Iterator[_Success]:
    """The results for those values of sizes for which there is one."""
    for values in rows:
        with suppress(VeraxError):
            yield _Success(values, run(f, *_put(filled, values)))


def _without(result: Any, guesses: set[Size]) -> Any:
    """A result in which no size is one that has been guessed: by chance it was this one."""
    names = {name for g in guesses for name in names_in(g)}

    def size(i: int, n: Size) -> Size:
        guessed = n in guesses or 1 in guesses if isinstance(n, int) else names & names_in(n)
        return unknown_size(i) if guessed else n

    c = type(result)
    if c is ArrayType or c is KeyType:
        shape = tuple([size(i, n) for i, n in enumerate(result.shape)])
        return KeyType(KEY, shape) if c is KeyType else ArrayType(shape, result.dtype)
    if isinstance(result, (int, Poly)) and not isinstance(result, bool):
        return size(0, result)
    return rebuilt(result, lambda y: _without(y, guesses))


_NO_CASE = Case({}, {}, True)


# open parts --------------------------------------------------------------------------------------


_OPEN = Undecided, UnknownSizeError, UnboundAxisError, ConcretizationError
"""What is said of a call that is right elsewhere: for other sizes, in a vmap, with real values."""


class _Parts:
    """The open parts of a call.

    Attributes:
        ranks, dtypes: the names of what is open.
        numbers: whether there is an int of unknown value.
        unknown: whether there is a size of which nothing is known.
    """

    def __init__(self) -> None:
        self.ranks: dict[str, None] = {}
        self.dtypes: dict[str, None] = {}
        self.numbers = False
        self.unknown = False

    def visit(self, x: Any) -> None:
        c = type(x)
        if c is Open:
            if isinstance(x.dtype, SomeDType):
                self.dtypes.setdefault(x.dtype.name)
            for n in x.dims:
                if isinstance(n, Rest):
                    self.ranks.setdefault(n.name)
                else:
                    self.unknown |= is_unknown(n)
        elif c is ArrayType or c is KeyType:
            self.unknown |= any(map(is_unknown, x.shape))
        elif c is Number:
            self.numbers |= x.cls is int
        else:
            rebuilt(x, self.visit)

    @property
    def open(self) -> bool:
        """Whether results have to be put together."""
        return bool(self.ranks or self.dtypes)

    def cases(self) -> Iterator[Case]:
        """The ways to fill in: every rank with one dtype, then every dtype with one rank."""
        named = [r for r in self.ranks if r]
        ranks = [
            {**dict.fromkeys(named, k), "": anonymous}
            for k in (RANKS if named else (0,))
            for anonymous in (ANY_RANKS if "" in self.ranks else (0,))
        ]
        for as_size in (True, False) if self.numbers else (True,):
            for r in ranks:
                yield Case(r, dict.fromkeys(self.dtypes, DTYPES[0]), as_size)
            for dtype in DTYPES[1:] if self.dtypes else ():
                yield Case(ranks[0], dict.fromkeys(self.dtypes, dtype), as_size)

    def certain(self, failures: Sequence[Exception]) -> bool:
        """Whether these failures of all cases mean that the call is wrong."""
        if any(isinstance(e, _OPEN) for e in failures):
            return False
        if "" in self.ranks or self.unknown or self.numbers or "" in self.dtypes:
            return all(isinstance(e, DTypeError) for e in failures) and "" not in self.dtypes
        return True


def _fill(x: Any, case: Case, numbers: Iterator[int]) -> Any:
    """x with its open parts filled in; every int is a size of its own."""
    c = type(x)
    if c is Open:
        shape: list[Size] = []
        for n in x.dims:
            if isinstance(n, Rest):
                shape += dims_of(n.name, case.ranks[n.name])
            else:
                shape.append(n)
        if x.dtype is None:
            return KeyType(KEY, tuple(shape))
        own = case.dtypes[x.dtype.name] if isinstance(x.dtype, SomeDType) else x.dtype
        return ArrayType(tuple(shape), own)
    if c is Number and x.cls is int and case.as_size:
        return unknown_size(next(numbers))
    return rebuilt(x, lambda y: _fill(y, case, numbers))


def _sizes(x: Any) -> list[Size]:
    """All sizes in filled arguments."""
    found: list[Size] = []

    def visit(y: Any) -> Any:
        if type(y) is ArrayType or type(y) is KeyType:
            found.extend(y.shape)
        elif isinstance(y, Poly):
            found.append(y)
        return rebuilt(y, visit)

    visit(x)
    return found


def _put(x: Any, values: Mapping[str, Size]) -> Any:
    """x with sizes for some dims."""
    c = type(x)
    if c is ArrayType:
        return ArrayType(tuple([substitute(n, values) for n in x.shape]), x.dtype, x.spec)
    if c is KeyType:
        return KeyType(x.impl, tuple([substitute(n, values) for n in x.shape]))
    if isinstance(x, Poly):
        return substitute(x, values)
    return rebuilt(x, lambda y: _put(y, values))


# memory ------------------------------------------------------------------------------------------


def remembered(
    store: Store,
    name: str,
    f: Callable[..., Any],
    args: Any,
    kwargs: Mapping[str, Any],
    sizes: Sizes | None = None,
) -> Any:
    """``call``, worked out once per description of the arguments.

    Args:
        name: the full name of f; empty for a function that some other call gave.
    """
    try:
        key = name, _key((args, dict(kwargs)))
        found = store.get(key) if name else None
    except TypeError:
        return call(f, args, kwargs, sizes)
    if found is None:
        try:
            found = (call(f, args, kwargs, sizes),)
        except (VeraxError, Undecided) as error:
            found = (error.with_traceback(None),)
        if name:
            store.put(key, found)
    if isinstance(found[0], (VeraxError, Undecided)):
        raise found[0]
    return found[0]


def _key(x: Any) -> Any:
    """What identifies a description; tells 1 from 1.0 and True."""
    c = type(x)
    if c in (tuple, list):
        return c, tuple([_key(y) for y in x])
    if c is dict:
        return c, tuple([(k, _key(y)) for k, y in x.items()])
    if c is slice:
        return c, _key((x.start, x.stop, x.step))
    if c is At or c is Place:
        return c, _key((x.x, getattr(x, "index", None)))
    if c is Record or c is Many or c.__name__ == "UserFunction":
        raise TypeError(f"a {c.__name__} is met once")
    return c, x
