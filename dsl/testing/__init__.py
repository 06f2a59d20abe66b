"""``vx.testing``: derivatives and derivative rules compared with finite differences."""

from verax.dsl.lang.differences import check_rule
from verax.dsl.testing.gradients import check_grads

__all__ = ["check_grads", "check_rule"]
