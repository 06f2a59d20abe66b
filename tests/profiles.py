"""How thorough a run is, and how XLA compiles where it need not compile as for users."""

from __future__ import annotations

import os

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "quick")
DEEP = PROFILE == "deep"
PLAIN: dict[str, bool | int] = {
    "xla_cpu_use_fusion_emitters": False,
    "xla_backend_optimization_level": 0,
}
"""Code without XLA's optimisations, in a third of the time."""


def plain_process() -> dict[str, str]:
    """The environment of a process that compiles so."""
    flags = " ".join(f"--{name}={str(value).lower()}" for name, value in PLAIN.items())
    return {**os.environ, "XLA_FLAGS": flags}
