"""What an operator may change is read once, checked, and shown without its secrets."""

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from shared.settings import BusSettings, ServiceSettings, Settings, effective, service_config

SECRET = "swordfish-4711"
SECRETS = {
    "database_password": SECRET,
    "redis_url": f"redis://:{SECRET}@broker:6379/0",
    "database_url": f"postgresql+asyncpg://ombud:{SECRET}@db/ombud",
    "bootstrap_key": f"ombud_{SECRET}",
    "pseudonym_salt": SECRET,
}


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No `.env` file but the test's own."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings with every secret set."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(f"OMBUD_{name.upper()}", value)
    return Settings()


def test_every_secret_is_masked_where_settings_are_shown(settings: Settings) -> None:
    shown = effective(settings)
    assert {name for name, value in shown.items() if value == "**********"} == set(SECRETS)
    assert SECRET not in repr(shown) + repr(settings) + str(settings)


def test_what_is_no_secret_is_shown_as_it_is(settings: Settings) -> None:
    shown = effective(settings)
    assert shown.keys() == set(Settings.model_fields)
    assert (shown["port"], shown["migrate_at_start"], shown["public_url"]) == ("8080", "True", None)


def test_a_secret_still_opens_what_it_is_for(settings: Settings) -> None:
    assert settings.redis_url == SecretStr(SECRETS["redis_url"])
    assert settings.redis_url.get_secret_value() == SECRETS["redis_url"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("OMBUD_PORT", "http"), ("OMBUD_PORT", "70000"), ("OMBUD_LOG_LEVEL", "LOUD"), ("OMBUD_MAX_TEXT_BYTES", "0")],
)
def test_a_value_that_cannot_be_meant_stops_the_start_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert name.removeprefix("OMBUD_").lower() in str(refused.value)


def test_settings_come_from_the_environment_before_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OMBUD_PORT=1111\nOMBUD_HOST=0.0.0.0\nSOMETHING_ELSE=1\n")
    monkeypatch.setenv("OMBUD_PORT", "2222")
    settings = Settings()
    assert (settings.port, settings.host) == (2222, "0.0.0.0")  # noqa: S104


def test_the_bus_has_a_prefix_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMBUD_BUS_ATTEMPTS", "3")
    assert Settings().bus == BusSettings()
    assert Settings().bus.attempts == 3


def test_a_service_has_a_prefix_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mine(ServiceSettings):
        model_config = service_config("mine")
        size: int = 1

    monkeypatch.setenv("OMBUD_MINE_SIZE", "7")
    assert Mine().size == 7


def test_settings_do_not_change_while_we_run(settings: Settings) -> None:
    with pytest.raises(ValidationError):
        settings.port = 1  # type: ignore[misc]


def test_artifacts_lie_in_the_data_folder_unless_told_otherwise() -> None:
    assert Settings(data_dir=Path("/d")).artifacts == Path("/d/artifacts")
    assert Settings(data_dir=Path("/d"), artifacts_dir=Path("/a")).artifacts == Path("/a")


def test_a_secret_can_be_a_file_and_a_variable_goes_before_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("ombud_bootstrap_key", "ombud_pseudonym_salt"):
        (tmp_path / name).write_text(f"{SECRET}\n")
    monkeypatch.setenv("OMBUD_PSEUDONYM_SALT", "another")
    read = Settings(_secrets_dir=tmp_path)
    assert read.bootstrap_key is not None and read.bootstrap_key.get_secret_value() == SECRET
    assert read.pseudonym_salt is not None and read.pseudonym_salt.get_secret_value() == "another"


@pytest.mark.parametrize(
    ("url", "password", "whole"),
    [
        (None, "secret", None),
        ("postgresql+asyncpg://ombud@db:5432/ombud", None, "postgresql+asyncpg://ombud@db:5432/ombud"),
        ("postgresql+asyncpg://ombud@db/ombud", "a/b@c:d", "postgresql+asyncpg://ombud:a%2Fb%40c%3Ad@db/ombud"),
        ("postgresql+asyncpg://ombud:own@db/ombud", "other", "postgresql+asyncpg://ombud:own@db/ombud"),
        ("postgresql+asyncpg:///ombud?host=/run/pg", "other", "postgresql+asyncpg:///ombud?host=/run/pg"),
    ],
)
def test_the_password_of_the_database_goes_where_the_address_has_none(
    url: str | None, password: str | None, whole: str | None
) -> None:
    secrets = [None if each is None else SecretStr(each) for each in (url, password)]
    assert Settings(database_url=secrets[0], database_password=secrets[1]).database == whole
