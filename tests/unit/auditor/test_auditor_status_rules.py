"""What the golden rounds do not show: other generations of files, the 24th column, Ombud's own stricter rules."""

import gzip
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auditor.notes.files import read_history, read_notes, write_history
from services.auditor.status import rounds
from services.auditor.status.advance import advance, unlock
from services.auditor.status.churn import Check, ChurnGate, judged
from services.auditor.status.communitynotes import (
    HISTORY,
    ID,
    SCORED,
    columns,
    judgements_of,
    record_of,
    scored_columns,
)
from services.auditor.status.ledger import StatusLedger, Subject, replayed
from services.auditor.status.policy import CRH, CRNH, NATIVE, NMR, PROFILES, TRACKED_FROM, Limits
from services.auditor.status.record import LATE, Change, Judgement, Kind, Rejected, StatusRecord
from tests.support.notes import THEN, frame_of

NOW = 1_732_098_765_432.0
DAY = 86_400_000.0
CORE = "CoreModel (v1.1)"
CREATED = NOW - 20 * DAY


def record(**fields: Any) -> StatusRecord:
    return StatusRecord(**{"id": 1, "author": "A", "created_at": CREATED, **fields})


def judgement(status: str | None = NMR, **fields: Any) -> Judgement:
    return Judgement(**{"subject_id": 1, "judged_at": NOW, "status": status, "created_at_seen": CREATED, **fields})


# -- Community Notes ----------------------------------------------------------------------------------------


def test_a_hold_of_zero_is_a_value_and_no_blank() -> None:
    mine = record(hold=5.0, first_hold=7.0)
    changes = advance(mine, judgement(hold=0.0), THEN)
    assert (mine.hold, mine.first_hold) == (0.0, 7.0)
    assert Change(Kind.HOLD_STARTED, None, "0") in changes


def test_a_hold_that_ends_first_is_a_first_hold_of_minus_one() -> None:
    mine = record()
    advance(mine, judgement(hold=-1.0), THEN)
    assert (mine.hold, mine.first_hold) == (-1.0, -1.0)
    newer = record()
    advance(newer, judgement(CRH, rule=CORE, hold=5.0), PROFILES["2026-07"])
    assert (newer.hold, newer.first_hold, newer.locked_status) == (-1.0, None, CRH)  # locked first


def test_what_is_refused_leaves_the_record_as_it_was() -> None:
    for wrong in (judgement(None), judgement(CRH, created_at_seen=CREATED + 1)):
        mine = record(status=NMR, hold=3.0)
        with pytest.raises(Rejected):
            advance(mine, wrong, THEN)
        assert mine == record(status=NMR, hold=3.0)


def test_the_column_of_the_threshold_is_kept_overwritten_and_ended_by_a_lock() -> None:
    policy = PROFILES["2026-07"]
    mine = record()
    advance(mine, judgement(above_threshold_at=7.0), policy)
    advance(mine, judgement(), policy)
    assert mine.above_threshold_at == 7.0
    advance(mine, judgement(CRH, rule=CORE, above_threshold_at=8.0), policy)
    assert mine.above_threshold_at == -1.0
    older = record()
    advance(older, judgement(above_threshold_at=7.0), THEN)
    assert older.above_threshold_at is None


@pytest.mark.parametrize(("passes", "expected"), [("below", "gained"), ("at_most", None)])
def test_at_the_exact_limit_the_profiles_differ(passes: Any, expected: str | None) -> None:
    policy = replace(THEN, churn_passes=passes)
    check = Check("all", "ALL_NOTES", None, Limits(0.1, 0.1))
    assert judged(check, 100, 120, 100, 201, policy).failed == expected
    assert judged(check, 100, 120, 100, 200, policy).failed is None


@pytest.mark.parametrize("count", [9, 11, 12, 17, 18, 21, 22, 23, 24])
def test_every_generation_of_the_history_is_read(count: int, tmp_path: Path) -> None:
    names = list(HISTORY)[:count]
    values = {"noteId": "17", "noteAuthorParticipantId": "00123", "createdAtMillis": "1650000000000.0"}
    path = tmp_path / "history.tsv"
    path.write_text("\t".join(names) + "\n" + "\t".join(values.get(name, "") for name in names) + "\n")
    (row,) = read_history(path, PROFILES["2026-07"]).to_dicts()
    assert (row["noteId"], row["noteAuthorParticipantId"], row["createdAtMillis"]) == (17, "00123", 1_650_000_000_000.0)
    assert list(row) == list(HISTORY) and {row[name] for name in list(row)[3:]} == {None}


def test_old_names_old_blanks_and_columns_in_another_order(tmp_path: Path) -> None:
    path = tmp_path / "history.tsv"
    path.write_text(
        "createdAtMillis\tnoteId\tparticipantId\ttimestampMillisOfFirstNonNMRStatus\tfirstNonNMRStatus\t"
        "timestampMillisOfCurrentStatus\tcurrentStatus\ttimestampMillisOfMostRecentNonNMRStatus\tlatestNonNMRStatus\n"
        f"0\t9007199254740993\t42\t-1\t\t-1\t{NMR}\t-1\t\n"
    )
    (row,) = read_history(path, THEN).to_dicts()
    assert (row["noteId"], row["noteAuthorParticipantId"], row["currentStatus"]) == (9_007_199_254_740_993, "42", NMR)
    # nobody knew the creation time, and -1 was no time
    assert [row[name] for name in row if name.startswith("timestamp") or name == "createdAtMillis"] == [None] * 10


def test_a_key_of_2022_is_the_rule_and_a_strange_column_is_said(tmp_path: Path) -> None:
    path, warnings = tmp_path / "history.tsv", list[str]()
    path.write_text(
        "noteId\tnoteAuthorParticipantId\tcreatedAtMillis\tcurrentDecidedByKey\tmood\n1\tA\t5\tCoreModel\t?\n"
    )
    (row,) = read_history(path, THEN, warnings).to_dicts()
    assert row["currentDecidedBy"] == "CoreModel"
    assert "mood" in warnings[0] and "no generation" in warnings[1]


def test_packed_files_and_shards_are_told_by_content(tmp_path: Path) -> None:
    head = "noteId\tnoteAuthorParticipantId\tcreatedAtMillis\tclassification\tsummary\n"
    shards = tmp_path / "shards"
    shards.mkdir()
    (shards / "notes-00000.tsv").write_bytes(gzip.compress((head + '1\tA\t5\tX\t"two\nlines\there"\n').encode()))
    with zipfile.ZipFile(shards / "notes-00001.zip", "w") as packed:
        packed.writestr("notes-00001.tsv", head + "2\tB\t6\tX\tplain\n")
    rows = read_notes(shards, THEN).to_dicts()
    assert [tuple(row.values()) for row in rows] == [(1, "A", 5.0), (2, "B", 6.0)]


def test_what_is_no_history_is_refused_with_the_name_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "history.tsv"
    for content in (b"", b"noteId\tcreatedAtMillis\n", b"noteId\tnoteAuthorParticipantId\tcreatedAtMillis\nx\tA\t5\n"):
        path.write_bytes(content)
        with pytest.raises(Rejected, match=r"history\.tsv"):
            read_history(path, THEN)


STATUS = st.sampled_from([NMR, CRH, CRNH, "FIRM_REJECT"])
MAYBE = st.one_of(st.none(), STATUS)
TIME = st.sampled_from([None, -1.0, 0.0, 5.0, NOW - 1.0])
RULE = st.sampled_from([None, CORE, "CoreModel (v1.0)", "ExpansionModel (v1.1)", "GaussianModel (v1.0)"])
NUMBER = st.sampled_from([None, 0.0, 14.0])
BORN = st.sampled_from(
    [NOW - 14 * DAY, NOW - 14 * DAY - 0.5, NOW - DAY, NOW + 5.0, TRACKED_FROM, TRACKED_FROM - 1.0, CREATED]
)


@st.composite
def rows(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """One row of a history and its score."""
    born = draw(BORN)
    history = {name: draw(MAYBE if HISTORY[name].endswith("status") else TIME) for name in HISTORY}
    history |= {name: draw(MAYBE) for name in ("currentCoreStatus", "currentExpansionStatus", "currentGroupStatus")}
    history |= {"currentMultiGroupStatus": None, "currentDecidedBy": draw(RULE), "currentModelingGroup": draw(NUMBER)}
    history |= {"noteAuthorParticipantId": "A", "createdAtMillis": born, "currentModelingMultiGroup": draw(NUMBER)}
    scored = {name: draw(MAYBE) for name in SCORED}
    scored |= {"createdAtMillis": draw(st.sampled_from([None, born])), "finalRatingStatus": draw(STATUS)}
    scored |= {"decidedBy": draw(RULE), "modelingGroup": draw(NUMBER), "modelingMultiGroup": draw(NUMBER)}
    hold = "updatedTimestampMillisOfNmrDueToMinStableCrhTime"
    return history, scored | {hold: draw(TIME), "abovePcrhThresholdTime": draw(TIME)}


@given(st.lists(rows(), min_size=1, max_size=8), st.sampled_from(sorted(PROFILES)), st.sampled_from([NOW, NOW + 0.5]))
def test_columns_and_events_have_one_meaning(
    pairs: list[tuple[dict[str, Any], dict[str, Any]]], profile: str, now: float
) -> None:
    policy = PROFILES[profile]
    numbered = [(history | {ID: at}, scored | {ID: at}) for at, (history, scored) in enumerate(pairs)]
    history, scored = (
        pl.DataFrame([{name: row[name] for name in names} for row in some], schema=schema(names))
        for names, some in zip((columns(policy), scored_columns(policy)), zip(*numbered, strict=True), strict=True)
    )
    after = rounds.transitioned(rounds.joined(history, scored), now, policy)
    ledger = StatusLedger(policy, map(record_of, history.to_dicts()))
    ledger.close("r", judgements_of(scored.to_dicts(), now))
    assert frame_of(ledger, history).equals(after)


def schema(names: list[str]) -> dict[str, type[pl.DataType]]:
    texts = {"currentDecidedBy", "decidedBy"}
    return {
        name: pl.Int64
        if name == ID
        else pl.String
        if name.endswith("ParticipantId")
        else pl.Categorical
        if name in texts or (name.endswith("Status") and not name.startswith("timestamp"))
        else pl.Float64
        for name in names
    }


# -- Ombud's own rules --------------------------------------------------------------------------------------


def mine(**fields: Any) -> StatusRecord:
    return record(id="p", **fields)


def said(status: str, at: float = NOW, rule: str = "model", **fields: Any) -> Judgement:
    return Judgement("p", at, status, rule, **fields)


def test_a_first_judgement_that_decides_nothing_changes_nothing() -> None:
    post = mine()
    assert advance(post, said("needs_review"), NATIVE) == []
    assert (post.changed_at, post.first_status) == (-1.0, None)
    assert advance(post, said("flagged", NOW + 1), NATIVE) == [
        Change(Kind.STATUS_CHANGED, "needs_review", "flagged"),
        Change(Kind.FIRST_DECIDED, None, "flagged"),
    ]
    assert post.changed_at == NOW + 1


def test_only_people_lock_and_a_lock_holds_until_a_person_opens_it() -> None:
    post = mine()
    advance(post, said("flagged"), NATIVE)
    assert not post.locked
    assert Change(Kind.LOCKED, None, "cleared") in advance(post, said("cleared", rule="reviewer"), NATIVE)
    assert advance(post, said("flagged", NOW + 5), NATIVE) == [Change(Kind.LOCK_CONFLICT, "cleared", "flagged")]
    assert (post.status, post.last_judged_at) == ("cleared", NOW + 5)
    assert unlock(post) == [Change(Kind.UNLOCKED, "cleared", None)]
    assert unlock(post) == []
    advance(post, said("flagged", NOW + 6), NATIVE)
    assert post.status == "flagged"
    young = mine(created_at=NOW - 14 * DAY)
    advance(young, said("cleared", rule="reviewer"), NATIVE)
    assert not young.locked  # exactly the age does not lock


def test_a_hold_begins_only_with_a_start_and_stays_empty_if_there_was_none() -> None:
    post = mine()
    advance(post, said("cleared", rule="reviewer", hold=-1.0), NATIVE)
    assert (post.hold, post.first_hold) == (None, None)
    held = mine(created_at=NOW)
    assert advance(held, said("needs_review", hold=7.0), NATIVE) == [Change(Kind.HOLD_STARTED, None, "7")]
    assert Change(Kind.HOLD_ENDED, "7", "judgement") in advance(held, said("flagged", hold=-1.0), NATIVE)
    assert (held.hold, held.first_hold) == (-1.0, 7.0)


def test_out_of_scope_unknown_and_mismatched_judgements_change_nothing() -> None:
    post = mine()
    assert advance(post, said("flagged", in_scope=False), NATIVE) == []
    for wrong in (said("CURRENTLY_RATED_HELPFUL"), said("flagged", created_at_seen=1.0)):
        with pytest.raises(Rejected):
            advance(post, wrong, NATIVE)
    assert post == mine()


def test_losing_every_flag_is_checked_here_and_not_there() -> None:
    check = Check("all", "ALL_NOTES", None, Limits(0.2, 0.2))
    for policy, failed in ((NATIVE, "lost"), (THEN, None)):
        gate = ChurnGate([check], policy)
        for n in range(300):
            gate.count(StatusRecord(n, status=policy.flagged), policy.undecided)
        (flips,) = gate.judge()
        assert flips.failed == failed


def posts(n: int) -> list[Subject]:
    return [Subject(f"p{i}", None, CREATED) for i in range(n)]


def test_a_round_is_applied_wholly_or_not_at_all() -> None:
    ledger = StatusLedger(NATIVE)
    ledger.register(posts(3))
    whole = [Judgement(f"p{i}", NOW, "flagged", "model", round_id="a") for i in range(3)]
    for broken in (whole[:2], [*whole, whole[0]], [*whole[:2], replace(whole[2], status="nobody knows")]):
        with pytest.raises(Rejected):
            ledger.close("a", broken)
        assert all(each.status is None for each in ledger.records.values())
    assert len(ledger.close("a", whole).entries) == 6
    assert ledger.close("a", whole).again


def test_late_judgements_are_left_out_and_strangers_are_counted() -> None:
    ledger = StatusLedger(NATIVE)
    ledger.register(posts(1))
    ledger.close("b", [Judgement("p0", NOW, "flagged", "model")])
    done = ledger.close("a", [Judgement("p0", NOW - 1, "cleared", "model"), Judgement("x", NOW, "flagged", "model")])
    assert ([each.subject_id for each in done.late], [each.subject_id for each in done.unknown]) == (["p0"], ["x"])
    assert ledger.records["p0"].status == "flagged"
    with pytest.raises(Rejected) as refused:
        ledger.judge(Judgement("p0", NOW - 1, "cleared", "model"))
    assert refused.value.cause == LATE


def test_a_model_that_flips_too_many_is_stopped_until_a_person_says_so() -> None:
    ledger = StatusLedger(NATIVE)
    ledger.register(posts(400))
    ledger.close("a", [Judgement(f"p{i}", NOW, "flagged" if i < 200 else "cleared", "model") for i in range(400)])
    flipping = [Judgement(f"p{i}", NOW + 1, "cleared", "model") for i in range(400)]
    checks = [Check("all", "ALL_NOTES", None, Limits(0.2, 0.2))]
    with pytest.raises(Rejected, match="too many lost: before=200, after=0, flipped=200"):
        ledger.close("b", flipping, checks)
    assert sum(each.status == "flagged" for each in ledger.records.values()) == 200
    done = ledger.close("b", flipping, checks, despite=True)
    assert [each.failed for each in done.flips] == ["lost"]


def test_shards_and_a_replay_of_the_judgements_give_the_same_records() -> None:
    told = [
        Judgement(
            f"p{i}", NOW + n, ("flagged", "cleared", "needs_review")[(i * n) % 3], "model" if n % 4 else "reviewer"
        )
        for n in range(9)
        for i in range(12)
    ]
    start = {each.id: StatusRecord(each.id, None, each.created_at) for each in posts(12)}
    whole = replayed(NATIVE, start, told)
    shards = [
        replayed(NATIVE, {name: each for name, each in start.items() if hash(name) % 3 == part}, [
            each for each in told if hash(each.subject_id) % 3 == part
        ]).records
        for part in range(3)
    ]  # fmt: skip
    assert whole.records == {name: each for shard in shards for name, each in shard.items()}
    assert all(each.status is None for each in start.values())


def test_a_number_with_a_fraction_is_printed_as_short_as_it_reads_back(tmp_path: Path) -> None:
    history = pl.DataFrame(
        [dict.fromkeys(columns(THEN)) | {ID: 1, "createdAtMillis": 0.1}], schema=schema(columns(THEN))
    )
    write_history(history, tmp_path / "out.tsv")
    assert (tmp_path / "out.tsv").read_text().splitlines()[1].split("\t")[2] == "0.1"
