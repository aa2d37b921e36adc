"""Failed steps of the journey say what they compared."""

import pytest

pytest.register_assert_rewrite("tests.support.journey")
