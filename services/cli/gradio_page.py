"""`ombud-gradio`: a page to show somebody what the model says, in a process and on a port of its own.

It knows `POST /api/v1/score` and nothing else: no posts, no corrections. The console's own page for this is `/try`.
Nothing is stored or sent elsewhere: no flagging to a file, no share link, no analytics, no fonts of others.
"""

from importlib import import_module
from typing import Annotated, Any

import httpx
import typer

from services.cli.connection import client

PORT = 7860
EXAMPLES = ["Everybody is welcome to bring a cake.", "You are a lazy idiot.", "Iedereen mag een taart meenemen."]
FONTS = ("system-ui", "sans-serif")


async def scores(http: httpx.AsyncClient, text: str) -> dict[str, float]:
    """Return category -> score of a text by the live model. Raises ValueError with what is wrong, in a sentence."""
    if not text.strip():
        raise ValueError("Type a text first.")
    try:
        answer = await http.post("/api/v1/score", json={"posts": [{"id": "1", "text": text}]})
        said = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise ValueError("The scorer does not answer. Is Ombud running?") from error
    if answer.is_error:
        raise ValueError(said.get("detail") or answer.reason_phrase)
    return dict(said["posts"][0]["scores"])


def page(http: httpx.AsyncClient) -> Any:
    """Return the page (a `gradio.Interface`) that asks an Ombud. Raises ImportError without the extra `gradio`."""
    gradio = import_module("gradio")

    async def score(text: str) -> dict[str, float]:
        try:
            return await scores(http, text)
        except ValueError as error:
            raise gradio.Error(str(error), print_exception=False) from error

    return gradio.Interface(
        score,
        gradio.Textbox(label="Text", lines=5),
        gradio.Label(label="Categories", show_heading=False),
        examples=EXAMPLES,
        cache_examples=False,
        flagging_mode="never",
        analytics_enabled=False,
        title="Ombud",
        description="What the live model says of a text. Nothing you type is stored.",
    )


def show(
    url: Annotated[str | None, typer.Option(help="Address of the running Ombud; default: the one here.")] = None,
    key: Annotated[str | None, typer.Option(help="API key with the scope `score`.", envvar="OMBUD_KEY")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = PORT,
) -> None:
    """Show a page that scores a text, for demonstrations."""
    try:
        made = page(client(url, key))
    except ImportError:
        raise typer.BadParameter("this page needs the extra: pip install 'ombud[gradio]'") from None
    gradio = import_module("gradio")
    theme = gradio.themes.Default(font=FONTS, font_mono=("monospace",))
    made.launch(
        server_name=host, server_port=port, share=False, ssr_mode=False, theme=theme, footer_links=[], run_history=False
    )


def main() -> None:
    """Run `ombud-gradio`."""
    typer.run(show)
