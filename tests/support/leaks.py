"""Looks through logs for what must not be in them: secrets, whatever looks like one, and words of posts.

A text counts as logged as soon as some words of it stand in a row in a log, so that a part of it is found, too.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

IN_A_ROW = 5
"""Words that no line of ours has in common with a post by chance."""
FEWEST = 4
"""Shorter texts cannot be told from a line's own words; tests send words of their own for those."""
LOOKS_SECRET = {
    "an API key": re.compile(r"ombud_[A-Za-z0-9_-]{32,}"),
    "a webhook's secret": re.compile(r"whsec_[A-Za-z0-9+/_=-]{16,}"),
    "a bearer token": re.compile(r"Bearer [^\s\"*]{8,}"),
    "a token in an address": re.compile(r"[?&](?:token|key|code|secret)=[^\s\"*&]{8,}"),
    "a password in an address": re.compile(r"://[^\s/@\"*]*:[^\s/@\"*]+@"),
}


def leaks(logs: Mapping[str, str], secrets: Mapping[str, str], texts: Iterable[str]) -> list[str]:
    """Return what is in which log; `secrets` by what they are. Neither a secret nor a text is quoted in it."""
    said = {name: [*spoken(log)] for name, log in logs.items()}
    found = []
    for name, lines in said.items():
        whole = "\n".join(lines)
        found += [f"{what} in the log of {name}" for what, secret in secrets.items() if secret and secret in whole]
        found += [f"{what} in the log of {name}" for what, shape in LOOKS_SECRET.items() if shape.search(whole)]
    counts = range(FEWEST, IN_A_ROW + 1)
    rows = {
        name: {row for line in lines for words in [_words(line)] for count in counts for row in _rows(words, count)}
        for name, lines in said.items()
    }
    for number, text in enumerate(texts):
        own = telling(text)
        found += [f"text {number} in the log of {name}" for name, known in rows.items() if not known.isdisjoint(own)]
    return found


def spoken(log: str) -> Iterator[str]:
    """Yield what a log says, line by line; of JSON every value, without its escapes."""
    for line in log.splitlines():
        try:
            yield from _values(json.loads(line))
        except ValueError:
            yield line


def _values(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield str(name)
            yield from _values(each)
    elif isinstance(value, list):
        for each in value:
            yield from _values(each)
    else:
        yield str(value)


def telling(text: str) -> list[tuple[str, ...]]:
    """Return what gives a text away: every five of its words in a row, or all of a short one."""
    words = _words(text)
    return (
        _rows(words, IN_A_ROW) if len(words) >= IN_A_ROW else _rows(words, len(words)) if len(words) >= FEWEST else []
    )


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _rows(words: list[str], count: int) -> list[tuple[str, ...]]:
    return [tuple(words[start : start + count]) for start in range(len(words) - count + 1)]
