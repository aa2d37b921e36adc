"""Topics of small corpora whose topics are known: where they are, what they are called, what a refit keeps."""

import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from services.trainer.topics.fitting import SMALLEST, Writing, fit
from services.trainer.topics.matching import matched, words_among
from shared.artifacts import BadArtifact
from shared.topics.model import LARGE, OUTLIER, TopicModel, dump, load
from shared.topics.words import words_of

ROOT = Path(__file__).parents[3]
SUBJECTS = {
    "tram": ["tram", "station", "delay", "platform", "ticket", "conductor", "rails", "timetable"],
    "bread": ["bread", "oven", "flour", "yeast", "dough", "crust", "bakery", "loaf"],
    "garden": ["garden", "tulip", "soil", "shovel", "compost", "seeds", "greenhouse", "watering"],
    "fiets": ["fiets", "fietspad", "ketting", "zadel", "trappers", "banden", "fietser", "bel"],
    "chess": ["chess", "knight", "bishop", "opening", "checkmate", "tournament", "pawn", "endgame"],
}


def corpus(each: int = 60, subjects: tuple[str, ...] = tuple(SUBJECTS), seed: int = 0) -> list[Writing]:
    """Return posts of known subjects; every post by another person."""
    drawn = random.Random(seed)
    return [
        Writing(" ".join([*drawn.sample(SUBJECTS[name], 4), drawn.choice(("today", "again", "tomorrow"))]), author)
        for author, name in enumerate(name for name in subjects for _ in range(each))
    ]


@pytest.fixture(scope="module")
def fitted() -> TopicModel:
    return fit(corpus())


def topic_of(model: TopicModel, *words: str) -> int:
    (topic,), _ = model.assign([" ".join(words)])
    return int(topic)


def test_posts_of_one_subject_share_a_topic_and_those_of_another_do_not(fitted) -> None:
    topics = {name: topic_of(fitted, *words) for name, words in SUBJECTS.items()}
    assert len(set(topics.values())) == len(SUBJECTS)
    assert OUTLIER not in topics.values()


def test_a_topic_is_called_by_its_number_and_four_of_its_words(fitted) -> None:
    for topic in fitted.topics:
        number, *words = topic.name.split("_")
        assert (int(number), len(words)) == (topic.id, 4)
        assert any(set(words) <= set(subject) for subject in SUBJECTS.values()), topic.name
    assert [topic.id for topic in fitted.topics] == list(range(len(fitted.topics)))
    assert [topic.large for topic in fitted.topics] == [topic.n >= LARGE for topic in fitted.topics]


def test_every_post_is_counted_once(fitted) -> None:
    assert sum(topic.n for topic in fitted.topics) + fitted.outliers == fitted.posts == 300
    topics, _ = fitted.assign([each.text for each in corpus()])
    assert {topic.id: topic.n for topic in fitted.topics} == {
        int(name): int(n) for name, n in zip(*np.unique(topics[topics >= 0], return_counts=True), strict=True)
    }


def test_what_belongs_nowhere_is_an_outlier(fitted) -> None:
    topics, nearness = fitted.assign(["", "quite something else entirely", "!!! 123", "tram bread garden chess fiets"])
    assert topics[:3].tolist() == [OUTLIER] * 3
    assert nearness[:3].tolist() == [0.0] * 3
    assert 0 < nearness[3] < 1


def test_the_order_of_the_posts_and_another_process_change_no_byte(fitted) -> None:
    shuffled = corpus()
    random.Random(7).shuffle(shuffled)
    assert dump(fit(shuffled)) == dump(fitted)
    there = "from tests.unit.trainer.test_trainer_topics import corpus, fit, dump; import hashlib"
    script = f"{there}; print(hashlib.sha256(dump(fit(corpus()[::-1]))).hexdigest())"
    alone = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "5", "OMP_NUM_THREADS": "1"}
    said = subprocess.run([sys.executable, "-c", script], env=alone, cwd=ROOT, capture_output=True, check=True)
    assert said.stdout.decode().strip() == hashlib.sha256(dump(fitted)).hexdigest()


def test_a_model_in_memory_is_what_its_file_says(fitted) -> None:
    again = load(dump(fitted))
    assert again.topics == fitted.topics
    texts = [each.text for each in corpus(seed=3)]
    for ours, theirs in zip(fitted.assign(texts), again.assign(texts), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("data", [b"", b"PK\x05\x06" + bytes(18), b"no archive"])
def test_what_is_no_topic_model_is_refused(data) -> None:
    with pytest.raises(BadArtifact):
        load(data)


def test_a_refit_with_more_posts_keeps_the_numbers_and_gives_new_topics_new_ones() -> None:
    old = fit(corpus(subjects=("tram", "bread", "garden", "fiets")))
    new = fit([*corpus(), *corpus(30, ("tram", "garden"), seed=9)], before=old)
    for name in ("tram", "bread", "garden", "fiets"):
        assert topic_of(new, *SUBJECTS[name]) == topic_of(old, *SUBJECTS[name])
    assert topic_of(old, *SUBJECTS["chess"]) == OUTLIER
    assert topic_of(new, *SUBJECTS["chess"]) >= old.next_id
    assert new.next_id == 1 + max(topic.id for topic in new.topics)


def test_a_topic_that_is_gone_is_said_and_its_number_is_not_given_again() -> None:
    old = fit(corpus())
    without = fit(corpus(subjects=("tram", "bread", "garden", "fiets")), before=old)
    gone = topic_of(old, *SUBJECTS["chess"])
    assert [name for name in without.vanished if name.startswith(f"{gone}_")]
    assert gone not in {topic.id for topic in without.topics}
    back = fit(corpus(), before=without)
    assert topic_of(back, *SUBJECTS["chess"]) >= old.next_id


def test_two_halves_of_a_corpus_have_the_same_topics() -> None:
    one, two = fit(corpus(seed=1)), fit(corpus(seed=2))
    pairs = matched(words_among(one, two.vocabulary), two.words_at())
    for name, words in SUBJECTS.items():
        row = [topic.id for topic in two.topics].index(topic_of(two, *words))
        assert one.topics[pairs[row]].id == topic_of(one, *words), name


@pytest.mark.parametrize("posts", [0, 1, 3, 2 * SMALLEST - 1])
def test_a_few_posts_have_no_topic(posts) -> None:
    model = load(dump(fit(corpus()[:posts])))
    assert (model.topics, model.outliers) == ((), posts)
    assert model.assign(["tram station"])[0].tolist() == [OUTLIER]


def test_posts_without_a_word_have_no_topic() -> None:
    model = fit([Writing(text) for text in ("1234", "...", "@ada", "https://example.org/tram") for _ in range(20)])
    assert (model.topics, model.vocabulary, model.outliers) == ((), (), 80)


def test_one_text_however_often_it_was_posted_makes_no_topic() -> None:
    model = fit([Writing("tram station delay platform ticket", author) for author in range(500)])
    assert (model.topics, model.outliers) == ((), 500)


def test_a_word_of_two_people_is_in_no_model_however_often_they_write_it() -> None:
    secret = [Writing(f"{' '.join(SUBJECTS['tram'][:4])} zebrafish n{n}", n % 2) for n in range(40)]
    model = fit([*corpus(), *secret])
    assert "zebrafish" not in model.vocabulary
    assert "zebrafish" not in dump(model).decode("latin-1")
    shared = [Writing(each.text, each.author if n else 2) for n, each in enumerate(secret)]
    assert "zebrafish" in fit([*corpus(), *shared]).vocabulary
    unknown = [Writing(each.text) for each in secret]
    assert "zebrafish" in fit([*corpus(), *unknown]).vocabulary, "nobody known is somebody else each time"


def test_names_addresses_numbers_and_short_words_are_no_words() -> None:
    said = "@ada says ADA's e-mail is ada@example.org, see https://example.org/tram or u/bram: 12 trams in 2020, ok?"
    assert words_of(said) == ["says", "mail", "see", "trams"]
    assert words_of("Don\u2019t <b>shout</b> &lt;script&gt;") == ["dont", "shout", "script"]
    assert not any(set(word) & set("<>&\"'_@0123456789") for topic in fit(corpus()).topics for word in topic.words)
