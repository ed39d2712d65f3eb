"""The number of examples of each property; ``--hypothesis-profile=survive`` before a release."""

from hypothesis import HealthCheck, settings

settings.register_profile("survive", max_examples=10_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
