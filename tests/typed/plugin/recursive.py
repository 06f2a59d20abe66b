"""Types that hold themselves, under the plugin: they are walked once; see recursive.txt."""

from collections.abc import Mapping
from typing import TypeAlias, reveal_type

import verax as vx
from verax import F32


class Batch(vx.Dim): ...


Tree: TypeAlias = F32[Batch] | int | list["Tree"] | tuple["Tree", ...] | Mapping[str, "Tree"]


@vx.struct
class Chain:
    x: F32[Batch]
    next: "Chain | None"


def summed(tree: Tree) -> F32[()]:
    return vx.mean(vx.asarray(len(vx.tree.leaves(tree)), vx.float32))


def uses(tree: Tree, chain: Chain) -> None:
    reveal_type(summed(tree))
    reveal_type(summed([tree, (tree, tree)]))
    reveal_type(vx.tree.map(lambda x: x, tree))
    reveal_type(vx.tree.map(lambda x: x * 2, chain))
    reveal_type(vx.jit(summed)(tree))
