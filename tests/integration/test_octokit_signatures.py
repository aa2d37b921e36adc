"""Hub signatures as @octokit/webhooks-methods, which we did not write, makes and checks them."""

from typing import Any

import pytest
from pydantic import SecretStr

from services.ingest.signatures import has_hub_signature, hub_signature
from tests.support.npm import installed, run

PACKAGE = "@octokit/webhooks-methods@6.0.0"
SECRET = "a secret of the tests ☃"
BODIES = ['{"event":"status.created"}', "", "Zürich \u2028 😀", '{\n  "text": "<p>&amp;</p>"\n}', "x" * 100_000]
SCRIPT = """
import { sign, verify } from "@octokit/webhooks-methods";
let raw = "";
for await (const piece of process.stdin) raw += piece;
const { secret, signed } = JSON.parse(raw);
const said = [];
for (const [body, signature] of signed) {
  said.push([body === "" ? null : await sign(secret, body),
             body === "" ? null : await verify(secret, body, signature),
             body === "" ? null : await verify(secret, body + " ", signature)]);
}
console.log(JSON.stringify(said));
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[list[Any]]:
    """What octokit signs, says of our signatures, and says of them over another body."""
    folder = installed(tmp_path_factory.mktemp("octokit"), PACKAGE)
    signed = [(body, hub_signature(SecretStr(SECRET), body.encode())) for body in BODIES]
    return list(run(folder, SCRIPT, {"secret": SECRET, "signed": signed}))


def test_what_octokit_signs_passes_and_nothing_near_it(said: list[list[Any]]) -> None:
    secrets = [SecretStr("another"), SecretStr(SECRET)]
    for body, (signature, _, _) in zip(BODIES, said, strict=True):
        if not body:  # octokit refuses to sign nothing
            continue
        assert has_hub_signature(signature, body.encode(), secrets)
        assert not has_hub_signature(signature, body.encode() + b" ", secrets)
        assert not has_hub_signature(signature, body.encode(), secrets[:1])
        assert not has_hub_signature(signature.upper().replace("SHA", "sha"), body.encode(), secrets)


def test_what_we_sign_passes_there_and_not_over_another_body(said: list[list[Any]]) -> None:
    assert [each[1:] for body, each in zip(BODIES, said, strict=True) if body] == [[True, False]] * (len(BODIES) - 1)
