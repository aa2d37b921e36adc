"""Examples that Hypothesis makes have no deadline: a busy machine makes one slow, never wrong."""

from hypothesis import settings

settings.register_profile("untimed", settings(), deadline=None)
settings.load_profile("untimed")
