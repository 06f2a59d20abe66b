"""einsum: sums of products in index notation, with letters or with names.

``"ij,jk->ik"`` is NumPy's notation. As soon as a term holds names parted by spaces, every term is a
list of names, which may be longer: ``"b t d, d h e -> b h t e"``, ``"batch time, time -> batch"``.
``...`` stands for dimensions that broadcast. A name twice on one operand is a diagonal.

Law: names mean what letters mean; without ``->`` the result has the names that occur once, sorted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from verax.compiler.ir.aligned import aligned, row
from verax.compiler.ir.errors import ShapeError
from verax.compiler.ir.sizes import Size
from verax.dsl.lang.contraction import Label, Labels, contract, factors_of
from verax.dsl.lang.diagonals import diagonal
from verax.dsl.lang.dtypes import DTypeLike
from verax.dsl.lang.signatures import AnyArray, ArrayLike
from verax.dsl.lang.value import shape_of

_DOTS = "..."


def einsum(spec: str, /, *xs: ArrayLike, out_dtype: DTypeLike = None) -> AnyArray:
    """The sum of products that ``spec`` describes.

    Args:
        spec: the dimensions of each operand, parted by commas, and of the result after ``->``.
        out_dtype: the dtype of the result and of the accumulation, by default that of the operands;
            narrow floats are accumulated in float32 even so.

    >>> import numpy as np
    >>> einsum("i j, j -> i", np.array([[1, 2], [3, 4]]), np.array([1, 1])).tolist()
    [3, 7]

    Raises:
        ShapeError: the spec does not fit the operands, with the name and the sizes that differ.
    """
    if not xs:
        raise ShapeError(f"einsum: {spec!r} is given no operands", fix=f"vx.einsum({spec!r}, x, y)")
    factors = factors_of("einsum", *xs)
    ins, out = parse(spec, factors)
    _check_sizes(spec, ins, factors)
    terms = [_without_repeats(labels, x) for labels, x in zip(ins, factors)]
    return contract([labels for labels, _ in terms], out, [x for _, x in terms], out_dtype)


def parse(spec: str, xs: Sequence[AnyArray]) -> tuple[list[Labels], Labels]:
    """The labels of the operands and of the result."""
    left, arrow, right = spec.partition("->")
    texts = left.split(",")
    if len(texts) != len(xs):
        raise ShapeError(
            f"einsum: {spec!r} has {len(texts)} term{'s' * (len(texts) != 1)} for {len(xs)}"
            f" operand{'s' * (len(xs) != 1)}",
            fix="write one term per operand before ->, parted by commas",
        )
    named = any(" " in t.strip() for t in (*texts, right))
    ins = [_expand(spec, _names(spec, t, named), x, k) for k, (t, x) in enumerate(zip(texts, xs))]
    dots = max([tuple(f for f in d if isinstance(f, int)) for d in ins], key=len)
    if arrow:
        return ins, _result(spec, _names(spec, right, named), dots, ins)
    counts = Counter(f for d in ins for f in d if not isinstance(f, int))
    return ins, (*dots, *sorted([str(f) for f, n in counts.items() if n == 1]))


def _names(spec: str, term: str, named: bool) -> list[str]:
    """The names in one term; the dots count as one."""
    names = []
    parts = term.strip().split(_DOTS)
    if len(parts) > 2:
        raise ShapeError(
            f"einsum: {spec!r} has ... twice in the term {term.strip()!r}",
            fix="keep one ... per term: it stands for all dimensions that have no name",
        )
    for k, part in enumerate(parts):
        names += [_DOTS] if k else []
        names += part.split() if named else part.replace(" ", "")
    for name in names:
        if name != _DOTS and not name.isidentifier():
            raise ShapeError(
                f"einsum: {name!r} in {spec!r} is no name of a dimension",
                fix='write letters, "ij,jk->ik", or names parted by spaces, "b t, t d -> b d"',
            )
    return names


def _expand(spec: str, names: list[str], x: AnyArray, k: int) -> Labels:
    """The labels of an operand; dimensions under the dots are numbered from the right: -1, -2."""
    told = len([n for n in names if n != _DOTS])
    covered = x.ndim - told
    if covered < 0 or (covered > 0 and _DOTS not in names):
        raise ShapeError(
            f"einsum: {spec!r} names {told} dimension{'s' * (told != 1)} of operand {k},"
            f" which has {x.ndim}: {x.type}",
            fix=_names_fix(x.ndim, told),
        )
    out: list[Label] = []
    for name in names:
        out += range(-covered, 0) if name == _DOTS else [name]
    return tuple(out)


def _names_fix(ndim: int, told: int) -> str:
    if ndim > told:
        return f"name all {ndim} dimensions, or write ... for those in front"
    return f"name {ndim} dimension{'s' * (ndim != 1)} there, or give an array with {told}"


def _result(spec: str, names: list[str], dots: Labels, ins: Sequence[Labels]) -> Labels:
    known = {f for d in ins for f in d}
    for name, n in Counter(names).items():
        if name != _DOTS and name not in known:
            raise ShapeError(
                f"einsum: {name!r} of the result is on no operand in {spec!r}",
                fix="leave it out of the result; a new dimension is x[..., None]",
            )
        if n > 1:
            raise ShapeError(
                f"einsum: {name!r} stands twice in the result of {spec!r}",
                fix="give the result each name once; vx.diag makes a matrix of a diagonal",
            )
    if dots and _DOTS not in names:
        raise ShapeError(
            f"einsum: the operands have ... but the result of {spec!r} does not",
            fix="write it in the result too, or name the dimensions to sum over",
        )
    out: list[Label] = []
    for name in names:
        out += dots if name == _DOTS else [name]
    return tuple(out)


def _check_sizes(spec: str, ins: Sequence[Labels], xs: Sequence[AnyArray]) -> None:
    """Raise unless every name has one size, or 1."""
    first: dict[Label, tuple[Size, int]] = {}
    for k, (labels, x) in enumerate(zip(ins, xs)):
        for f, n in zip(labels, shape_of(x)):
            if n == 1:
                continue
            m, at = first.setdefault(f, (n, k))
            if m != n:
                what = f"{f!r}" if isinstance(f, str) else "a dimension under ..."
                rows = [
                    row(f"operand {i}", y.type, d, [g if isinstance(g, str) else "" for g in d])
                    for i, (d, y) in enumerate(zip(ins, xs))
                ]
                where = f"{m} in operand {at} and {n} in operand {k}"
                if at == k:
                    where = f"{m} and {n} in operand {k}"
                raise ShapeError(
                    f"einsum {spec!r}: {what} is {where}\n" + aligned(rows, [f]),
                    fix="one name is one size: name the dimensions in the order in which each"
                    " operand has them, or give those that differ names of their own",
                )


def _without_repeats(labels: Labels, x: AnyArray) -> tuple[Labels, AnyArray]:
    """An operand whose every label stands on one dimension: repeated ones are diagonals."""
    while len(set(labels)) < len(labels):
        f = next(f for f, n in Counter(labels).items() if n > 1)
        i, j = [d for d, g in enumerate(labels) if g == f][:2]
        if shape_of(x)[i] != shape_of(x)[j]:
            raise ShapeError(
                f"einsum: {f!r} stands on dimensions {i} and {j} of {x.type}, which differ",
                fix="a name twice on one operand is its diagonal; else give each a name of its own",
            )
        x = diagonal(x, 0, i, j)
        labels = (*[g for d, g in enumerate(labels) if d not in (i, j)], f)
    return labels, x
