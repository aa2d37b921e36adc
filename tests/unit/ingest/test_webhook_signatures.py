"""Our check of Standard Webhooks agrees with the package of those who wrote the scheme."""

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as some
from pydantic import SecretStr
from standardwebhooks import Webhook, webhooks

from services.ingest.signatures import Fault, webhook_fault, webhook_key

NOW = datetime(2026, 11, 21, 12, 0, 0, 250_000, UTC)
BODY = json.dumps({"posts": [{"id": "1", "text": "Doelpunt! \u26bd"}]})

keys = some.binary(min_size=24, max_size=64)
secrets = keys.map(lambda key: f"whsec_{base64.b64encode(key).decode()}")
ids = some.text(some.characters(codec="ascii", exclude_characters=" ", min_codepoint=33), min_size=1, max_size=40)
ages = some.integers(-100_000, 100_000) | some.sampled_from([-301, -300, -299, 0, 299, 300, 301])


class Clock(datetime):
    """The package asks what time it is; here it is always NOW."""

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        return NOW


def theirs(headers: dict[str, str], body: bytes, given: Sequence[str]) -> bool:
    """Return whether the package takes the message for signed with one of the secrets."""
    for secret in given:
        with patch.object(webhooks, "datetime", Clock):
            try:
                Webhook(secret).verify(body, headers, json_parse=False)
                return True
            except Exception:  # noqa: S110 - a value that it cannot read raises what it likes
                pass
    return False


def ours(headers: dict[str, str], body: bytes, given: Sequence[str]) -> bool:
    return webhook_fault(headers, body, [SecretStr(each) for each in given], NOW) is None


def signed(secret: str, body: str, message: str = "msg_1", ago_s: int = 0) -> dict[str, str]:
    at = NOW - timedelta(seconds=ago_s)
    signature = Webhook(secret).sign(message, at, body)
    return {"webhook-id": message, "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}


@given(some.lists(secrets, min_size=1, max_size=3, unique=True), ids, ages, some.text(max_size=200), some.data())
def test_we_take_what_the_package_takes_and_nothing_else(
    known: list[str], message: str, ago_s: int, body: str, data: some.DataObject
) -> None:
    signer = data.draw(some.sampled_from(known) | secrets)
    headers = signed(signer, body.encode("utf-8", "replace").decode(), message, ago_s)
    sent = body.encode("utf-8", "replace")
    match data.draw(some.sampled_from(["as it is", "body", "id", "time", "signature", "others", "version"])):
        case "body":
            sent = data.draw(some.text(max_size=50)).encode("utf-8", "replace")
        case "id":
            headers["webhook-id"] = data.draw(ids)
        case "time":
            headers["webhook-timestamp"] = str(int(headers["webhook-timestamp"]) + data.draw(some.integers(-5, 5)))
        case "signature":
            mac = data.draw(some.binary(min_size=0, max_size=40))
            headers["webhook-signature"] = f"v1,{base64.b64encode(mac).decode()}"
        case "others":
            more = Webhook(data.draw(secrets)).sign(message, NOW, body.encode("utf-8", "replace").decode())
            headers["webhook-signature"] = f"v1a,AAAA {more} {headers['webhook-signature']}"
        case "version":
            headers["webhook-signature"] = headers["webhook-signature"].replace("v1,", "v2,")
    assert ours(headers, sent, known) == theirs(headers, sent, known)


@given(some.dictionaries(some.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), some.text()))
@example(
    {"webhook-id": "a", "webhook-timestamp": str(int(NOW.timestamp())), "webhook-signature": "v1,\u20ac v1 , v1,a"}
)
@example({"webhook-id": "a", "webhook-timestamp": "1e9", "webhook-signature": "v1,AAAA"})
def test_nonsense_is_refused_and_raises_nothing(headers: dict[str, str]) -> None:
    assert not ours(headers, BODY.encode(), ["whsec_" + "A" * 32])


SECRET = "whsec_" + "QUJD" * 8


@pytest.mark.parametrize(
    ("ago_s", "fault"), [(300, None), (301, Fault.OLD), (-300, None), (-301, Fault.NEW), (10**9, Fault.OLD)]
)
def test_five_minutes_to_both_sides_are_allowed(ago_s: int, fault: Fault | None) -> None:
    whole = NOW.replace(microsecond=0)
    headers = signed(SECRET, BODY, ago_s=ago_s)
    assert webhook_fault(headers, BODY.encode(), [SecretStr(SECRET)], whole) is fault


def test_a_body_that_is_no_utf_8_can_be_signed_too() -> None:
    headers = signed(SECRET, "a")
    assert webhook_fault(headers, b"\xff", [SecretStr(SECRET)], NOW) is Fault.WRONG


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_AAAA", "QUJD" * 8, "whsec_" + "QUJ!" * 8, "whsec_" + "\u20ac" * 40]
)
def test_what_is_no_secret_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(ValueError, match="at least 24 bytes") as caught:
        webhook_key(SecretStr(secret))
    assert len(secret) < 7 or secret not in str(caught.value)
