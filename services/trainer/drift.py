"""Whether what comes in still is what the model knows: counts of a day against those of a reference. Pure.

Invariant: nothing is called a drift on fewer posts than a limit was set for; a biased figure is shown and never acts.
Limits: PSI 0.1 and 0.25 are convention, the others ours (learning.md, section 14).
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from math import log, log2, sqrt
from re import compile as compiled
from re import escape
from zlib import crc32

from shared.text_key import key_of
from shared.thresholds import threshold_of

ENOUGH = 1000
"""Posts on either side below which nothing is said about how they are spread."""
ENOUGH_WORDS = 2000
ENOUGH_REVIEWS = 200
ENOUGH_OF_A_GROUP = 30
GROUPS = 10
PSI = (0.1, 0.25)
NEW_WORDS = (0.5, 1.0)
BAND = (0.05, 0.10)
ECE = (0.03, 0.06)
GAP = (0.10, 0.15)
"""The second is what the gate allows between groups."""
BAND_SHARE = 0.16
"""Share of posts nearest to a threshold that is called the band (the share an LLM would be asked about)."""
REST_S = timedelta(hours=24)
RARE = 0.01
LINK = compiled(r"https?://|www\.")
BITS = 2**19
COUNTED = ("posts", "", "")

Key = tuple[str, str, str]
"""Signal, part (a category or a language, or empty), bucket."""


class Level(StrEnum):
    """What a signal asks for."""

    OK = "ok"
    WATCH = "watch"
    ACT = "act"
    TOO_FEW = "too_few"


@dataclass(frozen=True, slots=True)
class Signal:
    """One figure. `low` and `high` bound it, if known; a `biased` one rests on what people chose to correct."""

    name: str
    part: str
    value: float | None
    n: int
    watch: float | None
    act: float | None
    level: Level
    low: float | None = None
    high: float | None = None
    biased: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """What drift looks at of a post."""

    text: str | None
    language: str | None
    scores: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Review:
    """What a person made of a score: what the model said, what is right, which groups the text names.

    `sampled` tells that the post was drawn by chance; all others were looked at because of their score.
    """

    flagged: bool
    right: bool
    score: float | None = None
    sampled: bool = False
    groups: tuple[str, ...] = ()


class Words:
    """A set of hashed words with their language: what it was told it knows; one word in 100 or so it only seems to.

    A share of new words that is wrong by a constant factor is wrong on both sides of a ratio, which is all we use.
    """

    def __init__(self, bits: bytes | None = None) -> None:
        self.bits = bytearray(bits if bits is not None else bytes(BITS // 8))

    def learn(self, language: str, words: Iterable[str]) -> None:
        """Know words from now on."""
        for word in words:
            at = crc32(f"{language} {word}".encode("utf-8", "replace")) % BITS
            self.bits[at >> 3] |= 1 << (at & 7)

    def new(self, language: str, words: Sequence[str]) -> int:
        """Return how many words are not known."""
        found = (crc32(f"{language} {word}".encode("utf-8", "replace")) % BITS for word in words)
        return sum(not self.bits[at >> 3] >> (at & 7) & 1 for at in found)


def language_of(look: Look) -> str:
    """Return the language of a post without its region; a question mark for an unknown one."""
    return (look.language or "?").partition("-")[0].lower() or "?"


def words_of(look: Look) -> list[str]:
    """Return the words of a post as the filter knows them."""
    return key_of(look.text).split() if look.text else []


def counted(looks: Iterable[Look], thresholds: Mapping[str, float], words: Words | None) -> Counter[Key]:
    """Return what posts add to the counts; without `words` nothing is said about new ones."""
    counts: Counter[Key] = Counter()
    for look in looks:
        language = language_of(look)
        counts[COUNTED] += 1
        counts["language", "", language] += 1
        for category, score in look.scores.items():
            counts["scores", category, str(_logit_bin(score))] += 1
        known = [abs(score - threshold_of(name, thresholds)) for name, score in look.scores.items()]
        if known:
            counts["margin", "", str(min(int(min(known) * 100), 99))] += 1
        if look.text is None:
            continue
        counts["length", "", str(int(2 * log2(1 + len(look.text))))] += 1
        counts["url", "", str(int(bool(LINK.search(look.text))))] += 1
        if words is not None:
            spoken = words_of(look)
            new = words.new(language, spoken)
            counts["words", language, "new"] += new
            counts["words", language, "known"] += len(spoken) - new
    return counts


def finder(words: Mapping[str, Collection[str]]) -> Callable[[str], tuple[str, ...]]:
    """Return what tells which groups a text names, by whole words in any case: group -> its names."""
    patterns = {
        group: compiled(rf"(?i)\b(?:{'|'.join(sorted({escape(name) for name in names if name}))})\b")
        for group, names in sorted(words.items())
        if any(names)
    }
    return lambda text: tuple(group for group, pattern in patterns.items() if pattern.search(text))


def psi(reference: Sequence[float], now: Sequence[float]) -> float:
    """Return the population stability index of two histograms; half a count per group keeps an empty one finite."""
    before, after = sum(reference) + len(reference) / 2, sum(now) + len(now) / 2
    shares = [((a + 0.5) / before, (b + 0.5) / after) for a, b in zip(reference, now, strict=True)]
    return sum((q - p) * log(q / p) for p, q in shares)


def deciles(reference: Mapping[int, int], now: Mapping[int, int]) -> tuple[list[int], list[int]]:
    """Return both histograms over groups that hold about a tenth of the reference each, in the order of the bins."""
    total = sum(reference.values())
    before, after = [0], [0]
    passed = 0
    for at in sorted(set(reference) | set(now)):
        if passed >= total * len(before) / GROUPS and before[-1] and len(before) < GROUPS:
            before.append(0)
            after.append(0)
        before[-1] += reference.get(at, 0)
        after[-1] += now.get(at, 0)
        passed += reference.get(at, 0)
    return before, after


def signals(reference: Mapping[Key, int], now: Mapping[Key, int]) -> list[Signal]:
    """Return how far the posts of now are from the reference: spread, words, share near a threshold."""
    found = []
    for name, part in sorted({key[:2] for key in (*reference, *now)}):
        before, after = histogram(reference, name, part), histogram(now, name, part)
        if name in ("scores", "length"):
            ordered = [{int(bucket): n for bucket, n in each.items()} for each in (before, after)]
            found.append(_spread(name, part, *deciles(*ordered)))
        elif name in ("language", "url"):
            found.append(_spread(name, part, *_together(before, after)))
        elif name == "words":
            found.append(_new_words(part, before, after))
        elif name == "margin":
            found.append(_band(before, after))
    return found


def topic_spread(fitted: Mapping[int, int], now: Mapping[int, int]) -> Signal:
    """Return how far the posts' topics are from the topics of the fitted corpus (-1: of none)."""
    before, after = ({str(topic): n for topic, n in each.items()} for each in (fitted, now))
    return _spread("topics", "", *_together(before, after))


def agreement(reviews: Iterable[Review], expected: float | None) -> list[Signal]:
    """Return how well scores agree with people: of posts drawn by chance, and of those people chose (biased).

    `expected` is the balanced accuracy the gate saw; below it with certainty is what acts.
    """
    heard = list(reviews)
    found = []
    for biased in (False, True):
        some = [each for each in heard if each.sampled is not biased]
        found.append(_balanced(some, expected, biased))
        scored = [(each.score, each.right) for each in some if each.score is not None]
        found.append(_calibration(scored, biased))
        found += _gaps(some, biased)
    return found


def disagreement(before: Sequence[bool], now: Sequence[bool]) -> Signal:
    """Return by how many points the share of posts moved that an LLM decided otherwise than the local model."""
    enough = min(len(before), len(now)) >= ENOUGH_REVIEWS
    value = round(sum(now) / len(now) - sum(before) / len(before), 6) if before and now else None
    level = level_of(None if value is None else abs(value), BAND, enough=enough)
    return Signal("llm_disagreement", "", value, len(now), *BAND, level)


def wanted(found: Iterable[Signal], last_asked_at: datetime | None, now: datetime) -> tuple[str, ...]:
    """Return which signals ask for a run, none if one was asked for within a day."""
    if last_asked_at is not None and now - last_asked_at < REST_S:
        return ()
    return tuple(
        f"{each.name}{f' {each.part}' if each.part else ''} {each.value:.3f}"
        for each in found
        if each.level is Level.ACT and not each.biased and each.value is not None
    )


def level_of(value: float | None, limits: tuple[float, float], *, enough: bool) -> Level:
    """Return what a value asks for; it grows with what it means."""
    if value is None or not enough:
        return Level.TOO_FEW
    return Level.ACT if value > limits[1] else Level.WATCH if value > limits[0] else Level.OK


def histogram(counts: Mapping[Key, int], name: str, part: str) -> dict[str, int]:
    """Return one signal's buckets."""
    return {key[2]: n for key, n in counts.items() if key[:2] == (name, part)}


def _logit_bin(score: float) -> int:
    inside = min(max(score, 1e-4), 1 - 1e-4)
    return round(4 * log(inside / (1 - inside)))


def _spread(name: str, part: str, before: Sequence[int], after: Sequence[int]) -> Signal:
    n = sum(after)
    enough = min(n, sum(before)) >= ENOUGH
    value = round(psi(before, after), 6) if n and sum(before) else None
    return Signal(name, part, value, n, *PSI, level_of(value, PSI, enough=enough))


def _together(before: Mapping[str, int], after: Mapping[str, int]) -> tuple[list[int], list[int]]:
    """Return both histograms in one order; buckets that are rare on both sides count as one."""
    enough = {
        bucket for each in (before, after) for bucket, n in each.items() if n >= RARE * max(sum(each.values()), 1)
    }
    order = sorted(enough)
    sides = [[each.get(bucket, 0) for bucket in order] for each in (before, after)]
    for side, each in zip(sides, (before, after), strict=True):
        side.append(sum(n for bucket, n in each.items() if bucket not in enough))
    return sides[0], sides[1]


def _new_words(language: str, before: Mapping[str, int], after: Mapping[str, int]) -> Signal:
    old, n = sum(before.values()), sum(after.values())
    share = before.get("new", 0) / old if old else 0.0
    value = round(after.get("new", 0) / n / share - 1, 6) if n and share else None
    enough = min(old, n) >= ENOUGH_WORDS
    return Signal("words", language, value, n, *NEW_WORDS, level_of(value, NEW_WORDS, enough=enough))


def _band(before: Mapping[str, int], after: Mapping[str, int]) -> Signal:
    """Return by how many points the share of posts near a threshold moved; near is what 16 % of the reference are."""
    old, n = sum(before.values()), sum(after.values())
    width, inside = 0, 0
    while width < 100 and inside < BAND_SHARE * old:
        inside += before.get(str(width), 0)
        width += 1
    value = None
    if old and n:
        value = round(sum(after.get(str(at), 0) for at in range(width)) / n - inside / old, 6)
    level = level_of(None if value is None else abs(value), BAND, enough=min(old, n) >= ENOUGH)
    return Signal("band", "", value, n, *BAND, level)


def _balanced(reviews: Sequence[Review], expected: float | None, biased: bool) -> Signal:
    """Return balanced accuracy with a 95 % interval: both recalls with Jeffreys' prior, normal approximation."""
    recalls, variance = [], 0.0
    for truth in (True, False):
        said = [each.flagged is truth for each in reviews if each.right is truth]
        if said:
            smoothed = (sum(said) + 0.5) / (len(said) + 1)
            recalls.append(sum(said) / len(said))
            variance += smoothed * (1 - smoothed) / (len(said) + 2) / 4
    n = len(reviews)
    if len(recalls) < 2:
        return Signal("balanced_accuracy", "", None, n, expected, expected, Level.TOO_FEW, biased=biased)
    value, half = sum(recalls) / 2, 1.96 * sqrt(variance)
    low, high = max(0.0, value - half), min(1.0, value + half)
    level = Level.OK
    if n < ENOUGH_REVIEWS:
        level = Level.TOO_FEW
    elif expected is not None and not biased:
        level = Level.ACT if high < expected else Level.WATCH if value < expected else Level.OK
    figures = round(value, 6), n, expected, expected, level, round(low, 6), round(high, 6)
    return Signal("balanced_accuracy", "", *figures, biased=biased)


def _calibration(scored: Sequence[tuple[float, bool]], biased: bool) -> Signal:
    """Return the expected calibration error: 15 bins of equal width, weighted by count."""
    bins: dict[int, list[tuple[float, bool]]] = {}
    for score, right in scored:
        bins.setdefault(min(int(score * 15), 14), []).append((score, right))
    value = None
    if scored:
        gaps = [abs(sum(score for score, _ in each) - sum(right for _, right in each)) for each in bins.values()]
        value = round(sum(gaps) / len(scored), 6)
    level = level_of(value, ECE, enough=len(scored) >= ENOUGH_REVIEWS)
    return Signal("ece", "", value, len(scored), *ECE, _shown(level, biased), biased=biased)


def _gaps(reviews: Sequence[Review], biased: bool) -> list[Signal]:
    """Return per group how much more often posts that name it are flagged wrongly than benign posts are in all."""
    benign = [each for each in reviews if not each.right]
    found = []
    for group in sorted({group for each in benign for group in each.groups}):
        flagged = [each.flagged for each in benign if group in each.groups]
        if len(flagged) >= ENOUGH_OF_A_GROUP:
            value = round(sum(flagged) / len(flagged) - sum(each.flagged for each in benign) / len(benign), 6)
            level = _shown(level_of(value, GAP, enough=True), biased)
            found.append(Signal("false_positives", group, value, len(flagged), *GAP, level, biased=biased))
    return found


def _shown(level: Level, biased: bool) -> Level:
    return Level.OK if biased and level is not Level.TOO_FEW else level
