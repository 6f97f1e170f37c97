"""Hypothesis profiles: `BUSBAR_HYPOTHESIS_PROFILE=thorough` looks ten times as hard."""

import os

from hypothesis import HealthCheck, settings

_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile("default", deadline=None, max_examples=60, suppress_health_check=_QUIET)
settings.register_profile("thorough", deadline=None, max_examples=1500, suppress_health_check=_QUIET)
settings.load_profile(os.environ.get("BUSBAR_HYPOTHESIS_PROFILE", "default"))
