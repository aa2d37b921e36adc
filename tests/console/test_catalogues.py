"""Every word of the console stands in both languages, and none stands outside the catalogues."""

import re
from pathlib import Path

import pytest

from services.reporter.console.formats import LANGUAGES
from services.reporter.console.languages import languages
from tests.console.catalogues import CONSOLE, Key, groups, messages, said

PLACEHOLDER = re.compile(r"%\(\w+\)s|\{\w+\}")
TEMPLATES = sorted((CONSOLE / "templates").glob("*.html"))
OWN_WORDS = {"Ombud", "CSV", "Markdown", "JSON", "ombud ingest posts.csv", "charset=utf-8", "SHA-256"}
KEYS = {"esc", "ctrl", "enter", "shift", "space", "ctrl enter"}
EXAMPLES = re.compile(r'\("(?:en|nl)", "[^"]*"\)')


@pytest.mark.check("CON-47")
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_has_exactly_the_messages_of_the_templates(language: str) -> None:
    wanted = said()
    for group in sorted(groups() | set(wanted)):
        known: set[Key] = {
            each.id if isinstance(each.id, str) else tuple(each.id) for each in messages(language, group)
        }
        assert known == wanted.get(group, set()), f"{group}: run python -m tests.console.catalogues"


@pytest.mark.check("CON-47")
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_message_is_translated_with_the_same_placeholders(language: str) -> None:
    for group in groups():
        for each in messages(language, group):
            ids = [each.id] if isinstance(each.id, str) else list(each.id)
            forms = [each.string] if isinstance(each.string, str) else list(each.string)
            assert all(forms) and not each.fuzzy, (group, each.id)
            for form, of in zip(forms, ids, strict=True):  # one of a thing may go without its number, as in English
                assert set(PLACEHOLDER.findall(form)) == set(PLACEHOLDER.findall(of)), (group, form)


@pytest.mark.check("CON-47")
def test_our_reader_reads_what_babel_reads() -> None:
    for language in LANGUAGES:
        words = languages()[language].words
        for group in groups():
            for each in messages(language, group):
                if isinstance(each.id, str):
                    assert words.gettext(each.id) == each.string
                else:
                    assert [words.ngettext(*each.id, n) for n in (1, 2)] == list(each.string)


@pytest.mark.check("CON-47")
@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_holds_words_outside_the_catalogues(template: Path) -> None:
    text = EXAMPLES.sub("", template.read_text("utf-8"))
    text = re.sub(r"\{#.*?#\}|\{%.*?%\}", "", text, flags=re.DOTALL)
    text = re.sub(r"\{\{.*?\}\}", "", text, flags=re.DOTALL)
    attributes = re.findall(r'\b(?:aria-label|title|alt|placeholder|content)="([^"]*)"', text)
    visible = re.sub(r"<[^>]*>", "\n", text)
    found = {word.strip() for word in [*visible.splitlines(), *attributes] if re.search(r"[A-Za-z]{2,}", word)}
    assert {each for each in found if not any(own in each for own in OWN_WORDS) and each not in KEYS} <= {
        "width=device-width, initial-scale=1"
    }
