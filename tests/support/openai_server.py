"""A scripted stand-in for OpenAI's API: chat completions, files and batches over HTTP, spoken to by the real client.

It scores by words of the posts, so that a second computation gives the same, and keeps every request it got.
"""

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from shared.vocabulary import CATEGORIES
from tests.support.scripted import Quiet, Scripted

ANSWERED_BY = "gpt-4o-mini-2024-07-18"
WORDS = {"fool": "insult", "beware": "threat", "nonsense": "toxic"}


@dataclass
class Reply:
    """What to answer to one chat completion: changed results, another status, a pause; None fields mean the usual."""

    results: Callable[[list[dict[str, Any]]], list[Any]] | None = None
    content: str | None = None
    finish_reason: str = "stop"
    refusal: str | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    code: str | None = None
    pause_s: float = 0.0
    hang_up: bool = False


Script = Callable[[list[dict[str, Any]], int], Reply | None]
"""Called with the posts of a request and its number from 1; None answers as usual."""


def scores(text: str) -> dict[str, float]:
    """Return the twelve scores of a text: 0.9 where it holds the word of a category, else 0.05."""
    found = dict.fromkeys(CATEGORIES, 0.05)
    for word, category in WORDS.items():
        if word in text:
            found[category] = 0.9
    return found


def results(posts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what a model that follows the schema answers."""
    return [{"id": post["id"], "scores": scores(post["text"]), "rationale": "as scripted"} for post in posts]


def posts_of(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the posts a request asks about."""
    asked: list[dict[str, Any]] = json.loads(request["messages"][-1]["content"])["posts"]
    return asked


def usage(request: dict[str, Any], content: str) -> dict[str, Any]:
    """Return plausible tokens: four bytes each, half of the instructions seen before."""
    system = len(request["messages"][0]["content"].encode()) // 4
    rest = len(request["messages"][1]["content"].encode()) // 4
    out = len(content.encode()) // 4
    return {
        "prompt_tokens": system + rest,
        "completion_tokens": out,
        "total_tokens": system + rest + out,
        "prompt_tokens_details": {"cached_tokens": system // 2},
    }


class OpenAiServer(Scripted):
    """Plays the API. `latency_s` is how long each answer takes."""

    def __init__(self, script: Script | None = None, latency_s: float = 0.0, host: str = "127.0.0.1") -> None:
        self.script = script
        self.latency_s = latency_s
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.bills: list[dict[str, Any]] = []
        self.most_at_once = 0
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.polls_until_done = 1
        self._at_once = 0
        self._lock = threading.Lock()
        server = self

        class Handler(Quiet):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:  # noqa: N802 - the library's name
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.path.endswith("/chat/completions"):
                    server._chat(self, json.loads(body))
                elif self.path.endswith("/files"):
                    self.answer(200, server._upload(body))
                elif self.path.endswith("/batches"):
                    self.answer(200, server._open_batch(json.loads(body)))
                else:
                    self.answer(404, {"error": {"message": "no such path"}})

            def do_GET(self) -> None:  # noqa: N802
                path = self.path.partition("?")[0]
                if found := re.search(r"/files/([^/]+)/content$", path):
                    self.answer(200, server.files[found[1]], "application/octet-stream")
                elif found := re.search(r"/batches/([^/]+)$", path):
                    self.answer(200, server._poll(found[1]))
                elif path.endswith("/batches"):
                    listed = list(server.batches.values())[::-1]
                    self.answer(200, {"object": "list", "data": listed, "has_more": False})
                else:
                    self.answer(404, {"error": {"message": "no such path"}})

            def answer(
                self, status: int, content: Any, kind: str = "application/json", headers: dict[str, str] | None = None
            ) -> None:
                raw = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(raw)))
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(raw)

        super().__init__(Handler, host)

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    @property
    def asked(self) -> list[str]:
        """Return every text that was sent, repetitions included."""
        return [post["text"] for request in self.requests for post in posts_of(request)]

    def _chat(self, handler: Any, request: dict[str, Any]) -> None:
        with self._lock:
            self.requests.append(request)
            self.headers.append({name.lower(): value for name, value in handler.headers.items()})
            number = len(self.requests)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            reply = (self.script(posts_of(request), number) if self.script else None) or Reply()
            time.sleep(self.latency_s + reply.pause_s)
            if reply.hang_up:
                handler.close_connection = True
                return
            if reply.status != 200:
                error = {"error": {"message": "scripted", "type": "scripted", "code": reply.code}}
                handler.answer(reply.status, error, headers=reply.headers)
                return
            handler.answer(200, self._completion(request, reply))
        except (BrokenPipeError, ConnectionResetError):
            handler.close_connection = True
        finally:
            with self._lock:
                self._at_once -= 1

    def _completion(self, request: dict[str, Any], reply: Reply) -> dict[str, Any]:
        told = (reply.results or results)(posts_of(request))
        content = json.dumps({"results": told}) if reply.content is None else reply.content
        spent = usage(request, content)
        with self._lock:
            self.bills.append(spent)
        message = {"role": "assistant", "content": None if reply.refusal else content, "refusal": reply.refusal}
        return {
            "id": f"chatcmpl-{uuid4().hex}",
            "object": "chat.completion",
            "created": 1,
            "model": ANSWERED_BY,
            "choices": [{"index": 0, "finish_reason": reply.finish_reason, "message": message, "logprobs": None}],
            "usage": spent,
        }

    # -- the Batch API --------------------------------------------------------------------------------------

    def _upload(self, body: bytes) -> dict[str, Any]:
        name = f"file-{uuid4().hex}"
        content = body.split(b"\r\n\r\n")
        (lines,) = [part for part in content if part.lstrip().startswith(b'{"custom_id"')]
        self.files[name] = lines.split(b"\r\n--")[0]
        return self._file(name)

    def _file(self, name: str) -> dict[str, Any]:
        size = len(self.files[name])
        return {
            "id": name, "object": "file", "bytes": size, "created_at": 1, "filename": "batch.jsonl",
            "purpose": "batch", "status": "processed",
        }  # fmt: skip

    def _open_batch(self, wanted: dict[str, Any]) -> dict[str, Any]:
        name = f"batch_{uuid4().hex}"
        lines = self.files[wanted["input_file_id"]].strip().splitlines()
        self.batches[name] = {
            "id": name,
            "object": "batch",
            "endpoint": wanted["endpoint"],
            "input_file_id": wanted["input_file_id"],
            "completion_window": wanted["completion_window"],
            "status": "in_progress",
            "created_at": 1,
            "metadata": wanted.get("metadata"),
            "output_file_id": None,
            "error_file_id": None,
            "request_counts": {"total": len(lines), "completed": 0, "failed": 0},
            "polls": 0,
        }
        return self.batches[name]

    def _poll(self, name: str) -> dict[str, Any]:
        batch = self.batches[name]
        batch["polls"] += 1
        if batch["status"] == "in_progress" and batch["polls"] >= self.polls_until_done:
            self._complete(batch)
        return batch

    def _complete(self, batch: dict[str, Any]) -> None:
        good, bad = [], []
        for n, line in enumerate(self.files[batch["input_file_id"]].strip().splitlines(), 1):
            request = json.loads(line)
            body = request["body"]
            reply = (self.script(posts_of(body), n) if self.script else None) or Reply()
            done = {"id": f"batch_req_{n}", "custom_id": request["custom_id"], "error": None}
            if reply.status != 200:
                answer = {"status_code": reply.status, "request_id": "r", "body": {"error": {"message": "scripted"}}}
                bad.append(done | {"response": answer})
            else:
                answer = {"status_code": 200, "request_id": "r", "body": self._completion(body, reply)}
                good.append(done | {"response": answer})
        for rows, key in ((good, "output_file_id"), (bad, "error_file_id")):
            if rows:
                batch[key] = f"file-{uuid4().hex}"
                self.files[batch[key]] = b"\n".join(json.dumps(row).encode() for row in rows[::-1]) + b"\n"
        batch["status"] = "completed"
        batch["request_counts"] = {"total": len(good) + len(bad), "completed": len(good), "failed": len(bad)}
