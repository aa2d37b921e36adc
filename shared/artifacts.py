"""Model artifacts by content: a file's name is its SHA-256, checked before anything is loaded. No pickle."""

import os
from pathlib import Path
from tempfile import NamedTemporaryFile

from shared.ids import digest

MAX_ARTIFACT_BYTES = 64 * 1024 * 1024


class BadArtifact(ValueError):
    """The bytes are not what their name says, or are not a model of ours."""


class ArtifactStore:
    """A folder of files named by their content; all services see the same one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, name: str) -> Path:
        """Return where an artifact lies. Raises BadArtifact for a name that is no SHA-256."""
        if len(name) != 64 or set(name) - set("0123456789abcdef"):
            raise BadArtifact("an artifact's name is 64 hexadecimal digits")
        return self._folder / name[:2] / name

    def put(self, data: bytes) -> str:
        """Store bytes durably and return their SHA-256; the file appears whole or not at all."""
        name = digest(data)
        target = self.path(name)
        if target.exists():
            return name
        target.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=target.parent, prefix=".part-", delete=False) as part:
            part.write(data)
            part.flush()
            os.fsync(part.fileno())
        Path(part.name).chmod(0o644)
        Path(part.name).rename(target)
        return name

    def get(self, name: str) -> bytes:
        """Return an artifact's bytes.

        Raises FileNotFoundError if it is not there and BadArtifact if its bytes do not match its name.
        """
        path = self.path(name)
        if path.stat().st_size > MAX_ARTIFACT_BYTES:
            raise BadArtifact("larger than an artifact may be")
        data = path.read_bytes()
        if digest(data) != name:
            raise BadArtifact("the bytes do not match the name")
        return data

    def has(self, name: str) -> bool:
        """Return whether an artifact is there."""
        return self.path(name).exists()
