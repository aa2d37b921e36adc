"""Where a post is shown: others wrote the address, so only what leads where it says is followed."""

import pytest

from services.reporter.console.contexts.original import LENGTH, original


@pytest.mark.parametrize(
    ("given", "url", "host"),
    [
        ("https://social.example/@noor/1", "https://social.example/@noor/1", "social.example"),
        ("HTTP://Social.Example:8080?a=%20b#c", "http://social.example:8080?a=%20b#c", "social.example:8080"),
        ("https://b\u00fccher.example/caf\u00e9", "https://xn--bcher-kva.example/caf%C3%A9", "xn--bcher-kva.example"),
        ("https://\u0430pple.com/", "https://xn--pple-43d.com/", "xn--pple-43d.com"),  # the first letter is Cyrillic
        (
            "https://good.example\u2044.evil.example/",
            "https://good.xn--example-7d7c.evil.example/",
            "good.xn--example-7d7c.evil.example",
        ),
        ("http://[2001:db8::1]/x", "http://[2001:db8::1]/x", "[2001:db8::1]"),
    ],
)
def test_an_address_is_followed_under_the_host_that_is_named(given: str, url: str, host: str) -> None:
    found = original(given)
    assert found is not None
    assert (found.url, found.host) == (url, host)


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "javascript:alert(1)",
        "data:text/html,x",
        "//social.example/1",
        "/posts/1",
        "at://did:plc:abc/app.bsky.feed.post/1",
        "https:///1",
        "https://good.example@evil.example/",
        "https://good.example\\@evil.example/",
        "https://good.example/\u202eabc",
        "https://good.example/a b",
        'https://good.example/"onclick="x',
        "https://good.example:port/",
        "https://a..b/",
        "https://[::1/",
        "https://good.example/" + "x" * LENGTH,
    ],
)
def test_any_other_address_is_not_followed(given: str | None) -> None:
    assert original(given) is None
