"""An OpenID provider on the loopback address: real HTTP, PKCE, tokens with real signatures; tests say what is wrong."""

import base64
import hashlib
import threading
import time
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import orjson
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.support.scripted import Quiet, Scripted

CLIENT, SECRET = "ombud of the tests", "a secret: of the provider"


class Provider(Scripted):
    """Signs in whoever asks as the person in `claims`; `twist` changes the claims of the next token."""

    def __init__(self) -> None:
        self.claims: dict[str, Any] = {"sub": "1", "name": "Noor", "email": "noor@example.org", "email_verified": True}
        self.twist: dict[str, Any] = {}
        self.key = self.signs = RSAKey.generate_key(2048, {"kid": "one"})
        self.asked: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}
        self._lock = threading.Lock()
        provider = self

        class Handler(Quiet):
            def do_GET(self) -> None:  # noqa: N802 - the library's name
                provider.get(self)

            def do_POST(self) -> None:  # noqa: N802 - the library's name
                provider.post(self)

        super().__init__(Handler)

    def get(self, handler: Quiet) -> None:
        path, _, query = handler.path.partition("?")
        self.asked.append(path)
        if path == "/.well-known/openid-configuration":
            names = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
            _say(handler, 200, {"issuer": self.url} | {name: f"{self.url}/{end}" for name, end in names.items()})
        elif path == "/keys":
            _say(handler, 200, {"keys": [self.key.as_dict(private=False) | {"use": "sig"}]})
        elif path == "/authorize":
            given = dict(parse_qsl(query))
            assert (given["client_id"], given["response_type"]) == (CLIENT, "code")
            assert given["code_challenge_method"] == "S256" and "openid" in given["scope"].split()
            code = f"code{len(self._codes)}"
            self._codes[code] = given
            handler.send_response(302)
            back = urlencode({"code": code, "state": given["state"]})
            handler.send_header("Location", f"{given['redirect_uri']}?{back}")
            handler.end_headers()
        else:
            _say(handler, 404, {})

    def post(self, handler: Quiet) -> None:
        self.asked.append(handler.path)
        form = {
            k: v[0] for k, v in parse_qs(handler.rfile.read(int(handler.headers["Content-Length"])).decode()).items()
        }
        right = base64.b64encode(f"{_quoted(CLIENT)}:{_quoted(SECRET)}".encode()).decode()
        given = self._codes.pop(form["code"], None)
        proof = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode().rstrip("=")
        good = given and given["code_challenge"] == proof and given["redirect_uri"] == form["redirect_uri"]
        if not given or not good or handler.headers.get("Authorization") != f"Basic {right}":
            _say(handler, 400, {"error": "invalid_grant"})
            return
        _say(handler, 200, {"access_token": "x", "token_type": "Bearer", "id_token": self.token(given["nonce"])})

    def token(self, nonce: str) -> str:
        """Return a token of the person, as wrong as `twist` says."""
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": nonce} | self.claims
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims | self.twist, self.signs)


def _quoted(text: str) -> str:
    return urlencode({"": text}, safe="")[1:].replace("+", "%20")


def _say(handler: Quiet, status: int, body: Any) -> None:
    raw = orjson.dumps(body)
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(raw)))
    handler.end_headers()
    handler.wfile.write(raw)


def query_of(url: str) -> dict[str, str]:
    """Return the parameters of an address."""
    return dict(parse_qsl(urlsplit(url).query))
