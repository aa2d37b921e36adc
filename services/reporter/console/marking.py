"""A drawing as a page may hold it: no style attribute, no other host, and marks that are one stop for the Tab key.

Invariant: what a mark is called and where it leads is escaped by whoever says it; nothing else is put into a drawing.
"""

import re
from collections.abc import Mapping
from html import unescape

DROPPED = re.compile(r'\s(?:style|role|xmlns(?::\w+)?|aria-[a-z]+)="[^"]*"')
"""Our policy allows no style attribute; what the drawing says to a screen reader the page says better."""
LINK = re.compile(r'<a xlink:href="https://console\.invalid(/[^"]*)">')
OTHER = re.compile(r'\sxlink:href="[^"]*"')


def cleaned(svg: str) -> str:
    """Return a drawing without styles and hosts: a mark leads to a path of ours, and is no stop by itself (T1, T6)."""
    return OTHER.sub("", LINK.sub(r'<a href="\1" tabindex="-1">', DROPPED.sub("", svg)))


def called(svg: str, names: Mapping[str, str]) -> str:
    """Return a cleaned drawing whose marks are called something, `names` by path; both as markup, escaped."""

    def name(found: re.Match[str]) -> str:
        said = names.get(unescape(found[1]))
        return found[0] if said is None else f'{found[0][:-1]} aria-label="{said}"><title>{said}</title>'

    return re.sub(r'<a href="([^"]*)" tabindex="-1">', name, svg)
