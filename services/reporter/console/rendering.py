"""Turns a typed context into a page: templates, words of a language, numbers as it writes them.

Invariant: a template sees its context, the frame around it and nothing else; whatever is not our own markup is escaped.
"""

import secrets
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import uuid4

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from services.reporter.console import formats, hostile
from services.reporter.console.assets import release
from services.reporter.console.frame import Frame, navigation
from services.reporter.console.languages import Language, choose, languages
from services.reporter.console.members import TOKEN_BYTES, Member, csrf

FORMATS = ("number", "score", "percent", "money", "day", "moment", "clock", "span", "signed", "isoday")
FRAGMENT = "X-Fragment"
"""Header with which our scripts ask for a piece of a page instead of a page."""


@dataclass
class Around:
    """What a page wants to be said around it."""

    position: str = ""
    waiting: int | None = None
    status: int = 200


def wants_fragment(request: Request) -> bool:
    """Return whether a script of ours asks, which puts the answer into the page that is open."""
    return FRAGMENT in request.headers


class Pages:
    """Every template in every language.

    `there`: paths of the pages that exist, for the navigation; `bundle`: where the library of charts is.
    """

    def __init__(self) -> None:
        self.there: frozenset[str] = frozenset()
        self.bundle = ""
        self._environments = {code: _environment(each) for code, each in languages().items()}

    def render(
        self, request: Request, member: Member | None, template: str, context: Any, around: Around | None = None
    ) -> HTMLResponse:
        """Return a page, or a fragment if the template's name begins with an underscore."""
        around = around or Around()
        language = self.language(request, member)
        frame = self._frame(request, member, language, around)
        html = self._environments[language.code].get_template(template).render(frame=frame, page=context)
        return HTMLResponse(html, around.status)

    def lines(self, request: Request, member: Member | None, template: str, context: Any) -> list[str]:
        """Return the lines of a template: words as markup, one after the other, for what is put together elsewhere."""
        language = self.language(request, member)
        frame = self._frame(request, member, language, Around())
        html = self._environments[language.code].get_template(template).render(frame=frame, page=context)
        return [line for each in html.splitlines() if (line := each.strip())]

    def language(self, request: Request, member: Member | None) -> Language:
        """Return the language somebody reads."""
        setting = member.preferences.language if member else None
        return choose(setting, request.headers.get("Accept-Language", ""))

    def _frame(self, request: Request, member: Member | None, language: Language, around: Around) -> Frame:
        path = request.url.path
        return Frame(
            member=member,
            language=language.code,
            theme=member.preferences.theme if member else "system",
            release=release(),
            csrf=csrf(member.token, secrets.token_bytes(TOKEN_BYTES)) if member else "",
            command_id=str(uuid4()),
            path=path,
            there=self.there,
            navigation=navigation(member, path, self.there),
            position=around.position,
            waiting=around.waiting,
            bundle=self.bundle if member else "",
        )


def _environment(language: Language) -> Environment:
    made = Environment(
        loader=PackageLoader("services.reporter.console", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.install_gettext_translations(language.words, newstyle=True)  # type: ignore[attr-defined]
    for name in FORMATS:
        made.filters[name] = partial(_formatted, getattr(formats, name), language.code)
    made.filters["trusted"] = Markup  # the drawing of a chart, made by our own worker
    made.filters["visible"] = visible
    made.filters["without"] = lambda value, **changes: replace(value, **changes)
    return made


def _formatted(form: Any, language: str, value: Any, *given: Any) -> str:
    return str(form(value, language, *given))


def visible(text: str) -> Markup:
    """Return a hostile text as markup: escaped, and what cannot be seen by its name."""
    parts = [
        Markup('<span class="mark">{}</span>').format(piece.text) if piece.mark else escape(piece.text)
        for piece in hostile.pieces(text)
    ]
    return Markup("").join(parts)
