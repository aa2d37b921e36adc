"""Where reports may be sent, and what never shows."""

import pytest
from pydantic import ValidationError

from services.reporter.settings import ReporterSettings
from shared.settings import effective


@pytest.mark.parametrize("name", ["AVID_API_URL", "OMBUD_REPORTER_AVID_API_URL"])
def test_avid_is_configured_under_either_name(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "https://avid.example/api/")
    assert ReporterSettings().avid_submit_url == "https://avid.example/api/submit"


def test_an_empty_address_or_key_means_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVID_API_URL", " ")
    monkeypatch.setenv("AVID_API_KEY", "")
    settings = ReporterSettings()
    assert (settings.avid_submit_url, settings.avid_api_key) == (None, None)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://avid.example",
        "avid.example",
        "https://",
        "https://me:pw@avid.example",
        "http://a b",
    ],
)
def test_an_address_that_is_no_plain_http_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        ReporterSettings(avid_api_url=url)


@pytest.mark.parametrize("path", ["https://evil.example/x", "../x", "a/../b", "", "a?b", "//evil.example"])
def test_a_path_stays_below_the_address(path: str) -> None:
    try:
        url = ReporterSettings(avid_api_url="http://avid.example", avid_submit_path=path).avid_submit_url
    except ValidationError:
        return
    assert url == "http://avid.example/evil.example"


@pytest.mark.parametrize(("base", "path"), [("http://a.example", "submit"), ("http://a.example/", "/submit/")])
def test_slashes_do_not_matter(base: str, path: str) -> None:
    settings = ReporterSettings(avid_api_url=base, avid_submit_path=path)
    assert settings.avid_submit_url == "http://a.example/submit"


def test_the_key_shows_neither_at_boot_nor_in_an_error() -> None:
    assert "hunter2" not in repr(ReporterSettings(avid_api_key="hunter2")) + str(
        effective(ReporterSettings(avid_api_key="hunter2"))
    )
    with pytest.raises(ValidationError) as refused:
        ReporterSettings(avid_api_key="hunter2 \n X-Other: 1")
    assert "hunter2" not in str(refused.value)


def test_posts_are_off_the_first_page_unless_somebody_says_so() -> None:
    assert ReporterSettings().front_page_posts is False
