"""ombud-gradio asks one route, says in a sentence what went wrong, and is really served where gradio is there."""

import re
import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec

import httpx
import pytest
from typer.testing import CliRunner

from services.cli import gradio_page
from services.cli.gradio_page import scores
from shared.embedded import free_port
from shared.vocabulary import CATEGORIES
from tests.support.ombud import KEY, ROOT, client
from tests.support.servers import eventually
from tests.support.shapes import Shared

IMPORTS = r"(import|from|import_module\(.)\s*gradio|gradio_page"
SOURCE = ROOT / "services" / "cli" / "gradio_page.py"


async def test_a_text_has_its_scores_and_a_fault_is_a_sentence(ombud: Shared, http: httpx.AsyncClient) -> None:
    found = await scores(http, "You are a lazy idiot.")
    assert set(found) <= set(CATEGORIES) and found["insult"] > found["threat"]
    with pytest.raises(ValueError, match="key"):
        async with client(ombud.url, "a wrong key") as stranger:
            await scores(stranger, "words")
    with pytest.raises(ValueError, match="Type a text"):
        await scores(http, " ")
    with pytest.raises(ValueError, match="does not answer"):
        async with client(f"http://127.0.0.1:{free_port()}") as nobody:
            await scores(nobody, "words")


@pytest.mark.check("CON-49")
def test_the_demo_asks_one_route_and_nobody_else_imports_gradio() -> None:
    assert re.findall(r'"(/[\w/:.-]+)"', SOURCE.read_text("utf-8")) == ["/api/v1/score"]
    found = subprocess.run(
        [
            "git",
            "grep",
            "--untracked",
            "-lE",
            r"(import|from|import_module\(.)\s*gradio|gradio_page",
            "--",
            "services",
            "shared",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split()
    assert found == [SOURCE.relative_to(ROOT).as_posix()]


@pytest.mark.skipif(find_spec("gradio") is not None, reason="gradio is here: see the other test")
def test_without_the_extra_the_command_says_what_is_missing() -> None:
    import typer

    app = typer.Typer()
    app.command()(gradio_page.show)
    done = CliRunner().invoke(app, ["--url", "http://127.0.0.1:1", "--key", "k"])
    assert done.exit_code == 2 and "ombud[gradio]" in done.output


@pytest.mark.skipif(find_spec("gradio") is None, reason="the extra `gradio` is not installed: its page is not tried")
async def test_the_page_is_served_in_a_process_of_its_own_and_scores(ombud: Shared) -> None:
    url = f"http://127.0.0.1:{(port := free_port())}"
    start = "from services.cli.gradio_page import main; main()"
    asked = [sys.executable, "-c", start, "--url", ombud.url, "--key", KEY, "--port", str(port)]
    with subprocess.Popen(asked, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            async with httpx.AsyncClient(base_url=url, timeout=30) as anybody:

                async def served() -> bool:
                    with suppress(httpx.TransportError):
                        return (await anybody.get("/")).status_code == 200
                    return False

                await eventually(served, 120)
                said = await anybody.post("/gradio_api/call/score", json={"data": ["You are a lazy idiot."]})
                answer = await anybody.get(f"/gradio_api/call/score/{said.json()['event_id']}")
        finally:
            process.terminate()
    assert "event: complete" in answer.text and '"insult"' in answer.text
