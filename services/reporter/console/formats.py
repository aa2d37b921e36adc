"""Numbers, shares, money and moments as a language writes them. Pure.

Invariant: the only place that turns a number into words of a page; moments are UTC and say so.
"""

from datetime import UTC, date, datetime

LANGUAGES = ("en", "nl")
MINUS = "\u2212"
MONTHS = {
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    "nl": ("jan", "feb", "mrt", "apr", "mei", "jun", "jul", "aug", "sep", "okt", "nov", "dec"),
}
SEPARATORS = {"en": (",", "."), "nl": (".", ",")}
"""Language -> what stands between thousands and before decimals."""


def number(value: float, language: str, decimals: int = 0) -> str:
    """Return a number, rounded half to even, with separators: 15,204 or 15.204."""
    thousands, point = SEPARATORS[language]
    plain = f"{abs(value):,.{decimals}f}"
    sign = MINUS if value < 0 and any(digit in "123456789" for digit in plain) else ""
    return sign + plain.replace(",", "\0").replace(".", point).replace("\0", thousands)


def score(value: float, language: str) -> str:
    """Return a probability with two decimals: 0.74 or 0,74."""
    return number(value, language, 2)


def percent(share: float, language: str, decimals: int = 0) -> str:
    """Return a share of one as percent: 5.3% or 5,3%."""
    return f"{number(100 * share, language, decimals)}%"


def money(value: float, language: str, currency: str = "USD") -> str:
    """Return an amount: 1.42 USD; small ones keep two significant digits."""
    decimals = 2 if value == 0 or abs(value) >= 0.1 else 4
    return f"{number(value, language, decimals)} {currency}"


def day(value: date, language: str) -> str:
    """Return a day: 30 Sep 2026."""
    return f"{value.day} {MONTHS[language][value.month - 1]} {value.year}"


def moment(value: datetime, language: str) -> str:
    """Return a moment to the minute: 30 Sep 2026, 19:14 UTC."""
    at = value.astimezone(UTC)
    return f"{day(at, language)}, {at:%H:%M} UTC"


def clock(value: datetime, language: str) -> str:
    """Return the time of a day: 19:14:05."""
    return f"{value.astimezone(UTC):%H:%M:%S}"


def span(seconds: float, language: str) -> str:
    """Return how long something took or is ago, in its largest unit: 3 h, 12 min, 8 s."""
    units = {"en": ("d", "h", "min", "s"), "nl": ("d", "u", "min", "s")}[language]
    for size, unit in zip((86_400, 3600, 60), units, strict=False):
        if seconds >= size:
            return f"{number(int(seconds // size), language)} {unit}"
    return f"{number(max(0, round(seconds)), language)} {units[-1]}"


def signed(value: float, language: str, decimals: int = 0) -> str:
    """Return a difference with its sign: +0.4 or \u22120.4."""
    plain = number(value, language, decimals)
    return plain if plain.startswith(MINUS) or value <= 0 else f"+{plain}"


def isoday(value: str, language: str) -> str:
    """Return a day given as 2026-09-30."""
    return day(date.fromisoformat(value), language)
