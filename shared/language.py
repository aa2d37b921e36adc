"""Which language a post is in: the platform's own word if it names a language, else what the text says. Pure.

Invariant: no guess. A text that is too short, or between two languages, has None.
The model is py3langid's: naive Bayes over byte n-grams, arrays in an npz file, no pickle. Thresholds and figures are in
docs/decisions/0014-language-at-the-door.md.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from py3langid.langid import MODEL_DIR, MODEL_FILE, LanguageIdentifier
from py3langid.modelio import load_model

NOISE = re.compile(r"https?://\S+|www\.\S+|[@#]\S+|&#?\w+;")
"""Links, mentions, hashtags and leftovers of HTML: names of things, in no language."""
READ = 400
"""Characters of a post that are looked at, before noise is taken out."""
GLANCE, LOOK = 48, 160
"""Characters of the first look and of the second, which only an unsure first one needs: time is per character."""
SURE_AT_A_GLANCE = 0.8
SURE = 0.4
"""Least confidence of an answer; chosen on development data."""
MANY = 16
"""From so many texts on it is faster to look at all of them byte by byte than at one after the other."""
TOGETHER = 64
"""Texts whose weights are gathered at a time: about 1 MB."""
NO_LANGUAGE = "zxx"
"""What the model calls numbers, markup and the like."""
NO_LANGUAGES = frozenset({"und", "mul", "mis", NO_LANGUAGE})
"""ISO 639-3 codes that say that there is none, or not one."""
LONGEST = 35
"""Characters of a tag that RFC 5646 asks everybody to keep; a longer one is cut to its language."""
_KNOWN = """
en nl af fy de lb fr es ca gl eu oc it pt ro da sv no nn is fo fi et lv lt pl cs sk sl hr bs sr sq hu mt ga cy tr az
kk uz ru uk be bg mk el ka hy ar fa ps ur ku he hi mr ne bn pa gu ta te kn ml si th lo km my vi id ms jv tl ja ko zh
yue sw am so ha yo zu mg eo
"""
KNOWN = frozenset(_KNOWN.split())
"""What we tell apart. Fewer than the model knows: a post in a rare language gets the code of its nearest relative, and
far fewer short Dutch and English posts get a rare one. Neighbours of Dutch (af, fy, lb, de) are in for their sake."""
_ISO_639_1 = """
aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo
es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg
ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn
no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta
te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
"""
ISO_639_1 = frozenset(_ISO_639_1.split())


@cache
def load() -> LanguageIdentifier:
    """Return the model, cut to the languages we tell apart; about half a second and 80 MB, once per process."""
    weights, priors, codes, moves, row, features = load_model(MODEL_DIR / MODEL_FILE)
    kept = [n for n, code in enumerate(codes) if code in KNOWN or code == NO_LANGUAGE]
    return LanguageIdentifier(
        np.ascontiguousarray(weights[:, kept], dtype=np.float32),  # halves take twice the time
        priors[kept],
        [codes[n] for n in kept],
        moves,
        features,
        norm_probs=True,
        tk_row=row,
    )


def detect(text: str) -> str | None:
    """Return the ISO 639 code of the language a text is in, None when unsure."""
    words = " ".join(NOISE.sub(" ", text[:READ]).split()).lower()
    model = load()
    code, confidence = model.classify(words[:GLANCE])
    if confidence < SURE_AT_A_GLANCE and len(words) > GLANCE:
        code, confidence = model.classify(words[:LOOK])
    return code if confidence >= SURE and code != NO_LANGUAGE else None


def detect_many(texts: Sequence[str]) -> list[str | None]:
    """Return what `detect` says of each text. All texts go through the model at once, byte by byte."""
    words = [" ".join(NOISE.sub(" ", text[:READ]).split()).lower() for text in texts]
    model = load()
    best, sure = _scored(model, [each[:GLANCE] for each in words])
    unsure = [at for at, each in enumerate(words) if sure[at] < SURE_AT_A_GLANCE and len(each) > GLANCE]
    if unsure:
        best[unsure], sure[unsure] = _scored(model, [words[at][:LOOK] for at in unsure])
    codes = [model.nb_classes[at] for at in best.tolist()]
    return [
        code if how >= SURE and code != NO_LANGUAGE else None for code, how in zip(codes, sure.tolist(), strict=True)
    ]


def _scored(model: LanguageIdentifier, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the likeliest column of each text and its probability, as the model's `classify` has them."""
    encoded = [unicodedata.normalize("NFC", text).encode("utf-8", "surrogatepass") for text in texts]
    sizes = np.fromiter(map(len, encoded), np.int64, len(encoded))
    found = _features(encoded, sizes)
    # how often each text has each of its features
    pairs, counts = np.unique(found, return_counts=True)
    which, features = pairs >> 32, pairs & 0xFFFFFFFF
    scores = np.zeros((len(texts), len(model.nb_classes)), np.float32)
    begins = np.flatnonzero(np.diff(which, prepend=-1))
    for some in np.array_split(np.arange(len(begins)), len(begins) // TOGETHER + 1):
        if len(some):
            first, last = begins[some[0]], begins[some[-1] + 1] if some[-1] + 1 < len(begins) else len(which)
            weighed = np.log1p(counts[first:last].astype(np.float32))[:, None] * model.nb_ptc[features[first:last]]
            sums = np.add.reduceat(weighed, begins[some] - first, axis=0)
            scores[which[begins[some]]] = sums + model.nb_pc
    scores *= 1.0 / np.sqrt(np.maximum(sizes, 1))[:, None].astype(np.float32)
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    for at, code in enumerate(model.nb_classes):  # a language in two scripts has two columns
        if (first := model.nb_classes.index(code)) < at:
            scores[:, first] += scores[:, at]
            scores[:, at] = 0.0
    best = scores.argmax(axis=1)
    return best, scores[np.arange(len(texts)), best] / scores.sum(axis=1)


def _features(encoded: Sequence[bytes], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return text << 32 | feature for each feature that the model's automaton meets, byte by byte of all texts."""
    rows, moves, out = _automaton()
    order = np.argsort(-sizes, kind="stable")  # the texts that still have a byte come first
    table = np.zeros((len(encoded), int(sizes.max(initial=0))), np.uint8)
    for place, at in enumerate(order.tolist()):
        table[place, : sizes[at]] = np.frombuffer(encoded[at], np.uint8)
    left = np.searchsorted(-sizes[order], -np.arange(table.shape[1]), side="left")
    state, met = np.zeros(len(encoded), np.int64), []
    for step, count in enumerate(left.tolist()):
        state = moves[rows[state[:count]] + table[:count, step]]
        features = out[state]
        hit = np.flatnonzero(features >= 0)
        met.append(order[hit] << 32 | features[hit])
    return np.concatenate(met) if met else np.empty(0, np.int64)


@cache
def _automaton() -> tuple[NDArray[np.int64], NDArray[np.uint32], NDArray[np.int64]]:
    """Return the model's automaton as arrays: where each state's row begins, the moves, what feature a state is."""
    model = load()
    rows = np.array(model.tk_row, np.int64) << 8
    return rows, np.frombuffer(model.tk_nextmove, np.uint32), np.array(model.tk_output, np.int64)


def named(tag: str) -> str | None:
    """Return a BCP 47 tag with its language in lower case; None where it names no language (`und`, `zxx`, `xx`)."""
    language, dash, rest = tag.partition("-")
    language = language.lower()
    if language not in ISO_639_1 and (len(language) != 3 or language in NO_LANGUAGES):
        return None
    return language + dash + rest if len(tag) <= LONGEST else language


def language_of(text: str, tag: str | None = None) -> str | None:
    """Return the language of a post: the platform's word if it names one, else what the text says, else None."""
    return (named(tag) if tag else None) or detect(text)


def languages_of(posts: Sequence[tuple[str, str | None]]) -> list[str | None]:
    """Return what `language_of` says of each text and tag; together it takes a third of the time."""
    if len(posts) < MANY:
        return [language_of(*each) for each in posts]
    found = [named(tag) if tag else None for _, tag in posts]
    asked = [at for at, language in enumerate(found) if language is None]
    if asked:
        for at, language in zip(asked, detect_many([posts[at][0] for at in asked]), strict=True):
            found[at] = language
    return found
