"""Hypothesis without deadlines: machines that test are slow at times, and no test here is about speed."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings

settings.register_profile("unit", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "mutants",  # the same examples for every mutant; that one fails is enough, the simplest one matters to nobody
    settings.get_profile("unit"),
    max_examples=20,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile("unit")
