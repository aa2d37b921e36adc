"""A scripted stand-in for a Coop: takes items and reports as its pages say. Source: roostorg/coop docs/api."""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.support.scripted import Quiet, Scripted


@dataclass
class CoopServer(Scripted):
    """Keeps what it is sent with `key`; `script` holds statuses that the next requests are refused with."""

    key: str = "coop-key"
    items: list[dict[str, Any]] = field(default_factory=list)
    reports: list[dict[str, Any]] = field(default_factory=list)
    script: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        ours = self

        class Handler(Quiet):
            def do_POST(self) -> None:  # noqa: N802 - the library's name
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, answer = ours._decide(self.path, self.headers.get("X-API-KEY"), json.loads(body))
                raw = json.dumps(answer).encode() if answer is not None else b""
                self.send_response(status)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

        super().__init__(Handler)

    def _decide(self, path: str, key: str | None, said: Any) -> tuple[int, Any]:
        if self.script:
            status = self.script.pop(0)
            return status, {"errors": [{"status": status, "type": [], "title": "scripted", "detail": str(said)}]}
        if key != self.key:
            return 401, {"errors": [{"status": 401, "type": [], "title": "no such key"}]}
        if path == "/api/v1/items/async/":
            self.items += said["items"]
            return 202, None
        if path == "/api/v1/report":
            self.reports.append(said)
            return 201, {"reportId": f"r{len(self.reports)}"}
        return 404, None
