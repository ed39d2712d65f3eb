"""Shrinks a plan that breaks an invariant to fewer moments with the same violation."""

from collections.abc import Callable
from dataclasses import replace

from .plan import Plan

Breaks = Callable[[Plan], bool]
"""Returns whether a plan still breaks the invariant."""


def shrink(plan: Plan, breaks: Breaks, tries: int = 300) -> Plan:
    """Return a plan with as few moments as can be found in so many tries.

    Halves, then smaller parts, are left out as long as the rest breaks the invariant
    (delta debugging).
    """
    size = len(plan.moments) // 2
    while size:
        start = 0
        while start < len(plan.moments) and tries:
            rest = plan.moments[:start] + plan.moments[start + size :]
            smaller = replace(plan, moments=rest)
            tries -= 1
            if breaks(smaller):
                plan = smaller
            else:
                start += size
        size //= 2
    return plan
