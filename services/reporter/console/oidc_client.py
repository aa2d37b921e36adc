"""Speaks to an OpenID provider: its description, its keys, and the exchange of a code for checked claims.

Invariant: claims come out only after signature, issuer, audience, times and nonce were checked; no code, token or claim
reaches a log line or an exception.
"""

from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import orjson
from authlib.integrations.base_client import OAuthError
from authlib.oauth2.client import OAuth2Client
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from services.reporter.settings import ReporterSettings
from shared.clock import monotonic
from shared.errors import Problem, Unavailable

GIVE_UP_S = 10.0
LARGEST = 512 * 1024
"""Bytes of an answer of the provider that are read."""
KEPT_S, ASK_AGAIN_S = 3600.0, 30.0
"""How long description and keys are believed, and how soon an unknown key makes us ask for them again."""
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]
"""Signatures with a key of the provider's own; never `none`, and no secret that we share with it."""
LEEWAY_S = 60
NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class OidcClient:
    """The provider that is configured."""

    def __init__(self, settings: ReporterSettings) -> None:
        self._issuer = settings.oidc_issuer or ""
        self._id = settings.oidc_client_id or ""
        self._secret = settings.oidc_client_secret.get_secret_value() if settings.oidc_client_secret else None
        self._scope = settings.oidc_scope
        self._http: httpx.AsyncClient | None = None
        self._about: dict[str, Any] = {}
        self._about_at = self._keys_at = float("-inf")
        self._keys: KeySet = KeySet([])

    async def address(self, *, state: str, nonce: str, verifier: str, back: str) -> str:
        """Return where the browser goes to sign in. Raises Unavailable."""
        about = await self._description()
        client = OAuth2Client(None, client_id=self._id, scope=self._scope, redirect_uri=back)
        more = {"code_challenge": create_s256_code_challenge(verifier), "code_challenge_method": "S256"}
        url, _ = client.create_authorization_url(about["authorization_endpoint"], state=state, nonce=nonce, **more)
        return str(url)

    async def claims(self, code: str, *, nonce: str, verifier: str, back: str) -> dict[str, Any]:
        """Return the checked claims of who signed in. Raises Problem 403 (refused) and Unavailable."""
        about = await self._description()
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back, "code_verifier": verifier}
        ways = about.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        auth = None
        if self._secret is None or "client_secret_basic" not in ways:
            form |= {"client_id": self._id} | ({"client_secret": self._secret} if self._secret else {})
        else:
            auth = httpx.BasicAuth(quote(self._id, safe=""), quote(self._secret, safe=""))
        answer = await self._ask("POST", about["token_endpoint"], data=form, auth=auth)
        if not answer.is_success or not isinstance(tokens := _json(answer), dict) or "id_token" not in tokens:
            raise _refused("code")
        return await self._checked(str(tokens["id_token"]), nonce, tokens.get("access_token"))

    async def stop(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.aclose()

    async def _checked(self, token: str, nonce: str, access_token: Any) -> dict[str, Any]:
        try:
            read = await self._verified(token)
            exact: Any = {
                "iss": {"essential": True, "value": self._issuer},
                "sub": {"essential": True},
                "aud": {"essential": True, "value": self._id},
                "exp": {"essential": True},
                "iat": {"essential": True},
            }
            params = {"nonce": nonce, "client_id": self._id, "access_token": access_token}
            claims = CodeIDToken(read.claims, read.header, exact, params)
            claims.validate(leeway=LEEWAY_S)
        except (JoseError, OAuthError, ValueError, TypeError, KeyError) as error:
            raise _refused(type(error).__name__) from None
        return dict(claims)

    async def _verified(self, token: str) -> jwt.Token:
        """Return a token whose signature is the provider's; a key that is new there is asked for once."""
        await self._learn_keys(KEPT_S)
        try:
            return jwt.decode(token, self._keys, algorithms=ALGORITHMS)
        except (JoseError, ValueError):
            await self._learn_keys(ASK_AGAIN_S)
        return jwt.decode(token, self._keys, algorithms=ALGORITHMS)

    async def _learn_keys(self, within_s: float) -> None:
        if monotonic() - self._keys_at <= within_s:
            return
        about = await self._description()
        answer = await self._ask("GET", about["jwks_uri"])
        try:
            found = [each for each in _json(answer)["keys"] if each.get("use", "sig") == "sig" and each["kty"] != "oct"]
            self._keys = KeySet.import_key_set({"keys": found})
        except (JoseError, ValueError, KeyError, TypeError):
            raise Unavailable("OpenID provider") from None
        self._keys_at = monotonic()

    async def _description(self) -> dict[str, Any]:
        if monotonic() - self._about_at <= KEPT_S:
            return self._about
        answer = await self._ask("GET", f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        about = _json(answer) if answer.is_success else None
        if not isinstance(about, dict) or about.get("issuer") != self._issuer:
            raise Unavailable("OpenID provider")
        if not all(_trusted(str(about.get(name)), self._issuer) for name in NEEDED):
            raise Unavailable("OpenID provider")
        self._about, self._about_at = about, monotonic()
        return about

    async def _ask(self, method: str, url: str, **more: Any) -> httpx.Response:
        if self._http is None:
            self._http = httpx.AsyncClient(timeout=GIVE_UP_S, follow_redirects=False)
        try:
            async with self._http.stream(method, url, headers={"Accept": "application/json"}, **more) as answer:
                body = b""
                async for piece in answer.aiter_bytes():
                    body += piece
                    if len(body) > LARGEST:
                        raise Unavailable("OpenID provider")
        except (httpx.HTTPError, httpx.InvalidURL, OSError):
            raise Unavailable("OpenID provider") from None
        if answer.status_code >= 500:
            raise Unavailable("OpenID provider")
        return httpx.Response(answer.status_code, content=body)


def _json(answer: httpx.Response) -> Any:
    try:
        return orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return None


def _trusted(url: str, issuer: str) -> bool:
    """Return whether an address is as safe as the issuer's own: TLS, but for providers on this very machine."""
    parts = urlsplit(url)
    return bool(parts.hostname) and parts.scheme in ("https", urlsplit(issuer).scheme)


def _refused(why: str) -> Problem:
    return Problem(403, "provider_refused", "The OpenID provider's answer was not accepted.", why=why)
