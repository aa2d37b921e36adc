"""Acts on a Mastodon server: reports there are found by the status they name, resolved, reopened and made.

The only file of the reporter that knows Mastodon.py. Invariant: it looks before it acts, so doing a thing twice changes
nothing; the token goes to one address and into no log and no reason.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from mastodon import Mastodon
from mastodon.errors import MastodonAPIError, MastodonError, MastodonRatelimitError

from services.reporter.acts import Decided, Found, Later, Refused, Subject
from services.reporter.outlets import ON_ACCOUNTS, Act, MastodonOutlet
from shared.clock import utcnow

PAGE = 100
MOST_REPORTS = 1_000
LONGEST_PAUSE_S = 1_800.0
PATIENCE_S = 60.0
PASSING = (401, 403, 408, 429, 500, 502, 503, 504)
"""Answers that may be others later; a token can be given what it lacks."""
LONGEST_COMMENT = 1_000
IS_SO = {Act.SENSITIVE: "sensitized", Act.SILENCE: "silenced", Act.DISABLE: "disabled", Act.SUSPEND: "suspended"}
LIFTED = {Act.SENSITIVE: "unsensitive", Act.SILENCE: "unsilence", Act.DISABLE: "enable", Act.SUSPEND: "unsuspend"}


class MastodonClient:
    """One server, as whoever the token belongs to."""

    def __init__(self, outlet: MastodonOutlet) -> None:
        self._outlet = outlet
        self._client = Mastodon(
            api_base_url=outlet.base_url.rstrip("/"),
            access_token=outlet.token.get_secret_value(),
            version_check_mode="none",
            ratelimit_method="throw",
            request_timeout=outlet.timeout_s,
            user_agent="ombud",
        )

    async def find(self, act: Act, about: Subject, decided: Decided) -> list[Found]:
        """Return the reports that name the status, or the account that wrote it."""
        author = str((await self._ask(self._client.status, about.external_id))["account"]["id"])
        if act in ON_ACCOUNTS:
            account = await self._ask(self._client.admin_account, author)
            along = tuple(str(each["id"]) for each in await self._reports(author))
            return [Found(author, bool(account[IS_SO[act]]), along=along)]
        naming = [each for each in await self._reports(author) if about.external_id in _statuses(each)]
        if act is Act.REPORT:
            ours = [each for each in naming if each.get("comment") == about.why[:LONGEST_COMMENT]]
            return [Found(str((ours or naming)[0]["id"]), True, bool(ours))] if naming else [Found(author)]
        ready = []
        for report in naming:
            others = sorted(_statuses(report) - {about.external_id})
            if not others or set(others) <= await decided(others):
                ready.append(Found(str(report["id"])))
        return ready

    async def do(self, act: Act, target: str, about: Subject) -> str:
        """Resolve the report `target`, report the account `target` for the status, or restrict it."""
        if act is Act.RESOLVE:
            await self._ask(self._client.admin_report_resolve, target)
        elif act is Act.REPORT:
            comment = about.why[:LONGEST_COMMENT]
            made = await self._ask(self._client.report, target, status_ids=[about.external_id], comment=comment)
            return str(made["id"])
        else:
            await self._ask(
                self._client.admin_account_moderate,
                target,
                action=act.value,
                text=self._outlet.text or None,
                send_email_notification=self._outlet.email,
            )
        return target

    async def take_back(self, act: Act, target: str) -> bool:
        """Reopen a report that was resolved, resolve one that we made, lift a restriction."""
        if act in (Act.RESOLVE, Act.ALONG):
            await self._ask(self._client.admin_report_reopen, target)
        elif act is Act.REPORT:
            await self._ask(self._client.admin_report_resolve, target)
        else:
            await self._ask(getattr(self._client, f"admin_account_{LIFTED[act]}"), target)
        return True

    async def _reports(self, author: str) -> list[Mapping[str, Any]]:
        """Return the open reports about an account, page by page."""
        page: Any = await self._ask(self._client.admin_reports, target_account_id=author, limit=PAGE)
        found = list(page)
        while page and len(found) < MOST_REPORTS:
            page = await self._ask(self._client.fetch_next, page)
            found += page or []
        return found

    async def _ask(self, call: Callable[..., Any], *values: Any, **named: Any) -> Any:
        try:
            return await asyncio.to_thread(call, *values, **named)
        except MastodonRatelimitError:
            reset = getattr(self._client, "ratelimit_reset", None)
            pause_s = PATIENCE_S if reset is None else reset - utcnow().timestamp()
            raise Later("the server's rate limit is reached", min(max(pause_s, 1.0), LONGEST_PAUSE_S)) from None
        except MastodonAPIError as error:
            status = error.args[1] if len(error.args) > 1 and isinstance(error.args[1], int) else 0
            if status in PASSING:
                raise Later(f"answered {status}") from None
            raise Refused(f"answered {status}" if status else type(error).__name__) from None
        except MastodonError as error:
            raise Later(f"no answer ({type(error).__name__})") from None


def _statuses(report: Mapping[str, Any]) -> set[str]:
    return {str(each["id"]) for each in report.get("statuses") or ()}
