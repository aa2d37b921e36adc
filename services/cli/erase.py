"""`ombud erase`: asks the running Ombud to erase text."""

import httpx
import typer
from rich.console import Console

from services.cli.connection import explain


async def erase(
    console: Console, http: httpx.AsyncClient, *, post: str | None, author: str | None, platform: str | None
) -> None:
    """Erase one post or an author's posts; the answer comes when the deletion is durable."""
    async with http:
        if post is not None and platform is None:
            answer = await http.delete(f"/v1/posts/{post}")
        else:
            body = {"platform": platform, "external_id": post} if post else {"platform": platform, "author": author}
            answer = await http.post("/v1/erasures", json=body)
    if answer.status_code != 202:
        console.print(f"[red]Refused.[/] {explain(answer)}")
        raise typer.Exit(1)
    console.print("Deletion accepted: every service erases the text, the streams follow within seconds.")
