"""Which language a post is in: the platform's own word if it names a language, else what the text says. Pure.

Invariant: no guess. A text that is too short, or between two languages, has None.
The model is py3langid's: naive Bayes over byte n-grams, arrays in an npz file, no pickle. Thresholds and figures are in
docs/decisions/0014-language-at-the-door.md.
"""

import re
from functools import cache

import numpy as np
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
