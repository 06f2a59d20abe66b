"""The check of one function's calls against its annotations, as ``jit`` makes it.

The contract is made at the first call that stages: only then is everything defined that annotations
name. Hits of the cache do not come here.

Law: a function without annotations of arrays costs one look.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from verax.compiler.ir.types import Type
from verax.dsl.lang.binding import Bindings
from verax.dsl.lang.compare import Leaf, Row, leaf_of
from verax.dsl.lang.contract import Contract, contract_of
from verax.dsl.lang.treedef import TreeDef, build, flatten

R = TypeVar("R")
_NOT_YET = object()


class Checked:
    """What the annotations of a function say, once they are needed."""

    __slots__ = ("_contract", "_f")

    def __init__(self, f: object) -> None:
        self._f, self._contract = f, _NOT_YET

    @property
    def contract(self) -> Contract | None:
        """The contract; None where the annotations ask nothing."""
        if self._contract is _NOT_YET:
            self._contract = contract_of(self._f)
        assert self._contract is None or isinstance(self._contract, Contract)
        return self._contract

    def call(
        self, tree: TreeDef, leaves: Sequence[Any], keywords: bool, static: Sequence[int] = ()
    ) -> Call:
        """Check the arguments of a call.

        Args:
            tree: their structure, of (args, kwargs) where there are ``keywords``.
            static: the positions of arguments that the tree lacks.
        """
        contract = self.contract
        if contract is None:
            return _UNCHECKED
        whole = build(tree, [leaf_of(x) for x in leaves])
        args, kwargs = whole if keywords else (whole, {})
        return Call(contract, *contract.check_arguments(args, kwargs, static))

    def inlined(self, f: Callable[..., R], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> R:
        """f of these arguments, checked on both sides, while another function is staged."""
        if self.contract is None:
            return f(*args, **kwargs)
        leaves, tree = flatten((args, kwargs))
        call = self.call(tree, leaves, True)
        y = f(*args, **kwargs)
        call.check_values(y)
        return y


class Call(NamedTuple):
    """A call whose arguments were checked: what its names stand for."""

    contract: Contract | None
    bindings: Bindings
    rows: Sequence[Row]

    def check_result(self, tree: TreeDef, types: Sequence[Type]) -> None:
        """Compare the types of the results with what is declared."""
        if self.contract is not None:
            leaves = [Leaf(t) for t in types]
            self.contract.check_result(self.bindings, self.rows, build(tree, leaves))

    def check_values(self, y: Any) -> None:
        """The same for values that are at hand."""
        if self.contract is not None:
            leaves, tree = flatten(y)
            result = build(tree, [leaf_of(x) for x in leaves])
            self.contract.check_result(self.bindings, self.rows, result)


_UNCHECKED = Call(None, Bindings(), ())
