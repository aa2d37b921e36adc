"""Rules of signing in with an OpenID provider: what one way there and back is bound to, and whom claims admit. Pure.

Sources: OpenID Connect Core 1.0, sections 3.1.2 and 3.1.3.7; RFC 7636 (PKCE); RFC 9700, sections 2.1 and 4.7.
Invariant: state, nonce and verifier follow from a cookie of this very browser and our own secret, so an answer that the
provider gave somebody else does not fit, and looking at the first address stores nothing here.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.reporter.console.roles import Role

ROUND_TRIP_S = 600
"""How long somebody may take at the provider."""
LONGEST_NAME = 200


class Refused(ValueError):
    """Claims that do not admit somebody; its text is a stable word, never a claim."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Whom the operator admits.

    `claim`: where roles stand (with dots into objects), `roles`: value -> role, `default`: the role of who has none of
    these (None: refused), `domains`: of verified e-mail addresses (none: any).
    """

    claim: str
    roles: Mapping[str, Role]
    default: Role | None
    domains: Sequence[str]


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a provider knows: `subject` is issuer and subject, which stay, `role` what the claims say, if they do."""

    subject: str
    account: str
    name: str
    role: Role | None


def departing(secret: str, noise: str, until: int, address: str) -> str:
    """Return the cookie of one way there and back. `until`: s since the epoch; `address`: where it leads at last."""
    body = f"{noise}.{until}.{urlsafe_b64encode(address.encode()).decode().rstrip('=')}"
    return f"{body}.{_mac(secret, 'cookie', body)}"


def proof(secret: str, cookie: str, what: str) -> str:
    """Return the state, the nonce or the verifier that belongs to a cookie (43 letters, as RFC 7636 wants it)."""
    return _mac(secret, what, cookie)


def returning(secret: str, cookie: str, state: str, now: int) -> str | None:
    """Return where somebody wanted to go; None if the answer does not belong to this browser or came too late."""
    body, _, mac = cookie.rpartition(".")
    if not hmac.compare_digest(mac.encode(), _mac(secret, "cookie", body).encode()):
        return None
    if not hmac.compare_digest(state.encode(), proof(secret, cookie, "state").encode()):
        return None
    _, until, address = body.split(".")
    if int(until) < now:
        return None
    return urlsafe_b64decode(address + "=" * (-len(address) % 4)).decode()


def identity(claims: Mapping[str, Any], rules: Rules) -> Identity:
    """Return whom checked claims are about. Raises Refused: `email_unverified`, `other_domain`, `no_role`."""
    email, verified = str(claims.get("email") or ""), claims.get("email_verified") is True
    if rules.domains:
        if not verified:
            raise Refused("email_unverified")
        if email.rpartition("@")[2].lower() not in {each.lower() for each in rules.domains}:
            raise Refused("other_domain")
    role = _role(claims, rules)
    if role is None and rules.roles and rules.default is None:
        raise Refused("no_role")
    subject = str(claims["sub"])
    account = (email if verified and email else subject).strip().lower()
    name = str(claims.get("name") or claims.get("preferred_username") or account)
    cleaned = "".join(letter for letter in name if letter.isprintable()).strip() or account
    return Identity(f"{claims['iss']} {subject}", account[:LONGEST_NAME], cleaned[:LONGEST_NAME], role)


def _role(claims: Mapping[str, Any], rules: Rules) -> Role | None:
    found: Any = claims
    for name in rules.claim.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    said = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    given = {rules.roles[each] for each in said if isinstance(each, str) and each in rules.roles}
    return max(given, key=list(Role).index, default=rules.default)


def _mac(secret: str, what: str, text: str) -> str:
    made = hmac.digest(secret.encode(), f"oidc {what} {text}".encode(), hashlib.sha256)
    return urlsafe_b64encode(made).decode().rstrip("=")
