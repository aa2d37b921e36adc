"""Where a platform shows a post: an address that others wrote, so little of it is believed.

Invariant: what is returned is an http or https address in ASCII whose host is the one that is named beside it.
"""

import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

HOST = re.compile(r"(?=.{1,253}$)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*\.?")
ADDRESS = re.compile(r"\[[0-9a-f:.]{2,45}\]")
LENGTH = 2000
KEPT = "/?#:@!$&'()*+,;=%~-._[]"
"""What of an address has a meaning of its own; everything else is written as bytes (RFC 3986)."""


@dataclass(frozen=True, slots=True)
class Original:
    """An address and its host in ASCII: names in other scripts as `xn--`, so that none looks like another."""

    url: str
    host: str


def original(url: str | None) -> Original | None:
    """Return where a post is shown, None where no address was given or it is not one to lead people to."""
    if not url or len(url) > LENGTH or not url.isprintable() or any(each in url for each in ' \\"<>'):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or "@" in parts.netloc or not parts.hostname:
        return None
    host = _host(parts.hostname, bracketed="[" in parts.netloc)
    if host is None:
        return None
    where = host if port is None else f"{host}:{port}"
    rest = url.partition("://")[2][len(parts.netloc) :]
    return Original(f"{parts.scheme}://{where}{quote(rest, safe=KEPT)}", where)


def _host(name: str, bracketed: bool) -> str | None:
    if bracketed:
        return f"[{name}]" if ADDRESS.fullmatch(f"[{name}]") else None
    try:
        plain = name.encode("idna").decode()
    except UnicodeError:
        return None
    return plain if HOST.fullmatch(plain) else None
