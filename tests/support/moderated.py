"""The scripted Mastodon server as its moderators see it: accounts, reports, and what they may do with them.

Invariant: it behaves as Mastodon.py expects and as Mastodon does: an act on an account closes every open report about
it. Source: mastodon/documentation methods/admin/{accounts,reports}.md, app/models/admin/account_action.rb.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from tests.support.mastodon import MastodonServer, admin_account, report

RESTRICTED = {"sensitive": "sensitized", "silence": "silenced", "disable": "disabled", "suspend": "suspended"}
LIFTED = {"unsensitive": "sensitized", "unsilence": "silenced", "enable": "disabled", "unsuspend": "suspended"}


@dataclass
class ModeratedServer(MastodonServer):
    """Also has `people` as administrators see them, and `reports`. `done` is what moderators did, in order."""

    people: dict[str, dict[str, Any]] = field(default_factory=lambda: {"9": admin_account()})
    reports: list[dict[str, Any]] = field(default_factory=list)
    done: list[str] = field(default_factory=list)

    def open(self) -> set[str]:
        """Return the ids of the reports that nobody closed."""
        return {each["id"] for each in self.reports if not each["action_taken"]}

    def _look(self, path: str, query: dict[str, str]) -> tuple[int, Any, dict[str, str]]:
        if path == "/api/v1/admin/reports":
            resolved = query.get("resolved") in ("1", "true")
            about = query.get("target_account_id")
            found = [
                each
                for each in self.reports
                if each["action_taken"] == resolved and about in (None, each["target_account"]["id"])
            ]
            return self._page(path, query, found)
        if found_ := re.fullmatch(r"/api/v1/admin/accounts/([^/]+)", path):
            person = self.people.get(found_[1])
            return (200, person, {}) if person else self._missing()
        return super()._look(path, query)

    def _change(self, path: str, form: dict[str, list[str]]) -> tuple[int, Any, dict[str, str]]:
        if path == "/api/v1/reports":
            return self._report(form)
        if found := re.fullmatch(r"/api/v1/admin/reports/([^/]+)/(resolve|reopen)", path):
            (wanted,) = [each for each in self.reports if each["id"] == found[1]]
            wanted["action_taken"] = found[2] == "resolve"
            self.done.append(f"{found[2]} {found[1]}")
            return 200, wanted, {}
        if found := re.fullmatch(r"/api/v1/admin/accounts/([^/]+)/(\w+)", path):
            person = self.people.get(found[1])
            if person is None:
                return self._missing()
            kind = form["type"][0] if found[2] == "action" else found[2]
            self.done.append(f"{kind} {found[1]}")
            if found[2] != "action":
                person[LIFTED[kind]] = False
                return 200, person, {}
            person[RESTRICTED[kind]] = True
            for each in self.reports:
                each["action_taken"] |= each["target_account"]["id"] == found[1]
            return 200, {}, {}
        return super()._change(path, form)

    def _report(self, form: dict[str, list[str]]) -> tuple[int, Any, dict[str, str]]:
        named = form.get("status_ids[]") or form.get("status_ids") or []
        statuses = [each for each in self.statuses if each["id"] in named]
        number = str(max([int(each["id"]) for each in self.reports], default=0) + 1)
        made = report(number, statuses, comment=form.get("comment", [""])[0], account=admin_account("ombud", "77"))
        self.reports.append(made)
        self.done.append(f"report {number}")
        return 200, made | {"action_taken": False}, {}
