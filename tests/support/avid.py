"""A scripted stand-in for AVID's editorial API: a real HTTP server that records what arrives."""

import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from uuid import uuid4


@dataclass(frozen=True)
class Received:
    """One request and what it was answered."""

    path: str
    headers: dict[str, str]
    body: bytes
    status: int
    receipt: str | None


class AvidServer:
    """Answers with the statuses of `script` in turn, and once they are used up with 200 and a uuid as JSON text."""

    def __init__(self, script: Iterable[int] = (), host: str = "127.0.0.1") -> None:
        self.received: list[Received] = []
        script = list(script)
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
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

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer((host, 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
