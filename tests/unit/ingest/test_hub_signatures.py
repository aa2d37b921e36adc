"""Hub signatures: made of the very bytes with one of our secrets, and spelled exactly so, or worth nothing."""

import hashlib
import hmac

import pytest
from hypothesis import assume, given
from hypothesis import strategies as some
from pydantic import SecretStr

from services.ingest.signatures import HUB_SIGNATURES, has_hub_signature, hub_signature

SECRET, OLD, OTHER = SecretStr("a secret of the tests"), SecretStr("the secret before"), SecretStr("somebody else's")
BODY = b'{"event":"status.created"}'

secrets = some.text(min_size=1).filter(lambda text: text.isprintable()).map(SecretStr)


def signed(secret: SecretStr, body: bytes = BODY, scheme: str = "sha256") -> str:
    """Sign without any of our code."""
    return f"{scheme}={hmac.digest(secret.get_secret_value().encode(), body, scheme).hex()}"


def test_the_known_answer_of_rfc_4231_case_2() -> None:
    answer = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert hub_signature(SecretStr("Jefe"), b"what do ya want for nothing?") == answer
    assert has_hub_signature(answer, b"what do ya want for nothing?", [SecretStr("Jefe")])


@given(secrets, some.binary(), some.lists(secrets, max_size=3), some.lists(secrets, max_size=3))
def test_a_body_signed_with_one_of_the_secrets_passes(
    secret: SecretStr, body: bytes, before: list[SecretStr], after: list[SecretStr]
) -> None:
    assert has_hub_signature(signed(secret, body), body, [*before, secret, *after])


@given(some.binary(min_size=1), some.integers(min_value=0), some.integers(1, 255))
def test_one_changed_byte_breaks_it(body: bytes, at: int, by: int) -> None:
    changed = bytearray(body)
    changed[at % len(body)] ^= by
    assert not has_hub_signature(signed(SECRET, body), bytes(changed), [SECRET, OLD])


@given(some.text())
def test_no_header_passes_by_chance(header: str) -> None:
    assert not has_hub_signature(header, BODY, [SECRET, OLD])


@given(secrets, secrets)
def test_another_secret_breaks_it(mine: SecretStr, theirs: SecretStr) -> None:
    assume(mine != theirs)
    assert not has_hub_signature(signed(theirs), BODY, [mine])


def test_one_of_several_values_is_enough() -> None:
    both = f"{signed(OTHER)},{signed(SECRET)}"
    assert has_hub_signature(both, BODY, [SECRET])
    assert has_hub_signature(both.replace(",", " ,\t"), BODY, [SECRET])
    assert not has_hub_signature(both, BODY, [OLD])


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        ",",
        signed(SECRET, scheme="sha1"),
        signed(SECRET).upper(),
        "sha256=" + signed(SECRET).removeprefix("sha256=").upper(),
        signed(SECRET).removeprefix("sha256="),
        signed(SECRET)[:-1],
        signed(SECRET) + "0",
        signed(SECRET) + "é",
        signed(SECRET) + "\n",
        signed(SECRET).replace("=", " = "),
        signed(SECRET).replace("sha256", "SHA256"),
        f'"{signed(SECRET)}"',
        "sha256=" + hashlib.sha256(SECRET.get_secret_value().encode() + BODY).hexdigest(),
        "sha256=" + "٣" * 64,
    ],
    ids=str,
)
def test_what_is_not_spelled_exactly_so_is_no_signature(header: str | None) -> None:
    assert not has_hub_signature(header, BODY, [SECRET, OLD])


def test_without_a_secret_nothing_passes() -> None:
    assert not has_hub_signature(signed(SECRET), BODY, [])


def test_a_header_of_thousands_of_values_is_not_worked_through() -> None:
    assert has_hub_signature(",".join([signed(OTHER)] * (HUB_SIGNATURES - 1) + [signed(SECRET)]), BODY, [SECRET])
    assert not has_hub_signature(",".join([signed(OTHER)] * HUB_SIGNATURES + [signed(SECRET)]), BODY, [SECRET])
