"""Signing in with an OpenID provider: what is bound to a browser, which tokens are believed, whom claims admit."""

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from services.reporter.console.oidc import Identity, Refused, Rules, departing, identity, proof, returning
from services.reporter.console.oidc_client import OidcClient
from services.reporter.console.roles import Role
from services.reporter.settings import ReporterSettings
from shared.errors import Problem, Unavailable
from tests.support.oidc import CLIENT, SECRET, Provider

BACK = "http://127.0.0.1:8080/signin/oidc/callback"
ANYBODY = Rules("roles", {}, Role.VIEWER, ())
CLAIMS = {"iss": "https://id.example", "sub": "7", "name": "No\u202eor", "email": "Noor@Example.org"}


def test_what_comes_back_has_to_belong_to_the_browser_that_left_and_in_time() -> None:
    cookie = departing("secret", "noise", 1000, "/live?min=0.5")
    state = proof("secret", cookie, "state")
    assert returning("secret", cookie, state, 1000) == "/live?min=0.5"
    assert returning("secret", cookie, state, 1001) is None
    other = departing("secret", "other", 1000, "/live?min=0.5")
    assert returning("secret", other, state, 1000) is None
    assert returning("other secret", cookie, proof("other secret", cookie, "state"), 1000) is None
    assert returning("secret", "", "", 1000) is None and returning("secret", "é.1.x.y", "é", 0) is None
    assert len({state, proof("secret", cookie, "nonce"), proof("secret", cookie, "verifier")}) == 3
    assert len(proof("secret", cookie, "verifier")) == 43


def test_claims_admit_by_domain_of_a_verified_address_and_by_role() -> None:
    known = identity(CLAIMS, ANYBODY)
    assert known == Identity("https://id.example 7", "7", "Noor", Role.VIEWER)  # the address was not verified
    verified = CLAIMS | {"email_verified": True}
    assert identity(verified, ANYBODY).account == "noor@example.org"
    domains = Rules("roles", {}, Role.VIEWER, ("example.org",))
    assert identity(verified, domains).role is Role.VIEWER
    for claims, why in ((CLAIMS, "email_unverified"), (verified | {"email": "a@example.org.evil"}, "other_domain")):
        with pytest.raises(Refused, match=why):
            identity(claims, domains)
    with pytest.raises(Refused, match="email_unverified"):
        identity(CLAIMS | {"email_verified": "true"}, domains)
    mapped = Rules("access.roles", {"mods": Role.REVIEWER, "boss": Role.LEAD}, None, ())
    assert identity(CLAIMS | {"access": {"roles": ["mods", "boss", 3]}}, mapped).role is Role.LEAD
    assert identity(CLAIMS | {"access": {"roles": "mods"}}, mapped).role is Role.REVIEWER
    for nothing in ({}, {"access": "mods"}, {"access": {"roles": ["other"]}}):
        with pytest.raises(Refused, match="no_role"):
            identity(CLAIMS | nothing, mapped)


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as made:
        yield made


@pytest_asyncio.fixture
async def console(provider: Provider) -> AsyncIterator[OidcClient]:
    made = OidcClient(_settings(provider.url))
    yield made
    await made.stop()


def _settings(issuer: str) -> ReporterSettings:
    return ReporterSettings(oidc_issuer=issuer, oidc_client_id=CLIENT, oidc_client_secret=SECRET)  # type: ignore[arg-type]


async def _sign_in(console: OidcClient, nonce: str = "nonce", verifier: str = "v" * 43) -> dict[str, Any]:
    url = await console.address(state="state", nonce="nonce", verifier="v" * 43, back=BACK)
    async with httpx.AsyncClient() as browser:
        back = httpx.URL((await browser.get(url)).headers["location"])
    assert back.params["state"] == "state"
    return await console.claims(back.params["code"], nonce=nonce, verifier=verifier, back=BACK)


async def test_a_code_is_exchanged_for_checked_claims(provider: Provider, console: OidcClient) -> None:
    claims = await _sign_in(console)
    assert (claims["sub"], claims["iss"], claims["aud"]) == ("1", provider.url, CLIENT)
    await _sign_in(console)
    assert provider.asked.count("/keys") == 1


@pytest.mark.parametrize(
    "twist",
    [
        {"nonce": "another"},
        {"aud": "another client"},
        {"aud": [CLIENT, "another client"]},  # for several, without saying who asked
        {"iss": "https://other.example"},
        {"exp": int(time.time()) - 3600},
        {"iat": int(time.time()) + 36_000},
        {"sub": ""},
    ],
    ids=str,
)
async def test_a_token_that_is_not_for_us_now_is_refused(
    twist: dict[str, Any], provider: Provider, console: OidcClient
) -> None:
    provider.twist = twist
    with pytest.raises(Problem) as refused:
        await _sign_in(console)
    assert (refused.value.status, refused.value.reason) == (403, "provider_refused")


async def test_a_token_that_somebody_else_signed_is_refused(provider: Provider, console: OidcClient) -> None:
    await _sign_in(console)
    provider.signs = RSAKey.generate_key(2048, {"kid": "one"})
    with pytest.raises(Problem, match=r"."):
        await _sign_in(console)
    claims = jwt.decode(provider.token("nonce"), provider.signs).claims
    shared = OctKey.import_key(SECRET + "x" * 32)
    symmetric = jwt.encode({"alg": "HS256", "kid": "one"}, claims, shared)
    head, body, _ = provider.token("nonce").split(".")
    none = "eyJhbGciOiJub25lIn0"  # {"alg":"none"}
    for forged in (symmetric, f"{none}.{body}.", f"{head}.{body}.", "not a token"):
        provider.token = lambda _, made=forged: made  # type: ignore[method-assign]
        with pytest.raises(Problem):
            await _sign_in(console)


async def test_a_code_works_once_and_with_its_own_verifier_only(provider: Provider, console: OidcClient) -> None:
    with pytest.raises(Problem):
        await _sign_in(console, verifier="w" * 43)
    with pytest.raises(Problem):
        await console.claims("code0", nonce="nonce", verifier="v" * 43, back=BACK)


async def test_a_provider_that_is_away_or_another_one_is_told_apart_from_a_refusal(provider: Provider) -> None:
    gone = OidcClient(_settings("http://127.0.0.1:9"))
    with pytest.raises(Unavailable):
        await gone.address(state="s", nonce="n", verifier="v" * 43, back=BACK)
    await gone.stop()
    other = OidcClient(_settings(provider.url.replace("127.0.0.1", "localhost")))
    with pytest.raises(Unavailable):  # what it says of itself is not the issuer we know
        await other.address(state="s", nonce="n", verifier="v" * 43, back=BACK)
    await other.stop()
    with pytest.raises(ValueError, match="https"):
        _settings("http://id.example")
