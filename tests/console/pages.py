"""Every page of the console, one line each: route, roles of section 3, how to reach it. A test finds what is missing.

`path` is where the page is opened, made from the installation, if that is not the route itself.
"""

from collections.abc import Callable
from dataclasses import dataclass

from services.reporter.console.chart_worker import ChartWorker
from services.reporter.console.roles import Role
from tests.console.installation import Installation, dead_letter, newest_run, training_run


@dataclass(frozen=True)
class Case:
    """A page. `roles`: those that open it; empty: whoever has signed in; None: everybody.

    `own`: what it shows is the visitor's; to others of these roles it is not there, but for administrators.
    """

    route: str
    roles: tuple[Role, ...] | None
    path: Callable[[Installation], str] | None = None
    html: bool = True
    own: bool = False

    def reach(self, installation: Installation) -> str:
        """Return where the page is opened."""
        return self.path(installation) if self.path else self.route

    def opens_for(self, role: Role | None) -> bool:
        """Return whether somebody may see it."""
        if self.roles is None:
            return True
        return role is not None and (not self.roles or bool(OPENS[role] & set(self.roles)))

    @property
    def visitor(self) -> Role | None:
        """Return the least of those who may see it."""
        if self.roles is None:
            return None
        return next(role for role in Role if self.opens_for(role))


OPENS = {
    Role.VIEWER: {Role.VIEWER},
    Role.REVIEWER: {Role.VIEWER, Role.REVIEWER},
    Role.AUDITOR: {Role.VIEWER, Role.AUDITOR},
    Role.LEAD: {Role.VIEWER, Role.REVIEWER, Role.AUDITOR, Role.LEAD},
    Role.ADMIN: set(Role),
}
"""The table of section 3, said again: role -> whose pages open."""

NO_ID = "00000000-0000-4000-8000-000000000000"
EDITION = ChartWorker().edition

PAGES = [
    Case("/signin", None),
    Case("/signin/oidc", None, html=False),
    Case("/signin/oidc/callback", None, html=False),
    Case("/join", None, lambda _: "/join?token=no-such-link"),
    Case("/static/{digest}/{name}", None, lambda _: "/static/x/console.css", html=False),
    Case("/", None, html=False),
    Case("/analysis", (Role.VIEWER,)),
    Case("/analysis/numbers", (Role.VIEWER,), html=False),
    Case("/pipelines", (Role.LEAD,)),
    Case("/pipelines/runs/{run_id}", (Role.LEAD,), lambda made: f"/pipelines/runs/{training_run(made)}"),
    Case(
        "/pipelines/letters/{stream}/{group}/{entry}",
        (Role.LEAD,),
        lambda made: f"/pipelines/letters/posts.scored/reporter/{dead_letter(made)}",
    ),
    Case("/analysis/runs", (Role.VIEWER,)),
    Case("/analysis/runs/{run_id}", (Role.VIEWER,), lambda made: f"/analysis/runs/{newest_run(made)}"),
    Case("/charts/bundle-{edition}.js", (Role.VIEWER,), lambda _: f"/charts/bundle-{EDITION}.js", html=False),
    Case("/charts/{key}.svg", (Role.VIEWER,), lambda _: "/charts/toxicity.svg", html=False),
    Case("/charts/{key}.vl.json", (Role.VIEWER,), lambda _: "/charts/toxicity.vl.json", html=False),
    Case("/charts/{key}.csv", (Role.VIEWER,), lambda _: "/charts/toxicity.csv", html=False),
    Case("/events", (Role.VIEWER,), html=False),
    Case("/quality", (Role.VIEWER,)),
    Case("/live", (Role.REVIEWER,)),
    Case("/live/pace", (Role.REVIEWER,), html=False),
    Case("/live/rows", (Role.REVIEWER,), html=False),
    Case("/try", (Role.REVIEWER,)),
    Case("/try/{try_id}", (Role.REVIEWER,), lambda made: f"/try/{made.saved}"),
    Case("/settings", ()),
    Case("/settings/thresholds", (Role.LEAD,), lambda _: "/settings/thresholds?insult=0.5"),
    Case("/audits", (Role.AUDITOR,)),
    Case("/audits/new", (Role.AUDITOR,)),
    Case("/audits/{audit_id}", (Role.AUDITOR,), lambda given: f"/audits/{given.audit}?error=all", own=True),
    Case("/audits/groups", (Role.AUDITOR,)),
    Case("/audits/groups/{group_id}", (Role.AUDITOR,), lambda _: f"/audits/groups/{NO_ID}"),
    Case("/audits/{audit_id}/settings", (Role.AUDITOR,), lambda given: f"/audits/{given.audit}/settings", own=True),
    Case("/audits/{audit_id}/compare", (Role.AUDITOR,), lambda given: f"/audits/{given.audit}/compare", own=True),
    Case("/audits/{audit_id}/changes", (Role.AUDITOR,), lambda given: f"/audits/{given.audit}/changes", own=True),
    Case("/audits/{audit_id}/label", (Role.AUDITOR,), lambda given: f"/audits/{given.audit}/label", own=True),
    Case(
        "/audits/{audit_id}/topics/{topic}",
        (Role.AUDITOR,),
        lambda given: f"/audits/{given.audit}/topics/-1?error=all",
        own=True,
    ),
    Case(
        "/audits/{audit_id}/search", (Role.AUDITOR,), lambda given: f"/audits/{given.audit}/search?error=all", own=True
    ),
    Case(
        "/audits/{audit_id}/suggestions",
        (Role.AUDITOR,),
        lambda given: f"/audits/{given.audit}/suggestions?scaffold=prompts",
        own=True,
    ),
    Case("/audits/{audit_id}/around", (Role.AUDITOR,), lambda given: f"/audits/{given.audit}/around", own=True),
    Case("/reports", (Role.AUDITOR,)),
    Case("/reports/{report_id}", (Role.AUDITOR,), lambda given: f"/reports/{given.report}", own=True),
    Case(
        "/reports/{report_id}/file.{kind}",
        (Role.AUDITOR,),
        lambda given: f"/reports/{given.report}/file.md",
        html=False,
        own=True,
    ),
    Case("/reports/{report_id}/submit", (Role.AUDITOR,), lambda given: f"/reports/{given.report}/submit", own=True),
    Case("/shared/{link}", (Role.REVIEWER, Role.AUDITOR), lambda given: f"/shared/{given.link}"),
    Case("/analysis/flagged", (Role.REVIEWER,), lambda _: "/analysis/flagged?review_status=all"),
    Case("/analysis/flagged/new", (Role.REVIEWER,), html=False),
    Case("/accounts/{account}", (Role.REVIEWER,), lambda made: f"/accounts/{made.account}"),
    Case("/accounts/{account}/chart.svg", (Role.REVIEWER,), lambda made: f"/accounts/{made.account}/chart.svg", False),
    Case("/accounts/{account}/chart.csv", (Role.REVIEWER,), lambda made: f"/accounts/{made.account}/chart.csv", False),
    Case("/bulk/alike", (Role.REVIEWER,), lambda _: "/bulk/alike?word=no-such-verdict"),
    Case("/export/flagged.csv", (Role.REVIEWER,), html=False),
    Case("/views/{slug}", (Role.REVIEWER,), lambda _: "/views/no-such-view", html=False),
    Case("/admin/people", (Role.ADMIN,)),
    Case("/admin/people/{person_id}", (Role.ADMIN,), lambda made: f"/admin/people/{made.person}"),
    Case("/admin/keys", (Role.ADMIN,)),
    Case("/history", ()),
    Case("/history.csv", (), html=False),
    Case("/settings/team", (Role.LEAD,)),
    Case("/transparency", None),
    Case("/transparency.json", None, html=False),
    Case("/transparency.csv", None, html=False),
    Case("/admin/webhooks", (Role.ADMIN,)),
    Case("/admin/webhooks/{webhook_id}", (Role.ADMIN,), lambda made: f"/admin/webhooks/{made.webhook}"),
    Case(
        "/posts/{post_id}/history",
        (Role.REVIEWER, Role.AUDITOR),
        lambda made: f"/posts/{made.posts[0]}/history",
    ),
    Case("/posts/{post_id}", (Role.REVIEWER, Role.AUDITOR), lambda made: f"/posts/{made.posts[0]}"),
]

FORMS: dict[str, tuple[Role, ...] | None] = {
    "/pipelines/letters": (Role.ADMIN,),
    "/pipelines/runs": (Role.ADMIN,),
    "/pipelines/runs/{run_id}/cancel": (Role.ADMIN,),
    "/pipelines/runs/{run_id}/retry": (Role.ADMIN,),
    "/signin": None,
    "/join": None,
    "/signout": (),
    "/settings": (),
    "/settings/skips": (Role.REVIEWER,),
    "/settings/thresholds": (Role.LEAD,),
    "/try/score": (Role.REVIEWER,),
    "/try/saved": (Role.REVIEWER,),
    "/try/wrong": (Role.REVIEWER,),
    "/try/wrong/undo": (Role.REVIEWER,),
    "/try/{try_id}/remove": (Role.REVIEWER,),
    "/try/{try_id}/reveals": (Role.REVIEWER,),
    "/audits": (Role.AUDITOR,),
    "/audits/{audit_id}/settings": (Role.AUDITOR,),
    "/audits/groups": (Role.AUDITOR,),
    "/audits/groups/axis": (Role.AUDITOR,),
    "/audits/{audit_id}/draws": (Role.AUDITOR,),
    "/audits/{audit_id}/labels": (Role.AUDITOR,),
    "/audits/{audit_id}/reveals": (Role.AUDITOR,),
    "/audits/{audit_id}/evidence": (Role.AUDITOR,),
    "/reports": (Role.AUDITOR,),
    "/reports/{report_id}": (Role.AUDITOR,),
    "/reports/{report_id}/complete": (Role.AUDITOR,),
    "/reports/{report_id}/submit": (Role.AUDITOR,),
    "/reports/{report_id}/redeliver": (Role.AUDITOR,),
    "/reports/{report_id}/reopen": (Role.AUDITOR,),
    "/reports/{report_id}/remove": (Role.AUDITOR,),
    "/reports/{report_id}/restore": (Role.AUDITOR,),
    "/reports/{report_id}/measurements": (Role.AUDITOR,),
    "/reports/{report_id}/link": (Role.AUDITOR,),
    "/reports/{report_id}/link/remove": (Role.AUDITOR,),
    "/posts/{post_id}/reviews": (Role.REVIEWER,),
    "/posts/{post_id}/retractions": (Role.REVIEWER,),
    "/posts/{post_id}/reveals": (Role.REVIEWER, Role.AUDITOR),
    "/posts/{post_id}/notes": (Role.REVIEWER,),
    "/posts/{post_id}/notes/{note_id}": (Role.REVIEWER,),
    "/posts/{post_id}/notes/{note_id}/remove": (Role.REVIEWER,),
    "/posts/{post_id}/lease": (Role.REVIEWER,),
    "/posts/{post_id}/lease/release": (Role.REVIEWER,),
    "/posts/{post_id}/lease/hand-over": (Role.REVIEWER,),
    "/analysis/flagged/next": (Role.REVIEWER,),
    "/bulk/reviews": (Role.REVIEWER,),
    "/bulk/{batch}/retract": (Role.REVIEWER,),
    "/views": (Role.REVIEWER,),
    "/views/{slug}/remove": (Role.REVIEWER,),
    "/admin/people/invitations": (Role.ADMIN,),
    "/admin/people/invitations/{link}/withdraw": (Role.ADMIN,),
    "/admin/people/{person_id}/role": (Role.ADMIN,),
    "/admin/people/{person_id}/access": (Role.ADMIN,),
    "/admin/people/{person_id}/sessions/end": (Role.ADMIN,),
    "/admin/people/{person_id}/reset": (Role.ADMIN,),
    "/settings/team": (Role.LEAD,),
    "/admin/keys": (Role.ADMIN,),
    "/admin/keys/{key_id}/revoke": (Role.ADMIN,),
    "/admin/webhooks": (Role.ADMIN,),
    "/admin/webhooks/{webhook_id}/pause": (Role.ADMIN,),
    "/admin/webhooks/{webhook_id}/resume": (Role.ADMIN,),
    "/admin/webhooks/{webhook_id}/rotate": (Role.ADMIN,),
    "/admin/webhooks/{webhook_id}/redrive": (Role.ADMIN,),
    "/admin/webhooks/{webhook_id}/try": (Role.ADMIN,),
    "/admin/webhooks/{webhook_id}/remove": (Role.ADMIN,),
}
"""POST route -> the roles that may send it."""

STATUS = {
    "/bulk/alike": 404,
    "/signin/oidc": 404,
    "/signin/oidc/callback": 404,
    "/views/{slug}": 404,
    "/audits/groups/{group_id}": 404,
    "/join": 410,
    "/events": 406,
    "/": 303,
}
"""What is not 200 where the page is opened as above."""

SHOWN = [case for case in PAGES if case.html]
