"""Keeps secrets of webhooks so that a copy of the database alone tells nobody what they are.

Invariant: what is sealed opens with the same key only; without a key secrets are kept as they are, and that is said at
start. Source of the format: Fernet (AES-128-CBC with HMAC-SHA256), github.com/fernet/spec.
"""

import base64
import hashlib
import os
import secrets
from pathlib import Path

import structlog
from cryptography.fernet import Fernet, InvalidToken
from pydantic import SecretStr

log = structlog.get_logger("ombud.reporter")

SEALED = "sealed:"
FILE = "reporter.key"


class WrongKey(Exception):
    """A secret was sealed with another key."""


class Seal:
    """Closes and opens secrets with one key; None closes nothing."""

    def __init__(self, key: str | None = None) -> None:
        self._fernet: Fernet | None = None
        self.use(key)

    def use(self, key: str | None) -> None:
        """Close and open with this key from now on."""
        digest = hashlib.sha256((key or "").encode()).digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(digest)) if key else None

    @property
    def closes(self) -> bool:
        """Return whether there is a key."""
        return self._fernet is not None

    def close(self, secret: str) -> str:
        """Return how a secret is kept."""
        if self._fernet is None or secret.startswith(SEALED):
            return secret
        return SEALED + self._fernet.encrypt(secret.encode()).decode()

    def open(self, kept: str) -> str:
        """Return the secret. Raises WrongKey."""
        if not kept.startswith(SEALED):
            return kept
        if self._fernet is None:
            raise WrongKey
        try:
            return self._fernet.decrypt(kept.removeprefix(SEALED).encode()).decode()
        except InvalidToken:
            raise WrongKey from None


def key_of(given: SecretStr | None, data_dir: Path, *, alone: bool) -> str | None:
    """Return the key of an installation: the given one, else that in a file which only we read.

    The file is made where we are `alone` with our database: processes that share one have to be given one key.
    """
    if given is not None:
        return given.get_secret_value()
    try:
        found = _of_file(data_dir / FILE, alone=alone)
    except OSError as error:
        log.warning("no file for the key of webhooks' secrets", error=type(error).__name__)
        found = None
    if found is None:
        log.warning("secrets of webhooks are kept as they are: set OMBUD_REPORTER_WEBHOOK_KEY")
    return found


def _of_file(path: Path, *, alone: bool) -> str | None:
    if alone and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        made = path.with_suffix(f".{secrets.token_hex(4)}")
        with os.fdopen(os.open(made, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32))
        try:
            os.link(made, path)  # of two who are first one wins, and both read that
        except FileExistsError:
            pass
        finally:
            made.unlink()
    return path.read_text().strip() if path.exists() else None
