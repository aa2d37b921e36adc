"""What leads see of a team: totals only where enough people stand behind them."""

import pytest

from services.reporter.console.contexts.team import Total, total
from services.reporter.console.members import preferences, team_veil
from services.reporter.console.veil import Veil


@pytest.mark.check("CON-27")
def test_a_total_needs_five_people() -> None:
    assert total(4, 100) is None
    assert total(5, 100) == Total(5, 100)


def test_who_did_not_choose_a_veil_has_the_team_s() -> None:
    assert preferences({}, {"veil": "whole"}).veil is Veil.WHOLE
    chosen = preferences({"veil": "off"}, {"veil": "whole"})
    assert chosen.veil is Veil.OFF and chosen.row()["veil"] == "off"
    assert preferences({"veil": "whole"} | {"veil": None}, {}).row()["veil"] is None
    assert team_veil({"veil": "of another release"}) is Veil.SPANS
