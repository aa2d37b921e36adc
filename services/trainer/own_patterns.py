"""Sentences we write ourselves as patterns with slots, and the rows they become. Pure.

Lines after `# held back` judge and never teach, until `# taught`: a hostile sentence and its benign twin share most of
their words, so they stand on the same side together. A frame with `{w}` becomes a pattern with each word of its kind.

Invariant: the same patterns give the same rows in any order of files, and over all patterns of one profile every group
gets rows in proportion to its weight alone: hateful and benign ones alike, or a model would learn the group's name.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from math import gcd, prod
from typing import NamedTuple

from services.trainer.rows import IDENTITIES, Mark, Row, Split
from shared.ids import digest
from shared.vocabulary import CATEGORIES

SOURCE = "own_patterns"
PROBES = "own_probes"
"""Source of sentences that only judge; no table of a run and no shipped model holds them."""
POSTS = "own_posts"
"""Source of sentences as people write them online: they judge a model that ships, and nothing is chosen on them."""
FILLINGS = 8
"""Rows of a pattern with slots."""
PLAIN = 4
"""Most rows of a pattern without any."""
WORD = "w"
"""The slot of a frame."""
FRAMES = 6
"""Hateful frames a word goes into, and as many harmless ones."""
SIDES: Mapping[str, Split] = {"# held back": "dev", "# taught": "train"}

GOLDEN = 0.618
"""Steps of this share spread evenly, however many there are."""

Labels = Mapping[str, int]


def _labels(*ones: str, zeros: Iterable[str]) -> Labels:
    return dict.fromkeys(zeros, 0) | dict.fromkeys(ones, 1)


_NO_HATE = ("hate_speech", *IDENTITIES)
_HATE = ("toxic", "hate_speech")
_ALL_BUT_TOXIC = tuple(category for category in CATEGORIES if category != "toxic")

PROFILES: Mapping[str, Labels] = {
    "fine": _labels(zeros=CATEGORIES),
    "hate": _labels(*_HATE, zeros=("threat", "dehumanization", *IDENTITIES)),
    "hate-dehumanizing": _labels(*_HATE, "dehumanization", zeros=("threat", *IDENTITIES)),
    "hate-threat": _labels(*_HATE, "threat", zeros=("dehumanization", *IDENTITIES)),
    "hate-insult": _labels(*_HATE, "insult", zeros=("threat", "dehumanization", *IDENTITIES)),
    "insult": _labels("toxic", "insult", zeros=(*_NO_HATE, "threat", "dehumanization", "extremism")),
    "threat": _labels("toxic", "threat", zeros=(*_NO_HATE, "dehumanization")),
    "swearing": _labels(zeros=_ALL_BUT_TOXIC),
    "quoted": _labels(zeros=_ALL_BUT_TOXIC),
    "harsh-other": _labels(zeros=(*_NO_HATE, "threat")),
    "extremism": _labels("extremism", "toxic", zeros=()),
}
"""What a profile says of a sentence, before its group is known; a category that is missing is unknown."""

_SLOT = re.compile(r"(?:\b([Aa])n? )?\{([^{}]*)\}")
_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_OVERRIDE = re.compile(r"[a-z_]+=[01?]")
_AN = re.compile(r"(?!eu|uni|use|one\b|once\b|ur)[aeiou]|hon|hour|heir", re.IGNORECASE)
_OF_GROUP = {"people": "people", "person": "person", "a person": "person", "adj": "adj"}
_OF_WORDS = {"name": "name", "other": "other", "an other": "one_other", "thing": "thing"}


class BadPattern(ValueError):
    """A line of a pattern file cannot be read; the message names file and line."""


class Group(NamedTuple):
    """Whom a pattern may speak of: key, category (empty if none), weight and words per language and slot."""

    key: str
    category: str
    weight: int
    words: Mapping[tuple[str, str], str]


Words = Mapping[tuple[str, str], Sequence[str]]
"""(language, kind) -> what fills the other slots: `name`, `other`, `one_other`, `thing`."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line of a file: what it is an example of, what it says, and where it stands."""

    language: str
    construct: str
    profile: str
    overrides: Mapping[str, str]
    text: str
    file: str
    number: int
    split: Split = "train"

    @property
    def id(self) -> str:
        """Return the pattern's name, which follows from its text alone."""
        return f"{self.language}-{digest(self.text.encode())[:12]}"

    def labels(self, category: str = "") -> dict[str, int]:
        """Return what the sentence says, said of a group of `category` (empty: of none that has one)."""
        known = dict(PROFILES[self.profile])
        if category and self.profile.startswith("hate"):
            known[category] = 1
        known |= {name: int(said) for name, said in self.overrides.items() if said != "?"}
        return {name: known[name] for name in CATEGORIES if name in known and self.overrides.get(name) != "?"}


def parse(language: str, file: str, lines: Iterable[str]) -> Iterator[Pattern]:
    """Yield the patterns of a file: `construct TAB profile overrides TAB text`. Raises BadPattern."""
    split: Split = "train"
    for number, line in enumerate(lines, 1):
        written = line.rstrip("\r\n")
        split = SIDES.get(written, split)
        if not written.strip() or written.startswith("#"):
            continue
        try:
            construct, labels, text = written.split("\t")
            profile, *said = labels.split()
            overrides = {each[:-2]: each[-1] for each in said if _OVERRIDE.fullmatch(each)}
            slots = {slot for _, slot in _SLOT.findall(text)}
            if profile not in PROFILES or len(overrides) < len(said) or not overrides.keys() <= set(CATEGORIES):
                raise ValueError
            if not slots <= _OF_GROUP.keys() | _OF_WORDS.keys() | {WORD} or set("{}[]") & set(_plain(text)):
                raise ValueError
        except ValueError:
            raise BadPattern(f"{file}:{number} is no pattern") from None
        yield Pattern(language, construct, profile, overrides, text, file, number, split)


def expand(
    patterns: Iterable[Pattern], groups: Sequence[Group], words: Words, fillings: int = FILLINGS
) -> Iterator[Row]:
    """Yield the rows of all patterns, sorted by pattern; a pattern written twice counts once."""
    once = {pattern.id: pattern for pattern in sorted(patterns, key=lambda each: (each.id, each.file), reverse=True)}
    chosen = _groups_of([once[name] for name in sorted(once)], groups, fillings)
    for name in sorted(once):
        pattern = once[name]
        seed = int(digest(name.encode())[:12], 16)
        choices = prod(len(each.split("|")) for each in _CHOICE.findall(pattern.text))
        marks = {
            category: {each: Mark(label) for each, label in pattern.labels(category).items()}
            for category in {"", *(group.category for group in chosen.get(name, ()))}
        }
        rows = fillings if _SLOT.search(pattern.text) else min(PLAIN, choices)
        for filling in range(rows):
            group = chosen[name][filling] if name in chosen else None
            sentence = _chosen(pattern.text, seed, filling)
            yield Row(
                source=SOURCE,
                file=pattern.file,
                number=pattern.number,
                text=_filled(sentence, pattern.language, group, words, seed + filling),
                marks=marks[group.category if group else ""],
                language=pattern.language,
                split=pattern.split,
                pattern=name,
                construct=pattern.construct,
                group=group.key if group else "",
            )


def framed(frames: Iterable[Pattern], lexicon: Mapping[str, Sequence[str]], each: int = FRAMES) -> Iterator[Pattern]:
    """Yield the patterns that words of a kind make of its frames (whose construct is the kind).

    Each word meets `each` hateful and `each` harmless frames, and every frame is used about as often as any other.
    """
    sides: dict[tuple[str, bool], list[Pattern]] = defaultdict(list)
    for frame in sorted(frames, key=lambda frame: frame.id):
        sides[frame.construct, frame.profile.startswith("hate")].append(frame)
    for (kind, _), some in sides.items():
        turning = cycle(some)
        for word in lexicon.get(kind, ()):
            for frame in islice(turning, min(each, len(some))):
                yield replace(frame, construct=f"lexicon-{kind}", text=frame.text.replace("{w}", word))


def wheel(groups: Sequence[Group]) -> list[Group]:
    """Return every group as often as it weighs, in places as far apart as can be.

    Groups stand in the order of the hashes of their names: the file has kindred ones next to each other.
    """
    mixed = sorted(groups, key=lambda group: digest(group.key.encode()))
    places = [
        ((turn + rank * GOLDEN % 1) / group.weight, rank)
        for rank, group in enumerate(mixed)
        for turn in range(group.weight)
    ]
    return [mixed[rank] for _, rank in sorted(places)]


def _groups_of(patterns: Iterable[Pattern], groups: Sequence[Group], fillings: int) -> dict[str, list[Group]]:
    """Return pattern -> its groups. Each language, side and profile goes round one wheel of its own."""
    alike: dict[tuple[str, str, str], list[Pattern]] = defaultdict(list)
    for pattern in patterns:
        if any(slot in _OF_GROUP for _, slot in _SLOT.findall(pattern.text)):
            alike[pattern.language, pattern.split, pattern.profile].append(pattern)
    turns, chosen = wheel(groups), {}
    for name, members in alike.items():
        start = int(digest(" ".join(name).encode())[:8], 16) % len(turns)
        turning = cycle(turns[start:] + turns[:start])
        for pattern in members:
            picked: dict[str, Group] = {}
            while len(picked) < min(fillings, len(groups)):
                group = next(turning)
                picked.setdefault(group.key, group)
            chosen[pattern.id] = [*picked.values()] * -(-fillings // len(picked))
    return chosen


def _chosen(text: str, seed: int, filling: int) -> str:
    """Return a text with its alternatives chosen; fillings differ as long as there are combinations left."""
    options = [each.split("|") for each in _CHOICE.findall(text)]
    total = prod(map(len, options))
    step = next(each for each in range(max(1, round(total * GOLDEN)), 2 * total + 1) if gcd(each, total) == 1)
    rest = (seed + filling * step) % total
    picked = []
    for option in options:
        rest, index = divmod(rest, len(option))
        picked.append(option[index])
    taken = iter(picked)
    return _CHOICE.sub(lambda _: next(taken), text)


def _filled(text: str, language: str, group: Group | None, words: Words, turn: int) -> str:
    def one(found: re.Match[str]) -> str:
        article, slot = found.groups()
        if slot in _OF_GROUP and group is not None:
            word = group.words[language, _OF_GROUP[slot]]
        else:
            list_ = words[language, _OF_WORDS[slot]]
            word = list_[turn % len(list_)]
        if language == "en" and (article or slot in ("a person", "an other")):
            return f"{article or 'a'}{'n' if _AN.match(word) else ''} {word}"
        before = f"{article} " if article else ""
        return f"{before}een {word}" if slot in ("a person", "an other") else before + word

    return _tidy(_SLOT.sub(one, text))


def _plain(text: str) -> str:
    """Return a text without slots and alternatives."""
    return _CHOICE.sub("", _SLOT.sub("", text))


def _tidy(text: str) -> str:
    """Return a text without the gaps that empty alternatives leave."""
    return re.sub(r" +(?=[,.;:!?…](?:\s|$))", "", " ".join(text.split()))
