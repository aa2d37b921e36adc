"""A route with a short way: a well-formed request is parsed, admitted and answered without the framework's machinery.

That machinery takes four times as long as scoring a text. Invariant: whatever is not an ordinary JSON body of the right
shape goes the long way, so refusals and documents are the framework's, and nobody is admitted who would not be there.
"""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, cast

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError

from shared.auth import Admission
from shared.bodies import kept_body

Endpoint = Callable[[Any], Awaitable[BaseModel]]


class QuickRoute(APIRoute):
    """A route whose endpoint takes one model as its body and returns one, and whose dependencies take the request."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler that goes the short way where it can."""
        whole = super().get_route_handler()
        endpoint = cast(Endpoint, self.endpoint)

        async def handle(request: Request) -> Response:
            wanted = await self._read(request)
            if wanted is None:
                return await whole(request)
            for each in self.dependant.dependencies:
                call: Any = each.call
                await (call.check(request) if isinstance(call, Admission) else call(request))
            answer = await endpoint(wanted)
            return Response(answer.__pydantic_serializer__.to_json(answer), media_type="application/json")

        return handle

    async def _read(self, request: Request) -> BaseModel | None:
        """Return what the body says, or None for a body that is the framework's to refuse."""
        if request.headers.get("Content-Type") != "application/json" or self.body_field is None:
            return None
        shape: type[BaseModel] = self.body_field.field_info.annotation  # type: ignore[assignment]
        try:
            return shape.model_validate_json(await kept_body(request))
        except ValidationError:
            return None
