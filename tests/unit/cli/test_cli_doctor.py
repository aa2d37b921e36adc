"""What `ombud doctor` makes of facts: every code has facts that lead to it, and sound facts lead to none."""

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from pydantic_settings import SettingsError

from services.cli.doctor.asking_services import wrong_settings
from services.cli.doctor.facts import (
    Address,
    Artifact,
    Broker,
    Consumer,
    Disk,
    Facts,
    File,
    Group,
    Key,
    Length,
    Letters,
    Llm,
    Model,
    Running,
    Tables,
    WrongSetting,
)
from services.cli.doctor.findings import KINDS, Severity, exit_status, finding
from services.cli.doctor.judging import judge
from shared.settings import BusSettings, Settings
from shared.streams import SERVICES

NOW = datetime(2026, 11, 22, tzinfo=UTC)
HOUR = 3600.0
BROKER = Broker("valkey 8.1.1", True, True, True, "noeviction", 10**6, 10**9, 3, "always", 1, -1)
PROCESS = Running("embedded-host-1", SERVICES, "1.0", 3.0, -4, (), ())
ADMIN = Key("k1", "bootstrap", ("admin",), NOW - timedelta(days=3))
SOUND = Facts(
    now=NOW,
    version="1.0",
    embedded=False,
    data_dir="data",
    public_url="https://ombud.example.org",
    broker=BROKER,
    groups=(Group("posts.scored", "auditor", 5, False, 1.0, 1.0),),
    consumers=(Consumer("posts.scored", "auditor", "auditor-host-1", 3, 1.0),),
    lengths=(Length("posts.scored", 1000, 2_000_000, 0.0),),
    processes=(PROCESS,),
    tables=tuple(Tables(name, current="0002", head="0002") for name in SERVICES),
    addresses=(Address("OMBUD_PUBLIC_URL", "https://ombud.example.org", answers=True),),
    keys=(ADMIN, Key("k2", "bridge", ("ingest",), NOW)),
    llm=Llm("cascade", True, "https://llm.example.org/v1", 0.1, 1.0),
    avid=("https://avid.example.org", True),
    secret_files=(File("data/cli.key", 0o100600),),
    data_mode=0o40700,
    disks=(Disk("/data", 10**11),),
    artifacts=(Artifact("ab" * 32, "fine"),),
    models_known=True,
    model=Model("g-0001"),
)


def server(**changes: Any) -> dict[str, Any]:
    return {"broker": dataclasses.replace(BROKER, **changes)}


def process(**changes: Any) -> dict[str, Any]:
    return {"processes": (PROCESS, dataclasses.replace(PROCESS, name="trainer-host-2", **changes))}


def group(**changes: Any) -> dict[str, Any]:
    return {"groups": (dataclasses.replace(SOUND.groups[0], **changes),)}


def llm(**changes: Any) -> dict[str, Any]:
    return {"llm": dataclasses.replace(SOUND.llm or Llm("", False, "", 0, 0), **changes)}


def tables(**changes: Any) -> dict[str, Any]:
    return {"tables": (dataclasses.replace(SOUND.tables[0], **changes),)}


WRONG: dict[str, dict[str, Any]] = {
    "not-running": {"runs": False},
    "settings-invalid": {"wrong_settings": (WrongSetting("OMBUD_PORT", "int_parsing"),)},
    "traces-no-exporter": {"traces_lost": True},
    "broker-unreachable": {"broker": None, "broker_error": "ConnectionError"},
    "broker-too-old": server(new_enough=False),
    "broker-not-durable": server(append_only=False),
    "broker-loses-a-second": server(fsync="everysec"),
    "broker-cannot-write": server(writes_well=False),
    "broker-evicts": server(policy="allkeys-lru"),
    "broker-memory-unlimited": server(limit=0),
    "broker-memory-near": server(used=850_000_000),
    "broker-memory-full": server(used=960_000_000),
    "broker-remembers": server(slow_log_us=0),
    "broker-key-type": server(wrong_keys="these keys hold something that is not ours: posts.rated"),
    "clock-apart": server(ahead_ms=2_500),
    "clock-far-apart": process(ahead_ms=-31_000),
    "group-missing": group(missing=True),
    "group-unknown": {"unknown_groups": (("posts.scored", "mine"),)},
    "group-behind": group(oldest_s=200.0),
    "group-far-behind": group(oldest_s=2 * HOUR),
    "pending-old": group(lag=0, oldest_pending_s=400.0),
    "consumer-died": {"consumers": (dataclasses.replace(SOUND.consumers[0], idle_s=200.0),)},
    "dead-letters": {"letters": (Letters("posts.scored", "auditor", "LookupError", 3),)},
    "stream-untrimmed": {"lengths": (Length("posts.scored", 1000, 2_000_000, 2 * HOUR),)},
    "stream-long": {"lengths": (Length("posts.scored", 1_000_000, 2_000_000, 0.0),)},
    "stream-at-fuse": {"lengths": (Length("posts.scored", 1_600_000, 2_000_000, 0.0),)},
    "erasure-hangs": server(oldest_erasure_s=2 * HOUR),
    "service-missing": {"processes": (dataclasses.replace(PROCESS, services=SERVICES[:4]),)},
    "service-died": process(silent_s=60.0, services=("trainer",)),
    "service-not-ready": process(not_ready=("no model was promoted yet",)),
    "service-stuck": process(not_alive=("loop pump stands still",)),
    "version-mixed": process(version="0.9"),
    "address-wrong": {"addresses": (Address("OMBUD_PUBLIC_URL", "ombud.example.org"),)},
    "address-unset": {"unset_addresses": ("trainer",)},
    "address-unreachable": {"addresses": (Address("OMBUD_PUBLIC_URL", "https://ombud.example.org", answers=False),)},
    "public-url-missing": {"public_url": None, "host": "0.0.0.0"},  # noqa: S104
    "public-url-insecure": {"public_url": "http://ombud.example.org"},
    "database-missing": tables(there=False),
    "database-unreachable": tables(error="no answer"),
    "database-behind": tables(current="0001"),
    "database-ahead": tables(current="0009", known=False),
    "disk-low": {"disks": (Disk("/data", 10**9),)},
    "disk-full": {"disks": (Disk("/data", 10**8),)},
    "secret-readable": {"secret_files": (File("data/cli.key", 0o100640),)},
    "data-readable": {"data_mode": 0o40755},
    "model-none": {"model": None},
    "model-unloadable": {"model": Model("g-0001", "other parts than a model has")},
    "artifact-missing": {"artifacts": (Artifact("ab" * 32, "missing"),)},
    "artifact-broken": {"artifacts": (Artifact("ab" * 32, "broken"),)},
    "keys-no-admin": {"keys": SOUND.keys[1:] if SOUND.keys else ()},
    "keys-many-admins": {"keys": tuple(dataclasses.replace(ADMIN, id=str(n)) for n in range(4))},
    "key-old-admin": {"keys": (dataclasses.replace(ADMIN, made_at=NOW - timedelta(days=366)),)},
    "key-far": {"keys": (ADMIN, Key("k2", "bridge", ("ingest", "read"), NOW))},
    "llm-no-key": llm(has_key=False),
    "llm-budget-spent": llm(spent=1.0),
    "llm-budget-near": llm(spent=0.85),
    "llm-insecure": llm(url="http://llm.example.org/v1"),
    "avid-unset": {"avid": (None, False)},
    "avid-no-key": {"avid": ("https://avid.example.org", False)},
    "avid-insecure": {"avid": ("http://avid.example.org", True)},
    "avid-failed": {"failed_deliveries": 2},
}


def test_every_code_has_facts_that_lead_to_it() -> None:
    assert WRONG.keys() == KINDS.keys()


def test_sound_facts_lead_to_no_finding() -> None:
    assert judge(SOUND) == []


@pytest.mark.parametrize("code", WRONG)
def test_what_is_wrong_is_found_and_nothing_else_is_said(code: str) -> None:
    (found,) = judge(dataclasses.replace(SOUND, **WRONG[code]))
    assert found.code == code
    assert found.severity is KINDS[code].severity
    assert found.what and "\n" not in found.what
    assert found.mend and "{" not in found.mend and "\n" not in found.mend


def test_what_is_not_known_is_not_judged() -> None:
    nothing = Facts(now=NOW, version="1.0", embedded=True, data_dir="data")
    assert judge(nothing) == []


def test_an_embedded_broker_may_lose_the_last_second_and_has_no_limit() -> None:
    own = dataclasses.replace(BROKER, fsync="everysec", limit=0)
    assert judge(dataclasses.replace(SOUND, embedded=True, broker=own)) == []
    never = dataclasses.replace(BROKER, fsync="no")
    assert [each.code for each in judge(dataclasses.replace(SOUND, embedded=True, broker=never))] == [
        "broker-loses-a-second"
    ]


def test_a_silent_process_is_not_asked_for_its_clock_or_its_release() -> None:
    found = judge(dataclasses.replace(SOUND, **process(silent_s=60.0, ahead_ms=9_000_000, version="0.1")))
    assert [each.code for each in found] == ["service-died"]


def test_the_worst_comes_first_and_decides_the_exit_status() -> None:
    both = {**WRONG["dead-letters"], **WRONG["avid-unset"], **WRONG["database-behind"]}
    found = judge(dataclasses.replace(SOUND, **both))
    assert [each.severity for each in found] == [Severity.ERROR, Severity.WARNING, Severity.NOTE]
    assert [exit_status(found[n:]) for n in range(4)] == [2, 1, 0, 0]


def test_a_mending_line_names_what_was_found() -> None:
    assert finding("database-behind", "", service="reporter").mend == "ombud migrate reporter"


def test_a_wrong_setting_is_named_and_its_value_is_not_told() -> None:
    with pytest.raises(ValidationError) as wrong:
        Settings(port="hunter2", redis_url=["hunter2"])  # type: ignore[arg-type]
    found = wrong_settings(wrong.value, "")
    assert [each.name for each in found] == ["OMBUD_REDIS_URL", "OMBUD_PORT"]
    assert "hunter2" not in str(found)
    with pytest.raises(ValidationError) as wrong:
        BusSettings(batch_size=0)
    assert [each.name for each in wrong_settings(wrong.value, "")] == ["OMBUD_BUS_BATCH_SIZE"]
    unread = SettingsError('error parsing value for field "thresholds" from source "EnvSettingsSource"')
    assert wrong_settings(unread, "classifier") == [WrongSetting("OMBUD_CLASSIFIER_THRESHOLDS", "cannot be read")]
    assert wrong_settings(ValueError("hunter2"), "ingest") == [WrongSetting("a setting of ingest", "cannot be read")]
