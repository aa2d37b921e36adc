"""A real HTTP server on the loopback address that plays an outside service; what it answers is its subclass's."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


class Quiet(BaseHTTPRequestHandler):
    """A handler that writes no line for each request, and lets no answer wait for the other side's acknowledgement.

    Head and body leave separately; put off by Nagle's algorithm, each answer would take 40 ms longer than scripted.
    """

    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:
        pass


class Scripted:
    """Serves `handler` while its context is open."""

    def __init__(self, handler: type[Quiet], host: str = "127.0.0.1") -> None:
        self._server = ThreadingHTTPServer((host, 0), handler)
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
