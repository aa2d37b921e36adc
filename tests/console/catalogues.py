"""What is to be translated: found in the templates, compared with the catalogues, or written into them.

`python -m tests.console.catalogues` adds what is new with an empty translation, English with its own words, and drops
what no template says any more. One catalogue for each page, so that people who work on two pages meet no conflict.
"""

import io
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

from services.reporter.console.formats import LANGUAGES

CONSOLE = Path(__file__).parents[2] / "services" / "reporter" / "console"
SHARED = "console"
WIDTH = 120
Key = tuple[str, ...] | str


def group_of(template: str) -> str:
    """Return the catalogue of a template: that of its page, or what all pages share."""
    name = Path(template).stem.lstrip("_").partition("_")[0]
    return name if (CONSOLE / "pages" / f"{name}.py").exists() else SHARED


def said() -> dict[str, set[Key]]:
    """Return the messages of each catalogue as the templates have them."""
    found: dict[str, set[Key]] = defaultdict(set)
    for path in sorted((CONSOLE / "templates").glob("*.html")):
        with path.open("rb") as source:
            options = {"trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}
            for _, message, _, _ in extract("jinja2.ext:babel_extract", source, options=options):
                found[group_of(path.name)].add(message if isinstance(message, str) else tuple(message))
    return found


def catalogue(language: str, group: str) -> Catalog:
    """Return a catalogue as it is on disk; an empty one if there is none."""
    path = CONSOLE / "locale" / language / f"{group}.po"
    if not path.exists():
        return Catalog(language)
    with path.open("rb") as source:
        return read_po(source, locale=language)


def groups() -> set[str]:
    """Return every catalogue there is in any language."""
    return {path.stem for path in (CONSOLE / "locale").glob("*/*.po")}


def messages(language: str, group: str) -> list[Message]:
    """Return the messages of a catalogue."""
    return [each for each in catalogue(language, group) if each.id]


def write(language: str, group: str, keys: Iterable[Key]) -> int:
    """Write a catalogue with exactly these messages; return how many have no translation."""
    known = {each.id: each for each in messages(language, group)}
    fresh, missing = Catalog(language), 0
    for key in keys:
        before = known.get(key)
        translation = before.string if before is not None else ("" if isinstance(key, str) else ("", ""))
        if language == "en":
            translation = key
        empty = not translation or (not isinstance(translation, str) and not all(translation))
        missing += empty
        fresh.add(key, translation, flags=set())
    out = io.BytesIO()
    write_po(out, fresh, width=WIDTH, omit_header=True, no_location=True, sort_output=True)
    (CONSOLE / "locale" / language / f"{group}.po").write_bytes(out.getvalue().lstrip())
    return missing


def main() -> None:
    """Bring every catalogue to what the templates say."""
    wanted = said()
    for language in LANGUAGES:
        for group in sorted(groups() | set(wanted)):
            missing = write(language, group, wanted.get(group, set()))
            print(f"{language}/{group}.po: {len(wanted.get(group, ()))} messages, {missing} without translation")


if __name__ == "__main__":
    main()
