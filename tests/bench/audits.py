"""Views of an audit at the size of Kumar et al. 2021: 107,620 posts in 118 topics, one person, one core.

Baseline: the same topic figures by pandas' groupby, without any interval. Memory is warm; nothing is read or sent.
"""

import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table as Shown
from threadpoolctl import threadpool_limits

from services.auditor.audits.comparing import By, classes
from services.auditor.audits.decisions import Errors, side_of
from services.auditor.audits.disagreement import by_category, by_topic, disagreement
from services.auditor.audits.following import Before, followed
from services.auditor.audits.labelling import first_draw, next_draw
from services.auditor.audits.ranking import ranked
from services.auditor.audits.similar import clusters, nearest
from services.auditor.audits.table import Filter, Table
from services.auditor.audits.topics import topic_map, topic_rows
from tests.support.audits import judge_of, made_corpus

POSTS, TOPICS, TIMES = 107_620, 118, 40
WANTED = 50
"""Milliseconds a view may take, 95 of 100."""


def measure(console: Console) -> None:
    """Print what each view takes, and the ratio of topic figures to pandas."""
    with threadpool_limits(1):
        corpus = made_corpus(POSTS, TOPICS)
        judge = judge_of(corpus)
        side = side_of(corpus, judge)
        table = Table(corpus, judge, side)
        rows, _ = table.selected(None, Filter(Errors.ALL))
        after = table.page(rows, 100).following
        found = np.random.default_rng(0).random(POSTS) < 0.1
        before = Before(corpus.posts, corpus.system >= 2.2, "before", {})
        views: dict[str, Callable[[], object]] = {
            "a person's side, once for each version": lambda: side_of(corpus, judge).measures,
            "overall": lambda: disagreement(side),
            "all topics, map and rows": lambda: topic_map(corpus, judge, side),
            "all topics, from a new version on": lambda: topic_map(corpus, judge, side_of(corpus, judge)),
            "ranking of topics": lambda: ranked(topic_rows(corpus, judge, side)),
            "all categories": lambda: by_category(side, corpus),
            "a search of every tenth post": lambda: disagreement(side, found),
            "one topic: page and chart": lambda: _topic(table),
            "everything: first page": lambda: table.page(table.selected(None, Filter())[0], 100),
            "everything: next page": lambda: table.page(table.selected(None, Filter(Errors.ALL))[0], 100, after),
            "classes by topic": lambda: classes(side, corpus, By.TOPIC),
            "similar posts": lambda: nearest(corpus, 5),
            "clusters": lambda: clusters(side, corpus),
            "twenty posts to rate": lambda: first_draw(corpus, 1, corpus.posts[:50]),
            "five more": lambda: next_draw(corpus, judge, 1, corpus.posts[:50]),
            "what a new version changed (no view)": lambda: followed(before, side, corpus),
        }
        shown = Shown(f"{POSTS:,} posts, {TOPICS} topics, one thread", "p50 ms", "p95 ms", f"wanted: p95 < {WANTED}")
        for name, what in views.items():
            what()
            times = sorted(_milliseconds(what) for _ in range(TIMES))
            shown.add_row(name, f"{times[TIMES // 2]:.1f}", f"{times[int(TIMES * 0.95)]:.1f}")
        console.print(shown)
        frame = pd.DataFrame({"topic": corpus.topics, "apart": side.user - side.system, "type": side.types})
        theirs = min(_milliseconds(lambda: _grouped(frame)) for _ in range(5))
        ours = min(_milliseconds(lambda: by_topic(side, corpus)) for _ in range(5))
        console.print(f"figures of topics with intervals / pandas' groupby without: {ours / theirs:.2f}")


def _topic(table: Table) -> None:
    rows, _ = table.selected(table.corpus.by_topic.rows_of(7), Filter(Errors.BOTH))
    table.page(rows, 25)
    table.marks(rows)


def _grouped(frame: pd.DataFrame) -> None:
    apart = frame["apart"]
    whole = frame.assign(absolute=apart.abs(), square=apart**2, under=frame["type"] == 0, over=frame["type"] == 1)
    whole.groupby("topic")[["apart", "absolute", "square", "under", "over"]].agg(["mean", "std", "count"])


def _milliseconds(what: Callable[[], object]) -> float:
    began = time.process_time()
    what()
    return (time.process_time() - began) * 1e3
