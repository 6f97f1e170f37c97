"""Hypothesis profiles, chosen by BUSBAR_HYPOTHESIS_PROFILE.

`thorough` looks much harder; `unshrunk` shows the first failing case as it was drawn, at once.
"""

import os

from hypothesis import HealthCheck, Phase, settings

_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile("default", deadline=None, max_examples=60, suppress_health_check=_QUIET)
settings.register_profile("thorough", deadline=None, max_examples=1500, suppress_health_check=_QUIET)
settings.register_profile(
    "unshrunk",
    settings.get_profile("default"),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
settings.register_profile(
    "mutants",
    settings.get_profile("unshrunk"),
    max_examples=15,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
)
settings.load_profile(os.environ.get("BUSBAR_HYPOTHESIS_PROFILE", "default"))
