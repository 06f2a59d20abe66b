"""How to write without the value: the fix of a ConcretizationError, in the user's own words.

The user's line is read for the Python construct that asked (``if``, ``while``, a conditional
expression, ``and``, ``range``...), and the same condition is shown in the staged form.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from re import Match

from verax.sharding.errors import user_line

Rewrite = Callable[[Match[str]], str]

_FORMS: tuple[tuple[str, Rewrite], ...] = (
    (
        r"^while (?P<test>.+):",
        lambda m: f"vx.while_loop(lambda s: {m['test']}, body, start), where s is what changes",
    ),
    (
        r"^(?:if|elif) (?P<test>.+):",
        lambda m: (
            f"vx.cond({m['test']}, yes, no, x), with a function for each branch,"
            f" or vx.where({m['test']}, a, b) for arrays"
        ),
    ),
    (
        r"^assert (?P<test>[^,]+)",
        lambda m: f"return {m['test']} too, and assert what the call gives",
    ),
    (
        r"(?:=|return|lambda[^:]*:|\()\s*(?P<a>[^=()]+?) if (?P<test>.+?) else (?P<b>[^),]+)",
        lambda m: f"vx.where({m['test']}, {m['a']}, {m['b']})",
    ),
    (
        r"for (?P<i>\w+) in range\((?P<n>.+)\)",
        lambda m: f"vx.fori_loop(0, {m['n']}, lambda {m['i']}, s: ..., start)",
    ),
    (r"(?P<a>\S+) and (?P<b>[^\s:]+)", lambda m: f"({m['a']}) & ({m['b']})"),
    (r"(?P<a>\S+) or (?P<b>[^\s:]+)", lambda m: f"({m['a']}) | ({m['b']})"),
    (r"\bnot (?P<a>[^\s:]+)", lambda m: f"~({m['a']})"),
)


def rewritten(asked: str, function: str) -> str:
    """The staged form of what the user's line does with a value.

    Args:
        asked: what Python asked for: ``bool()``, ``an index``, ``numpy()``...
        function: the name of the function that is being staged.
    """
    line = (user_line() or "").split(": ", 1)[-1]
    if asked == "bool()" or " in range(" in line:
        for pattern, form in _FORMS:
            found = re.search(pattern, line)
            if found:
                return form(found)
        return "vx.where(c, a, b) for arrays, vx.cond(c, yes, no, x) for functions"
    if asked in ("an index", "int()"):
        return (
            f"jit({function}, static_argnames=...) where the number is an argument;"
            " vx.dynamic_slice, vx.take or x[i] where it is computed"
        )
    return f"return it from {function} and look at it outside"
