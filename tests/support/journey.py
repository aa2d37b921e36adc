"""The way of posts through Ombud, step by step, each step with what has to be true after it.

Invariant: every step talks to a real, running Ombud over HTTP or the command line; only `inside` looks behind it.
"""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import orjson

from shared.sample import rows
from tests.support.avid import AvidServer
from tests.support.browser import COOKIE
from tests.support.commands import ombud, succeeds
from tests.support.corpus import Corpus
from tests.support.inside import Inside
from tests.support.servers import eventually

CORRECTIONS = 20
DELETED, ERASED = "quizzelbrandt", "vorhemundra"
"""Words that no text holds but the posts that are taken away later: one post, and everything of one author."""
AUTHOR = "ada of the tests"
PLATFORM = "forum"
AVID_KEY = "key-of-avid-0000"


RUDE = ("toxic", "insult", "threat")
"""Categories in which these comments are flagged rightly: their raters marked the words."""


def wrong_of(post: dict[str, Any]) -> list[str]:
    """What a flagged post is flagged for wrongly; all of it where only rudeness is named."""
    flagged = post["flagged_categories"]
    return [category for category in flagged if category not in RUDE] or list(flagged)


@dataclass
class Journey:
    """One Ombud and what was done with it so far. `client` gives an HTTP client of a service (or the gateway).

    `secrets` (by what they are) and `words` are what was told on the way and what no log may hold.
    """

    client: Callable[[str], httpx.AsyncClient]
    url: str
    folder: Path
    inside: Inside
    avid: AvidServer
    figures: dict[str, float] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)

    async def ask(self, service: str, method: str, path: str, expected: int = 200, **request: Any) -> Any:
        """Send one request and return the JSON of the expected answer."""
        async with self.client(service) as http:
            answer = await http.request(method, path, **request)
        assert answer.status_code == expected, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    async def get(self, service: str, path: str) -> Any:
        """Read something."""
        return await self.ask(service, "GET", path)

    # -- posts come in and are scored -----------------------------------------------------------------------

    async def ingest(self, file: Path, count: int) -> None:
        """Send a file with the real command line; every row has to be accepted."""
        begun = time.monotonic()
        said = await succeeds("ingest", file, "--url", self.url, data_dir=self.folder, within=600)
        assert f"{count} rows: {count} accepted, 0 known already, 0 rejected" in said
        self.figures[f"ingest {file.name}: s"] = time.monotonic() - begun

    async def ingest_posts_to_be_taken_away(self) -> dict[str, str]:
        """Send three posts with the marker words, all flagged; return their word by post id."""
        words = (DELETED, ERASED, ERASED)
        texts = await self._flagged_texts(words)
        posts = [
            {"platform": PLATFORM, "external_id": f"gone-{n}", "text": text, "author": author}
            for n, (text, author) in enumerate(zip(texts, ("bob", AUTHOR, AUTHOR), strict=True))
        ]
        self.words += texts
        file = self.folder / "gone.jsonl"
        file.write_bytes(b"".join(orjson.dumps(post) + b"\n" for post in posts))
        await self.ingest(file, len(posts))
        listed = await self.all_posts(len(posts), platform=PLATFORM)
        assert [post["flagged"] for post in listed] == [True] * len(posts)
        return {post["post_id"]: words[int(post["external_id"].removeprefix("gone-"))] for post in listed}

    async def _flagged_texts(self, words: Sequence[str]) -> list[str]:
        """Return texts that end in the given words and that the live model flags, rather wrongly than rightly."""
        found: list[str] = []
        for row in sorted(rows("post"), key=lambda row: any(row.labels.values())):
            text = f"{row.text} {words[len(found)]}"
            score = await self.ask("classifier", "POST", "/predict", json={"inputs": text})
            found += [text] if score["flagged"] else []
            if len(found) == len(words):
                return found
        raise AssertionError("the model flags too little of the sample")

    async def all_posts(self, count: int, platform: str | None = None) -> list[dict[str, Any]]:
        """Wait until so many posts are scored and have a status; return them all as the reporter knows them."""

        async def found() -> list[dict[str, Any]]:
            posts = [post for post in await self._walk() if platform in (None, post["platform"])]
            done = [post for post in posts if post["model_version"] and post["status"]]
            return done if len(done) >= count else []

        return await eventually(found, 120, 0.5)

    async def _walk(self) -> list[dict[str, Any]]:
        posts: list[dict[str, Any]] = []
        after = ""
        while True:
            page = await self.get("reporter", f"/v1/posts?limit=1000{after}")
            posts += page["posts"]
            if page["next"] is None:
                return posts
            after = f"&after={page['next']}"

    async def everything_scored_once(self, corpus: Corpus, texts: dict[str, str]) -> str:
        """Wait until every post is scored; each one exactly once, with its own text. Return the model's version."""
        begun = time.monotonic()

        async def scored() -> bool:
            counts = (await self.get("reporter", "/v1/overview"))["posts"]
            statuses = sum(counts[name] for name in ("needs_review", "status_flagged", "cleared"))
            return bool(counts["scored"] >= corpus.count and statuses >= corpus.count)

        await eventually(scored, 600, 0.2)
        self.figures["last accepted -> last scored: s"] = time.monotonic() - begun
        said = self.inside.said("posts.scored")
        assert len(said) == corpus.count
        assert len({event["id"] for event in said}) == corpus.count
        assert {event["data"]["post"]["external_id"]: event["data"]["post"]["text"] for event in said} == texts
        kept = self.inside.scores()
        assert len(kept) == len({post_id for post_id, _ in kept}) == corpus.count
        (version,) = {version for _, version in kept}
        return version

    # -- people correct, the model learns -------------------------------------------------------------------

    async def correct(self, must: Sequence[str], version: str) -> list[dict[str, Any]]:
        """Say of twenty flagged posts that they attack nobody's group, `must` among them; return them as before.

        Rude they are, and who said otherwise would teach the model what the gate refuses.
        """
        flagged = (await self.get("reporter", "/v1/posts?flagged=true&limit=1000"))["posts"]
        chosen = [await self.get("reporter", f"/v1/posts/{post_id}") for post_id in must]
        chosen += [post for post in flagged if post["post_id"] not in must][: CORRECTIONS - len(must)]
        assert len(chosen) == CORRECTIONS and {post["model_version"] for post in chosen} == {version}
        for post in chosen:
            correction = {
                "post_id": post["post_id"],
                "feedback_type": "false_positive",
                "actual_categories": wrong_of(post),
            }
            heard = await self.ask("ingest", "POST", "/v1/feedback", 202, json=correction)
            assert heard["duplicate"] is False
        return chosen

    async def retrained(self, before: str) -> str:
        """Wait until a run that the corrections started is over and its model promoted; return its version."""

        async def over() -> Any:
            refits = await self.get("trainer", "/v1/runs?kind=refit")
            started = [run for run in refits if run["trigger"] == "corrections"]  # drift may have asked for another
            return started[0] if started and started[0]["finished_at"] else None

        begun = time.monotonic()
        run = await eventually(over, 300, 0.5)
        self.figures["last correction -> model trained: s"] = time.monotonic() - begun
        assert (run["state"], run["error"]) == ("finished", None)
        assert run["corrections"] == CORRECTIONS
        model = await self.get("trainer", f"/v1/models/{run['model_version']}")
        assert model["promoted"], f"the gate refused: {model['reasons']}"
        assert (model["layer"], model["version"] != before) == ("refit", True)
        await eventually(lambda: self.inside.said("models.promoted")[-1]["data"]["model_version"] == model["version"])
        return str(model["version"])

    async def rescored(self, corrected: Sequence[dict[str, Any]], version: str, count: int) -> None:
        """Wait until the new model has scored every post again; the corrected posts score lower where it matters."""

        async def finished() -> bool:
            runs = await self.get("classifier", "/v1/analysis-runs")
            mine = [run for run in runs if run["kind"] == "rescore" and run["model_version"] == version]
            return bool(mine) and mine[0]["state"] == "finished"

        begun = time.monotonic()
        await eventually(finished, 600, 0.5)
        self.figures["model trained -> all rescored: s"] = time.monotonic() - begun
        kept = Counter(self.inside.scores())
        assert set(kept.values()) == {1}
        assert sum(1 for _, model in kept if model == version) == count
        for before in corrected:
            after = await self._seen_with(before["post_id"], version)
            for category in wrong_of(before):
                assert after["scores"][category] < before["scores"][category], (category, before["scores"])

    async def _seen_with(self, post_id: str, version: str) -> dict[str, Any]:
        async def seen() -> Any:
            post = await self.get("reporter", f"/v1/posts/{post_id}")
            return post if post["model_version"] == version else None

        return dict(await eventually(seen, 60, 0.2))

    async def statuses_changed(self, corrected: Sequence[dict[str, Any]]) -> None:
        """Each corrected post is cleared by its reviewer, and its history says what it was before."""
        for post in corrected:

            async def cleared(post_id: str = post["post_id"]) -> Any:
                status = await self.get("auditor", f"/v1/posts/{post_id}/status")
                return status if status["rule"] == "reviewer" else None

            status = await eventually(cleared, 60, 0.2)
            assert status["status"] == "cleared"
            steps = [(step["status"], step["previous"], step["rule"]) for step in status["history"]]
            assert steps == [("flagged", None, "model"), ("cleared", "flagged", "reviewer")]

    # -- who else comes in -----------------------------------------------------------------------------------

    async def everybody_comes_in(self, post_id: str) -> None:
        """Use every kind of secret there is, rightly and wrongly: keys, links, a password, a session, a webhook's."""
        for scope in ("read", "score", "review"):
            made = await self.ask("ingest", "POST", "/v1/keys", 201, json={"name": scope, "scopes": [scope]})
            self.secrets[f"the key with {scope}"] = made["key"]
            headers = {"Authorization": f"Bearer {made['key']}"}
            await self.ask("ingest", "GET", "/v1/keys", 403, headers=headers)
            wanted = 200 if scope == "read" else 403
            # another service hears of a new key within a second
            asked = partial(self.ask, "reporter", "GET", f"/v1/posts/{post_id}", wanted, headers=headers)
            await eventually(asked)
        await self._welcome()
        session = await self._sign_in()
        headers = {"Authorization": f"Bearer {session}"}
        await self.ask("reporter", "GET", f"/v1/posts/{post_id}", headers=headers)
        await self.ask("ingest", "GET", "/v1/keys", 403, headers=headers)
        hook = {"url": "http://127.0.0.1:9/hook", "streams": ["reports.submitted"], "description": "Nobody is there"}
        made = await self.ask("reporter", "POST", "/v1/webhooks", 201, json=hook)
        self.secrets["the webhook's secret"] = made["secret"]

    async def _welcome(self) -> None:
        url = httpx.URL((await self.ask("ingest", "POST", "/v1/invitations", 201))["url"])
        token = self.secrets["the link's token"] = url.params["token"]
        async with self.client("ingest") as http:
            given = (await http.post("/welcome", data={"token": token})).text
            assert (await http.post("/welcome", data={"token": token})).status_code >= 400
        (self.secrets["the link's key"],) = re.findall(r"ombud_[\w-]{43}", given)

    async def _sign_in(self) -> str:
        invited = await self.ask("reporter", "POST", "/v1/people/invitations", 201, json={"role": "reviewer"})
        token = self.secrets["the invitation's token"] = httpx.URL(invited["url"]).params["token"]
        password = self.secrets["the password"] = "a long password of the journey"
        form = {"token": token, "account": "noor", "name": "Noor", "password": password}
        async with self.client("reporter") as http:
            http.headers.pop("Authorization")
            joined = await http.post("/join", data=form)
            assert joined.status_code == 303, joined.text
            wrong = {"account": "noor", "password": f"{password}, but wrong"}
            assert (await http.post("/signin", data=wrong)).status_code >= 400
            for page in ("/overview", "/analysis/flagged", "/live"):
                assert (await http.get(page)).status_code == 200
        session = self.secrets["the session"] = str(joined.cookies[COOKIE])
        return session

    # -- what was found leaves the house --------------------------------------------------------------------

    async def report(self, post_ids: Sequence[str]) -> str:
        """Draft a report about three posts, complete it, and follow its document to AVID; return its id."""
        draft = await self.ask("reporter", "POST", "/v1/reports", 201, json={"post_ids": list(post_ids)})
        path = f"/v1/reports/{draft['id']}"
        assert [each["post_id"] for each in draft["evidence"]] == list(post_ids)
        assert {each["field"] for each in draft["missing"]} >= {"title", "error_type", "summary"}
        refused = await self.ask("reporter", "POST", f"{path}/complete", 422, json={"version": draft["version"]})
        assert refused["reason"]
        self.words.append("Posts that insult nobody at all were flagged here.")
        change = {
            "version": draft["version"],
            "title": "Harmless posts are flagged",
            "error_type": "over-sensitive",
            "audit_category": "accuracy",
            "summary": self.words[-1],
            "judgements": dict.fromkeys(post_ids, "not_toxic"),
        }
        changed = await self.ask("reporter", "PATCH", path, json=change)
        assert changed["missing"] == []
        await self.ask("reporter", "POST", f"{path}/complete", json={"version": changed["version"], "send": True})
        await self._arrived(path)
        return str(draft["id"])

    async def _arrived(self, path: str) -> None:
        async def receipt() -> Any:
            report = await self.get("reporter", path)
            return report if report["receipt"] else None

        report = await eventually(receipt, 60, 0.2)
        assert [each.status for each in self.avid.received] == [503, 200]
        received = self.avid.received[-1]
        assert (received.path, received.headers["authorization"]) == ("/submit", AVID_KEY)
        document = await self.get("reporter", f"{path}/avid.json")
        assert len(document["metrics"][0]["results"]["rows"]) == len(report["evidence"]) == 3
        assert orjson.loads(received.body) == decimals_as_text(document)
        (delivery,) = report["deliveries"]
        assert (delivery["state"], delivery["attempts"], delivery["receipt"]) == ("sent", 2, received.receipt)
        assert (report["receipt"], report["receipt_state"]) == (received.receipt, "sent")
        (completed,), (submitted,) = self.inside.said("reports.completed"), self.inside.said("reports.submitted")
        assert completed["data"]["report_id"] == submitted["data"]["report_id"] == report["id"]
        assert (submitted["data"]["state"], submitted["data"]["receipt"]) == ("sent", received.receipt)
        assert completed["correlationid"] == submitted["correlationid"]

    # -- what is taken away is gone -------------------------------------------------------------------------

    async def take_away(self, words: dict[str, str], report_id: str) -> None:
        """Delete one post and erase one author; afterwards their words are nowhere, and ids and statuses stay."""
        assert self.inside.places_of(DELETED) and self.inside.places_of(ERASED)
        (deleted,) = [post_id for post_id, word in words.items() if word == DELETED]
        erase = ("--url", self.url, "--author", AUTHOR, "--platform", PLATFORM)
        await succeeds("erase", "--url", self.url, "--post", deleted, data_dir=self.folder)
        await succeeds("erase", *erase, data_dir=self.folder)
        begun = time.monotonic()
        left = [DELETED, ERASED]
        while left and time.monotonic() - begun < 60:
            await asyncio.sleep(0.5)
            left = self.inside.places_of(DELETED) + self.inside.places_of(ERASED)
        assert left == []
        self.figures["erasure asked -> nothing left: s"] = time.monotonic() - begun
        for post_id in words:
            post = await self.get("reporter", f"/v1/posts/{post_id}")
            assert (post["text"], post["author"], bool(post["deleted_at"])) == (None, None, True)
            assert post["scores"] and post["status"] == "cleared"
        report = await self.get("reporter", f"/v1/reports/{report_id}")
        assert {each["post_id"] for each in report["evidence"] if each["deleted"]} == words.keys() & {
            each["post_id"] for each in report["evidence"]
        }
        assert report["redacted_at"] and report["receipt"]


def decimals_as_text(value: Any) -> Any:
    """Return a document as AVID's example writes it: fractions are text."""
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, dict):
        return {name: decimals_as_text(each) for name, each in value.items()}
    return [decimals_as_text(each) for each in value] if isinstance(value, list) else value


async def refused_without_key(url: str, file: Path, folder: Path) -> None:
    """The command line with a key nobody knows is refused and says so."""
    done = await ombud("ingest", file, "--url", url, data_dir=folder, key="ombud_nobody")
    assert done.returncode != 0
    assert "not known" in done.stdout + done.stderr
