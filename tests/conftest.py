"""What holds for all tests."""

from hypothesis import HealthCheck, settings

# How long a case takes is nobody's fault on a machine that does other work too.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
