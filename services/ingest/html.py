"""HTML as platforms send it, to the text that people see. Pure.

Invariant: whatever comes in, nothing is raised and no markup comes out; plain text stays as it is. Hidden words are
left out, so that nobody lowers a score with praise which no reader sees.
"""

import re
from collections.abc import Iterator
from html import unescape

from selectolax.lexbor import LexborHTMLParser, LexborNode

LINES = {"p": 2, "blockquote": 2, "pre": 2, "ul": 2, "ol": 2, "table": 2, "hr": 2}
LINES |= {f"h{n}": 2 for n in range(1, 7)}
LINES |= dict.fromkeys(("div", "li", "dt", "dd", "td", "th", "section", "article", "header", "footer", "figure"), 1)
"""Element -> how many line breaks part it from what comes before and after."""
UNSEEN = {"script", "style", "template", "title", "iframe", "noembed", "noframes", "noscript", "object"}
"""Elements whose content no reader sees."""
QUOTE_FALLBACK = "quote-inline"
"""Mastodon's class of a paragraph that names the quoted post for readers who cannot show it."""
MOST_TAGS = 5_000
"""The parser needs time by the square of the depth; what has more tags than any post is stripped without it."""
TAG = re.compile(r"<!--.*?(?:-->|\Z)|<[/!?a-zA-Z][^>]*(?:>|\Z)", re.DOTALL)
SURROGATE = re.compile("[\ud800-\udfff]")


def html_to_text(html: str) -> str:
    """Return what people read: paragraphs and <br> as line breaks, links and mentions by their text, entities decoded.

    A link that Mastodon shortened comes back as its whole address; other `invisible` words are left out.
    """
    html = SURROGATE.sub("\ufffd", html)
    if html.count("<") > MOST_TAGS:
        return unescape(TAG.sub(" ", html)).strip()
    written = _Written()
    body = LexborHTMLParser(html).body
    for node, entering in _walk(body) if body is not None else ():
        if node.is_text_node:
            written.words(node.text_content or "")
        elif node.tag == "br" and entering:
            written.end_line()
        else:
            written.part(LINES.get(node.tag or "", 0))
    return written.text()


class _Written:
    """Text with line breaks that wait until more text comes."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._breaks = 0
        self._ends_in = 0

    def words(self, words: str) -> None:
        if self._breaks and not words.strip():
            return  # white space between two blocks
        if self._pieces:
            self._pieces.append("\n" * max(0, self._breaks - self._ends_in))
        self._breaks = 0
        self._pieces.append(words)
        self._ends_in = len(words) - len(words.rstrip("\n"))

    def end_line(self) -> None:
        if self._pieces:
            self._pieces.append("\n")
            self._ends_in += 1

    def part(self, lines: int) -> None:
        self._breaks = max(self._breaks, lines)

    def text(self) -> str:
        return "".join(self._pieces).strip()


def _walk(root: LexborNode) -> Iterator[tuple[LexborNode, bool]]:
    """Yield every node that people see, elements when they begin (True) and when they end; depth costs no recursion."""
    stack = [(root, True)]
    while stack:
        node, entering = stack.pop()
        if node.is_text_node or not entering:
            yield node, entering
            continue
        if not node.is_element_node or node.tag in UNSEEN or _hidden(node):
            continue
        yield node, True
        stack.append((node, False))
        children = []
        child = node.child
        while child is not None:
            children.append((child, True))
            child = child.next
        stack.extend(reversed(children))


def _hidden(node: LexborNode) -> bool:
    if node.tag not in ("p", "span"):
        return False
    classes = (node.attributes.get("class") or "").split()
    return QUOTE_FALLBACK in classes or ("invisible" in classes and not _shortens_a_link(node.parent))


def _shortens_a_link(link: LexborNode | None) -> bool:
    return link is not None and link.tag == "a" and link.text() == link.attributes.get("href")
