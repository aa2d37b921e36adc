"""Clients from npm, unmodified: two of Perspective's, and OpenAI's."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.npm import installed, run
from tests.support.ombud import KEY
from tests.support.shapes import Shared, one_process

SLORIA, JIGSAW = "perspective-api-client@3.1.0", "@conversationai/perspectiveapi-js-client@1.0.1"
OPENAI = "openai@6.49.0"
"""The newest that runs on Node 20."""
RUDE, KIND = "You are a stupid idiot and nobody wants you here.", "Thank you all for a lovely afternoon."

READ = """
let raw = "";
for await (const piece of process.stdin) raw += piece;
const { url, key, asked } = JSON.parse(raw);
const said = [];
"""
SLORIA_SCRIPT = (
    """
import { createRequire } from "node:module";
const require = createRequire(import.meta.url);
const Perspective = require("perspective-api-client");
const axios = require(require.resolve("axios", { paths: [require.resolve("perspective-api-client")] }));
"""
    + READ
    + """
// the client's address is a constant: only its origin is rewritten, on its own copy of axios
axios.interceptors.request.use((config) => {
  config.url = config.url.replace("https://commentanalyzer.googleapis.com", url);
  return config;
});
for (const [text, options, other] of asked) {
  try {
    said.push(await new Perspective({ apiKey: other || key }).analyze(text, options));
  } catch (error) {
    const { name, message, response } = error;
    said.push({ name, message, status: response && response.status, error: response && response.data.error });
  }
}
console.log(JSON.stringify(said));
"""
)
JIGSAW_SCRIPT = (
    """
import { createRequire } from "node:module";
const { Client } = createRequire(import.meta.url)("@conversationai/perspectiveapi-js-client");
"""
    + READ
    + """
for (const [text, options] of asked) {
  const client = new Client(key);
  client.perspectiveApiUrl = `${url}/v1alpha1/comments:analyze?key=${key}`;
  try {
    said.push(await client.getScores(text, options));
  } catch (error) {
    said.push({ failed: error.message });
  }
}
console.log(JSON.stringify(said));
"""
)
OPENAI_SCRIPT = (
    """
import OpenAI from "openai";
"""
    + READ
    + """
for (const [input, other, retries] of asked) {
  const client = new OpenAI({ apiKey: other || key, baseURL: `${url}/v1`, maxRetries: retries || 0 });
  try {
    said.push(await client.moderations.create({ input, model: "omni-moderation-latest" }));
  } catch (error) {
    said.push({ name: error.constructor.name, status: error.status, code: error.code, param: error.param });
  }
}
console.log(JSON.stringify(said));
"""
)


@pytest.fixture(scope="module")
def lenient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """An Ombud that leaves out what it cannot score and lets a key ask once in two seconds."""
    with one_process(
        tmp_path_factory.mktemp("lenient"), perspective_unsupported="omit", classifier_requests_per_s=0.5
    ) as running:
        yield running


@pytest.fixture(scope="module")
def perspective(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(tmp_path_factory.mktemp("perspective"), SLORIA, JIGSAW)


@pytest.fixture(scope="module")
def openai(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(tmp_path_factory.mktemp("openai"), OPENAI)


def ask(folder: Path, script: str, ombud: Shared, *asked: Any) -> Any:
    return run(folder, script, {"url": ombud.url, "key": KEY, "asked": asked})


def test_slorias_client_reads_our_scores_and_our_refusals(perspective: Path, ombud: Shared) -> None:
    words = {"doNotStore": True, "attributes": ["toxicity", "insult"]}
    scored, spam, language, stranger, long = ask(
        perspective,
        SLORIA_SCRIPT,
        ombud,
        (RUDE, words),
        (RUDE, {"attributes": ["spam"]}),
        ({"comment": {"text": RUDE}, "languages": ["xx"]}, {"attributes": ["toxicity"]}),
        (RUDE, words, "ombud_nobody"),
        ("x" * 20_481, words),
    )
    assert set(scored["attributeScores"]) == {"TOXICITY", "INSULT"}
    assert 0 < scored["attributeScores"]["TOXICITY"]["summaryScore"]["value"] <= 1
    assert (spam["name"], spam["status"]) == ("ResponseError", 400)
    assert spam["message"] == "Unknown requested attribute: SPAM"
    assert language["message"] == "Attribute TOXICITY does not support request languages: xx"
    assert language["error"]["details"][0]["errorType"] == "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE"
    assert stranger["message"] == "API key not valid. Please pass a valid API key."
    assert long["name"] == "TextTooLongError" and long.get("status") is None


def test_jigsaws_client_needs_the_lenient_setting_for_its_default_attributes(
    perspective: Path, ombud: Shared, lenient: Shared
) -> None:
    default, named, long = ask(
        perspective,
        JIGSAW_SCRIPT,
        ombud,
        (RUDE, {}),
        (RUDE, {"attributes": ["TOXICITY", "THREAT"]}),
        ("x" * 3_001, {}),
    )
    assert "400" in default["failed"]
    assert set(named) == {"TOXICITY", "THREAT"}
    assert "3000 characters" in long["failed"]
    (left_out,) = ask(perspective, JIGSAW_SCRIPT, lenient, (RUDE, {}))
    assert set(left_out) == {"TOXICITY"}


def test_openais_client_reads_results_and_the_three_errors(openai: Path, ombud: Shared, lenient: Shared) -> None:
    two, bad_key, image = ask(
        openai,
        OPENAI_SCRIPT,
        ombud,
        ([RUDE, KIND],),
        (RUDE, "ombud_nobody"),
        ([{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}],),
    )
    assert [len(each["category_scores"]) for each in two["results"]] == [13, 13]
    rude, kind = (each["category_scores"]["harassment"] for each in two["results"])
    assert rude > kind
    assert bad_key == {"name": "AuthenticationError", "status": 401, "code": "invalid_api_key", "param": None}
    assert image == {"name": "BadRequestError", "status": 400, "code": "unsupported_input_type", "param": "input"}
    key = httpx.post(
        f"{lenient.url}/v1/keys",
        json={"name": "openai", "scopes": ["score"]},
        headers={"Authorization": f"Bearer {KEY}"},
    ).json()["key"]
    first, too_soon, patient = ask(openai, OPENAI_SCRIPT, lenient, (KIND, key), (KIND, key), (KIND, key, 2))
    assert (too_soon["name"], too_soon["code"]) == ("RateLimitError", "rate_limit_exceeded")
    assert first["results"] and patient["results"]
