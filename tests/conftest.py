"""Examples that Hypothesis makes have no deadline: a busy machine makes one slow, never wrong."""

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("tests.support.doors")  # before anything imports it

settings.register_profile("untimed", settings(), deadline=None)
settings.load_profile("untimed")
