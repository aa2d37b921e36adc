"""A scripted stand-in for AVID's editorial API: a real HTTP server that records what arrives."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import uuid4

from tests.support.scripted import Quiet, Scripted


@dataclass(frozen=True)
class Received:
    """One request and what it was answered."""

    path: str
    headers: dict[str, str]
    body: bytes
    status: int
    receipt: str | None


class AvidServer(Scripted):
    """Answers with the statuses of `script` in turn, and once they are used up with 200 and a uuid as JSON text."""

    def __init__(self, script: Iterable[int] = (), host: str = "127.0.0.1") -> None:
        self.received: list[Received] = []
        script = list(script)
        received = self.received

        class Handler(Quiet):
            def do_POST(self) -> None:  # noqa: N802 - the library's name
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status = script.pop(0) if script else 200
                receipt = str(uuid4()) if status == 200 else None
                headers = {name.lower(): value for name, value in self.headers.items()}
                received.append(Received(self.path, headers, body, status, receipt))
                answer = json.dumps(receipt).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        super().__init__(Handler, host)
