"""Topics on a plane: near each other if their posts are about alike things. The axes have no meaning of their own.

Invariant: the same posts give the same places, also their signs. Source: console.md section 9 (topic clusters).
"""

import numpy as np

from services.auditor.audits.columns import Corpus

FEWEST = 3
"""Topics under which a plane would say nothing."""


def projected(corpus: Corpus) -> dict[int, tuple[float, float]]:
    """Return where each topic stands whose words are known, each axis -1 to 1; empty for too few of them.

    The two directions in which the mean of what topics are about differs most (principal components).
    """
    grouped, known = corpus.by_topic, np.any(corpus.about != 0, axis=1)
    places = {}
    for at, topic in enumerate(grouped.topics.tolist()):
        end = grouped.starts[at + 1] if at + 1 < len(grouped.starts) else len(grouped.order)
        rows = grouped.order[grouped.starts[at] : end]
        rows = rows[known[rows]]
        if topic >= 0 and len(rows):
            places[topic] = corpus.about[rows].astype(np.float64).mean(axis=0)
    if len(places) < FEWEST:
        return {}
    means = np.stack(list(places.values()))
    means -= means.mean(axis=0)
    _, _, axes = np.linalg.svd(means, full_matrices=False)
    # a direction and its opposite are one: the largest part of each points up
    signs = np.sign(axes[:2][np.arange(2), np.abs(axes[:2]).argmax(axis=1)])
    flat = means @ (axes[:2] * signs[:, None]).T
    flat = np.round(flat / max(float(np.abs(flat).max()), 1e-9), 4) + 0.0
    return {topic: (float(x), float(y)) for topic, (x, y) in zip(places, flat.tolist(), strict=True)}
