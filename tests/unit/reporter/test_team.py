"""What leads see of a team: totals only where enough people stand behind them."""

import pytest

from services.reporter.console.contexts.team import Total, total
from services.reporter.console.members import Defaults, Preferences, defaults, preferences
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
    assert defaults({"veil": "of another release", "language": "xx", "theme": "pink"}) == Defaults()


def test_language_theme_and_breaks_are_the_team_s_until_somebody_chooses() -> None:
    team = Defaults(Veil.OFF, "nl", "dark", breaks=False).row()
    assert defaults(team).row() == team
    new = preferences(Preferences().row(), team)
    assert (new.language, new.theme, new.breaks, new.chosen) == ("nl", "dark", False, frozenset())
    own = {"language": None, "theme": "system", "breaks": True, "chosen": ["breaks", "language", "theme"]}
    mine = preferences(own, team)
    assert (mine.language, mine.theme, mine.breaks) == (None, "system", True)
    assert preferences(mine.row(), team) == mine


def test_what_somebody_chose_before_teams_had_settings_stays() -> None:
    before = preferences({"language": "en", "theme": "system", "breaks": False, "veil": None}, {"theme": "dark"})
    assert (before.language, before.theme, before.breaks) == ("en", "dark", False)
    assert before.chosen == {"language", "breaks"}
