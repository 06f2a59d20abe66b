"""How the library calls the functions that it is given, by the full names that mypy knows.

What a transformation gives is a function that calls its function once; control flow calls its
functions at once, and a loop many times. All of them stage, but for what ``vx.tree`` offers.

Law: every name in the table is a function of the library (a test looks).
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

How: TypeAlias = Literal["same", "changed", "now", "loop", "branch"]


class Taker(NamedTuple):
    """A function of the library that takes functions.

    Attributes:
        how: ``same`` gives a function with the results of its argument, ``changed`` one with other
            results; ``now``, ``loop`` and ``branch`` call theirs at once: once, many times, or one
            of them.
        functions: the parameters that are functions, by position, with their names.
        stages: whether the functions are staged.
    """

    how: How
    functions: dict[int, str]
    stages: bool = True


_LANG: dict[str, Taker] = {
    "jit.jit": Taker("same", {0: "f"}),
    "remat.checkpoint": Taker("same", {0: "f"}),
    "custom.custom_jvp": Taker("same", {0: "f"}),
    "custom.custom_vjp": Taker("same", {0: "f"}),
    "custom.custom_derivative": Taker("changed", {0: "f"}),
    "vmap.vmap": Taker("changed", {0: "f"}),
    "grad.grad": Taker("changed", {0: "f"}),
    "grad.value_and_grad": Taker("changed", {0: "f"}),
    "jacobian.jacfwd": Taker("changed", {0: "f"}),
    "jacobian.jacrev": Taker("changed", {0: "f"}),
    "jacobian.hessian": Taker("changed", {0: "f"}),
    "vjp.jvp": Taker("now", {0: "f"}),
    "vjp.vjp": Taker("now", {0: "f"}),
    "vjp.linearize": Taker("now", {0: "f"}),
    "jet.jet": Taker("now", {0: "fun"}),
    "transposed.linear_transpose": Taker("now", {0: "fun"}),
    "backward.linear_call": Taker("now", {0: "fun", 1: "fun_transpose"}),
    "control.cond": Taker("branch", {1: "true_fun", 2: "false_fun"}),
    "control.switch": Taker("branch", {1: "branches"}),
    "loops.scan": Taker("loop", {0: "f"}),
    "loops.map": Taker("loop", {0: "f"}),
    "loops.fori_loop": Taker("loop", {2: "body_fun"}),
    "loops.while_loop": Taker("loop", {0: "cond_fun", 1: "body_fun"}),
    "scans.associative_scan": Taker("loop", {0: "fn"}),
    "implicit.custom_linear_solve": Taker("now", {0: "matvec", 2: "solve", 3: "transpose_solve"}),
    "implicit.custom_root": Taker("now", {0: "f", 2: "solve", 3: "tangent_solve"}),
    "tree.map": Taker("loop", {0: "f"}, stages=False),
    "tree.map_with_path": Taker("loop", {0: "f"}, stages=False),
    "tree.reduce": Taker("loop", {0: "f"}, stages=False),
}
TAKERS: dict[str, Taker] = {f"verax.dsl.lang.{name}": taker for name, taker in _LANG.items()}
RULES: dict[str, dict[int, str]] = {"defjvp": {0: "rule"}, "defvjp": {0: "fwd", 1: "bwd"}}
"""The methods that take the rules of a derivative: these functions are staged."""
RANDOM = "verax.prng."
"""What the full names of the functions of ``vx.random`` start with."""
