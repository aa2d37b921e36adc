"""What somebody does with a tried text: saves it, says that its score is wrong, takes that back.

Invariant: a text travels in bodies only, and is stored by an explicit act only: saved here, or kept as a correction.
"""

from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Depends, Form, Request, Response

from services.reporter.console.actions.reviewing import HOLD_S
from services.reporter.console.commands import Answer, answered
from services.reporter.console.contexts.reviewing import spoken
from services.reporter.console.contexts.trying import Trying, result, to_keep
from services.reporter.console.guard import Command
from services.reporter.console.pages.trying import TryId, kept_try, show_saved, spoken_by
from services.reporter.console.parts import Parts
from services.reporter.console.rendering import Around
from services.reporter.console.roles import Role
from services.reporter.readmodel import alike_key
from shared.clock import utcnow
from shared.errors import Problem, not_found
from shared.vocabulary import CATEGORIES, FeedbackType, Verdict

MOST = 200
"""Saved tries of one person."""
Text = Annotated[str, Form(max_length=200_000)]


def build_router(parts: Parts) -> APIRouter:
    """Return the forms."""
    router = parts.router()
    reviewer = parts.acting(Role.REVIEWER)

    @router.post("/try/saved", summary="Save a tried text")
    async def save(request: Request, command: Annotated[Command, Depends(reviewer)], text: Text = "") -> Response:
        """Score it once more, keep text and scores, go to its page."""
        text = _plain(text, parts.platform.settings.max_text_bytes)

        async def work() -> Answer:
            said = await _scored(parts, command, text)
            name = str(uuid4())
            row = {"id": name, "person_id": command.member.id, "text": text, "text_key": alike_key(text)}
            async with parts.store.begin() as connection:
                await parts.store.pass_gate(connection)
                if await parts.store.count_tries(connection, command.member.id) >= MOST:
                    raise Problem(409, "too_many", f"At most {MOST} texts are saved: remove some of yours.")
                await parts.store.save_try(connection, row | {"result": to_keep(said), "created_at": utcnow()})
            return Answer(f"/try/{name}", {"id": name}, object=name)

        return answered(request, await parts.commands.once(request, command, work))

    @router.post("/try/wrong", summary="Say that the score of a tried text is wrong")
    async def wrong(
        request: Request,
        command: Annotated[Command, Depends(reviewer)],
        text: Text = "",
        saved: Annotated[str, Form(max_length=36, pattern=r"^[0-9a-f-]*$")] = "",
        category: Annotated[list[str], Form(max_length=12)] = [],  # noqa: B006 - the framework copies it
    ) -> Response:
        """Tell ingest a correction of the text itself: what was ticked is true of it, the rest is not."""
        if saved:
            text = (await kept_try(parts, saved)).text
        text = _plain(text, parts.platform.settings.max_text_bytes)
        scored = await _scored(parts, command, text)
        said = spoken(
            Verdict.INCORRECT, scored["flagged_categories"], [name for name in category if name in CATEGORIES]
        )
        if said.feedback_type is FeedbackType.OTHER:
            return await _shown(parts, request, command, text, saved, scored, fault="same")

        async def work() -> Answer:
            told = {
                "text": text,
                "language": scored["language"],
                "verdict": Verdict.INCORRECT.value,
                "feedback_type": said.feedback_type.value,
                "expected_categories": list(said.expected),
                "actual_categories": list(said.actual),
                "spoke_about": "all",
                "hold_s": HOLD_S,
            }
            told = {name: value for name, value in told.items() if value is not None}
            token = command.member.token
            answer = await parts.services.ask("ingest", "POST", "/v1/feedback", token, json=told, key=command.id)
            where = f"/try/{saved}?done={command.id}" if saved else "/try"
            return Answer(where, {"correction_id": str(answer["id"])}, object=str(answer["id"]))

        done = await parts.commands.once(request, command, work)
        if saved:
            return answered(request, done)
        return await _shown(parts, request, command, text, saved, scored, said=command.id)

    @router.post("/try/wrong/undo", summary="Take back that the score of a tried text is wrong")
    async def undo(
        request: Request,
        command: Annotated[Command, Depends(reviewer)],
        said: Annotated[str, Form(max_length=64)] = "",
        saved: Annotated[str, Form(max_length=36, pattern=r"^[0-9a-f-]*$")] = "",
    ) -> Response:
        """Tell ingest that the correction of one's own command `said` is taken back."""

        async def work() -> Answer:
            name = await spoken_by(parts, command.member, said)
            if name is None:
                raise not_found("correction")
            told = {"retracts": name, "verdict": Verdict.INCORRECT.value, "hold_s": HOLD_S}
            token = command.member.token
            await parts.services.ask("ingest", "POST", "/v1/feedback", token, json=told, key=command.id)
            return Answer(f"/try/{saved}" if saved else "/try", object=name)

        return answered(request, await parts.commands.once(request, command, work))

    @router.post("/try/{try_id}/remove", summary="Remove a saved try")
    async def remove(request: Request, command: Annotated[Command, Depends(reviewer)], try_id: TryId) -> Response:
        """Forget what oneself saved; a lead forgets anybody's."""

        async def work() -> Answer:
            row = await kept_try(parts, try_id)
            if row.person_id != command.member.id and not command.member.may(Role.LEAD):
                raise Problem(403, "not_yours", "Only who saved a text removes it, or a lead.")
            async with parts.store.begin() as connection:
                await parts.store.drop_try(connection, try_id)
            return Answer("/try")

        return answered(request, await parts.commands.once(request, command, work))

    @router.post("/try/{try_id}/reveals", summary="Show a saved text")
    async def reveal(request: Request, command: Annotated[Command, Depends(reviewer)], try_id: TryId) -> Response:
        """Count it and show the page with the text; no address leads there, so moving on veils it again."""

        async def work() -> Answer:
            await kept_try(parts, try_id)
            async with parts.store.begin() as connection:
                await parts.store.count_reveal(connection, command.member.id, utcnow().date().isoformat())
            return Answer(f"/try/{try_id}")

        await parts.commands.once(request, command, work)
        return await show_saved(parts, request, command.member, try_id, revealed=True)

    return router


def _plain(text: str, limit: int) -> str:
    """Return a text as it was typed. Raises Problem 422 for none and for one that is too long."""
    text = text.replace("\r\n", "\n").replace("\x00", "\ufffd")
    if not text.strip() or len(text.encode()) > limit:
        raise Problem(422, "text_invalid", f"Type a text of at most {limit} bytes.", field="text")
    return text


async def _scored(parts: Parts, command: Command, text: str) -> Any:
    return await parts.services.ask("classifier", "POST", "/try", command.member.token, json={"text": text})


async def _shown(
    parts: Parts,
    request: Request,
    command: Command,
    text: str,
    saved: str,
    scored: Any,
    *,
    said: str = "",
    fault: str = "",
) -> Response:
    status = 422 if fault else 200
    if saved:
        return await show_saved(parts, request, command.member, saved, fault=fault, status=status)
    found = result(text, scored, parts.settings.severity_high)
    limit = parts.platform.settings.max_text_bytes
    context = Trying(text, limit, len(text.encode()), found, said=said, fault=fault)
    return parts.pages.render(request, command.member, "trying.html", context, Around(status=status))
