"""A small table in the shape runs learn from: made of words, so that three categories can be told apart."""

import numpy as np
import pandas as pd

from services.trainer.sets.mix import COLUMNS
from shared.vocabulary import CATEGORIES

WORDS = {
    "insult": ("fool", "clown", "dimwit", "numpty"),
    "threat": ("catch you", "find you", "hurt you", "get you"),
    "toxic": ("fool", "clown", "hurt you", "get you"),
}
GROUPS = ("bakers", "farmers")
PLACES = ("lake", "street", "market", "station", "garden", "harbour", "school", "bridge")


def small_table(rows: int = 600, seed: int = 0, sources: tuple[str, ...] = ("edos", "own_patterns", "mlma:nl")):
    """Return `rows` examples: half of them say something bad; one in five is a development row, a quarter weak."""
    random = np.random.default_rng(seed)
    records = []
    for number in range(rows):
        category = ("insult", "threat")[number % 2]
        bad = bool(random.integers(0, 2))
        group = GROUPS[int(random.integers(0, 2))]
        word = random.choice(WORDS[category]) if bad else random.choice(("lovely", "calm", "warm", "green"))
        noise = " ".join(random.choice(PLACES, 3))
        text = f"the {group} at the {noise} said {word} number {number}"
        source = sources[number % len(sources)]
        split = "dev" if number % 5 == 4 else "train"
        labels = dict.fromkeys(CATEGORIES, float("nan"))
        labels[category] = float(bad)
        labels["toxic"] = float(bad) if random.random() < 0.9 else float(not bad)
        weight = 0.5 if number % 4 == 1 and split == "train" else 1.0
        weights = {f"weight_{name}": 0.0 if np.isnan(label) else weight for name, label in labels.items()}
        facts = {"key": text, "text": text, "language": "en", "source": source, "split": split}
        own = {"pattern": f"p{number % 7}", "construct": "fine", "group": group if source == "own_patterns" else ""}
        records.append(facts | own | labels | weights)
    return pd.DataFrame.from_records(records, columns=list(COLUMNS))
