"""Optimisers as pairs of pure functions that chain: ``init`` and ``update``.

An update is a tree like the parameters, to be added to them; ``chain`` feeds each transformation
with the updates of the one before.
"""

from verax.dsl.optim.optimizers import adam, adamw, sgd
from verax.dsl.optim.schedule import Schedule, constant, cosine, linear
from verax.dsl.optim.state import State
from verax.dsl.optim.transform import (
    Transform,
    add_decayed_weights,
    apply_updates,
    chain,
    clip_by_global_norm,
    global_norm,
    scale_by_adam,
    scale_by_schedule,
    trace,
)

__all__ = [
    "Schedule",
    "State",
    "Transform",
    "adam",
    "adamw",
    "add_decayed_weights",
    "apply_updates",
    "chain",
    "clip_by_global_norm",
    "constant",
    "cosine",
    "global_norm",
    "linear",
    "scale_by_adam",
    "scale_by_schedule",
    "sgd",
    "trace",
]
