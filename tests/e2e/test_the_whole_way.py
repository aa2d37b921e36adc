"""Every post of a real corpus travels the whole way: five processes, a broker, SQLite, the real command line."""

import time
from pathlib import Path

import pytest

from tests.support.avid import AvidServer
from tests.support.corpus import read, real_posts
from tests.support.inside import LocalInside
from tests.support.journey import AUTHOR, AVID_KEY, DELETED, ERASED, Journey, refused_without_key
from tests.support.leaks import leaks
from tests.support.ombud import KEY
from tests.support.shapes import split

pytestmark = pytest.mark.slow
SALT, LLM_KEY = "salt-of-the-whole-way-000000000000", "sk-of-the-whole-way-0000000000000000"


async def test_posts_travel_from_the_platform_to_avid_and_back_out_of_memory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = real_posts(tmp_path)
    texts = read(corpus.file)
    with AvidServer(script=[503]) as avid:
        settings = {
            "reporter_avid_api_url": avid.url,
            "reporter_avid_api_key": AVID_KEY,
            "reporter_avid_backoff_base_s": 0.2,
            "bus_janitor_every_s": 1,
            "pseudonym_salt": SALT,
            "reporter_webhook_private_networks": True,
            "classifier_openai_api_key": LLM_KEY,  # nobody is asked: the local model scores
            "log_level": "DEBUG",
        }
        begun = time.monotonic()
        async with split(tmp_path, first_start=True, **settings) as (processes, broker):
            inside = LocalInside(processes.data_dir, broker.url)
            url = f"http://127.0.0.1:{processes.ports['ingest']}"
            journey = Journey(processes.client, url, tmp_path, inside, avid)
            journey.figures["start -> ready: s"] = time.monotonic() - begun

            await refused_without_key(url, corpus.file, tmp_path)
            sent = time.monotonic()
            await journey.ingest(corpus.file, corpus.count)
            first = await journey.everything_scored_once(corpus, texts)
            journey.figures["posts/s, file to last status"] = corpus.count / (time.monotonic() - sent)

            words = await journey.ingest_posts_to_be_taken_away()
            corrected = await journey.correct(list(words), first)
            second = await journey.retrained(first)
            await journey.rescored(corrected, second, corpus.count + len(words))
            await journey.statuses_changed(corrected)
            await journey.everybody_comes_in(corrected[0]["post_id"])
            evidence = [post["post_id"] for post in corrected[1:4]]
            report = await journey.report([*list(words)[:2], evidence[-1]])
            await journey.take_away(words, report)
            journey.figures["whole way: s"] = time.monotonic() - begun
        logs = {name: processes.log(name) for name in processes.ports}
        logs["the broker"] = (broker.folder / "broker.log").read_text(errors="replace")
    own = {"the key": KEY, "AVID's key": AVID_KEY, "the LLM's key": LLM_KEY, "the salt": SALT, "an author": AUTHOR}
    taken_away = {"a deleted word": DELETED, "an erased word": ERASED}
    assert "model swapped" in logs["classifier"] and all(logs.values())
    assert leaks(logs, own | taken_away | journey.secrets, [*texts.values(), *journey.words]) == []
    with capsys.disabled():
        print(f"\n{corpus.count} posts of {corpus.file.name}")
        for what, value in journey.figures.items():
            print(f"  {what:<40} {value:8.1f}")
