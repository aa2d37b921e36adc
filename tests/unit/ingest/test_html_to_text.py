"""HTML to the text people read: no markup survives, no words get lost, and nothing is ever raised."""

import re
import time
from html import escape

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from services.ingest.html import MOST_TAGS, UNSEEN, html_to_text

LINK = (
    '<a href="https://www.example.com/a/very/long/path?of=words" rel="nofollow noopener" target="_blank">'
    '<span class="invisible">https://www.</span><span class="ellipsis">example.com/a/very/long/path?o</span>'
    '<span class="invisible">f=words</span></a>'
)
MENTION = '<span class="h-card"><a href="https://a.example/@ada" class="u-url mention">@<span>{}</span></a></span>'
HASHTAG = '<a href="https://a.example/tags/soup" class="mention hashtag" rel="tag">#<span>soup</span></a>'

INLINE = ["b", "i", "em", "strong", "u", "del", "code", "a", "span", "font", "unknown", "q", "sub"]
BLOCKS = ["p", "div", "blockquote", "ul", "ol", "li", "h1", "pre", "section", "center"]
words = some.text(alphabet=some.characters(exclude_characters="<&\r\x00", exclude_categories=["Cs"]), max_size=20)
visible = some.text(alphabet="abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=8)


def element(inner: some.SearchStrategy[str], names: list[str] | None = None) -> some.SearchStrategy[str]:
    """An element with something in it, sometimes never closed."""
    tags = some.sampled_from(names or [*INLINE, *BLOCKS])
    attributes = some.sampled_from(["", ' class="x"', " hidden", ' href="https://a>b"', " title='<i>'"])
    return some.builds(
        lambda name, attribute, body, closed: f"<{name}{attribute}>{body}</{name}>" if closed else f"<{name}>{body}",
        tags,
        attributes,
        inner,
        some.booleans(),
    )


nested = some.recursive(
    visible, lambda of: element(of) | some.lists(of, max_size=4).map("".join) | of.map(lambda body: f"{body}<br>")
)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>One</p><p>Two<br>three<br />four</p>", "One\n\nTwo\nthree\nfour"),
        ("<p>One</p>\n  <p>Two</p>\n", "One\n\nTwo"),
        ("<p>Tom &amp; Jerry &lt;3 &#39;cheese&#39; &eacute;&nbsp;!</p>", "Tom & Jerry <3 'cheese' é\xa0!"),
        (f"<p>Read {LINK}.</p>", "Read https://www.example.com/a/very/long/path?of=words."),
        ('<p><a href="https://a.example/x">our page</a></p>', "our page"),
        (f"<p>{MENTION.format('ada')} hi</p>", "@ada hi"),
        (f"<p>{MENTION.format('ada@b.example')} hi</p>", "@ada@b.example hi"),
        (f"<p>More {HASHTAG}!</p>", "More #soup!"),
        ("<ul><li>milk</li><li>bread</li></ul><p>done</p>", "milk\nbread\n\ndone"),
        ("<blockquote><p>said</p></blockquote><p>no</p>", "said\n\nno"),
        ('<p class="quote-inline">RE: https://a.example/1</p><p>so true</p>', "so true"),
        ("<p>a</p><script>alert(1)</script><style>p{}</style><iframe><b>x</b></iframe><p>b</p>", "a\n\nb"),
        ("<p>not <!-- this --> that<?php echo 1 ?></p>", "not  that"),
        ("<table><tr><td>one</td><td>two</td></tr></table>", "one\ntwo"),
        ("<p>\U0001f600 emoji, ☃ and :blobcat:</p>", "\U0001f600 emoji, ☃ and :blobcat:"),
        ("<p>never <b>closed", "never closed"),
        ("", ""),
        ("<p></p><br><br>", ""),
        ("<frameset>", ""),
        ("1 < 2 & 3 > 2", "1 < 2 & 3 > 2"),
    ],
)
def test_what_people_read(html: str, text: str) -> None:
    assert html_to_text(html) == text


def test_words_that_mastodon_hides_are_not_read() -> None:
    praise = '<span class="invisible">what a lovely day</span>'
    assert html_to_text(f"<p>{praise}you fool</p>") == "you fool"
    assert html_to_text(f'<p><a href="https://a.example">{praise}you fool</a></p>') == "you fool"


@given(some.text())
@example("\ud800 half a surrogate")
@example("<" * 100)
@example("<p \x00>")
@example("&#xD800;&#0;&#99999999;")
def test_nothing_is_ever_raised(html: str) -> None:
    html_to_text(html).encode()


@given(words)
@example("two\n\nparagraphs and  spaces\tand tabs")
def test_plain_text_stays_as_it_is(text: str) -> None:
    once = html_to_text(text)
    assert once == text.strip()
    assert html_to_text(once) == once


@given(nested)
def test_no_tag_survives_and_no_word_is_lost(html: str) -> None:
    text = html_to_text(html)
    assert "<" not in text and ">" not in text
    seen = re.sub(r"<[a-z0-9]+(?: [a-z]+=(?:\"[^\"]*\"|'[^']*')| hidden)?>|</[a-z0-9]+>", " ", html)
    assert re.sub(r"\s", "", text) == re.sub(r"\s", "", seen)


@given(element(visible.map(lambda word: f"<b>{word}</b>"), sorted(UNSEEN - {"object"})), visible)
def test_what_no_reader_sees_is_left_out(unseen: str, after: str) -> None:
    assert html_to_text(f"<p>{after}</p>{unseen}") == after


@given(some.text(alphabet=some.characters(exclude_characters="\r\x00", exclude_categories=["Cs"])))
def test_escaped_text_comes_back_as_it_was_written(text: str) -> None:
    assert html_to_text(f"<p>{escape(text)}</p>") == text.strip()


@given(some.lists(visible, min_size=1, max_size=6), some.sampled_from(["p", "div", "li"]))
def test_blocks_stand_on_lines_of_their_own(paragraphs: list[str], name: str) -> None:
    text = html_to_text("".join(f"<{name}>{each}</{name}>" for each in paragraphs))
    assert [line for line in text.split("\n") if line] == paragraphs


@pytest.mark.parametrize("html", ["<div>" * 200_000 + "end", "<" * 500_000 + " end", "<!--" * 200_000 + "--> end"])
def test_a_page_of_tags_costs_no_time(html: str) -> None:
    begun = time.monotonic()
    text = html_to_text(html)
    assert time.monotonic() - begun < 2
    assert text.endswith("end")
    assert html.count("<") > MOST_TAGS
