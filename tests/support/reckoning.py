"""What has to hold once everything is quiet, whatever happened meanwhile: nothing lost, nothing doubled, one word."""

from collections.abc import Collection

from tests.support.ledger import Ledger


def everything_was_scored_once(ledger: Ledger, texts: dict[str, str]) -> None:
    """Assert one row and one event per post, with its text unchanged and the score that was stored."""
    assert ledger.rows("classifier", "toxicity_scores") == len(texts)
    stored = dict(ledger.ask("classifier", "SELECT post_id, overall FROM toxicity_scores"))
    assert stored.keys() == texts.keys()
    said = ledger.events("posts.scored")
    assert len(said) == len({event["id"] for event in said}) == len(texts)
    assert {event["data"]["post"]["post_id"]: event["data"]["post"]["text"] for event in said} == texts
    assert {event["data"]["post"]["post_id"]: event["data"]["overall"] for event in said} == stored
    assert set(ledger.ask("trainer", "SELECT post_id FROM trainer_posts")) == {(name,) for name in texts}


def everything_has_one_status(ledger: Ledger, texts: dict[str, str]) -> None:
    """Assert one status and one step of history per post, said once and known to the reporter."""
    statuses = dict(ledger.ask("auditor", "SELECT post_id, status FROM auditor_statuses"))
    assert statuses.keys() == texts.keys()
    assert None not in statuses.values()
    assert dict(ledger.ask("auditor", "SELECT post_id, status FROM auditor_status_changes")) == statuses
    assert ledger.rows("auditor", "auditor_status_changes") == len(texts)
    said = ledger.events("posts.status_changed")
    assert len(said) == len({event["id"] for event in said}) == len(texts)
    assert {event["data"]["post_id"]: event["data"]["status"] for event in said} == statuses
    shown = "SELECT post_id, status FROM reporter_posts WHERE overall IS NOT NULL"
    assert dict(ledger.ask("reporter", shown)) == statuses
    assert ledger.rows("reporter", "reporter_posts") == len(texts)


def everything_agrees(ledger: Ledger, texts: Collection[str]) -> None:
    """Assert the same of posts that may have had more than one word: each is said once, and all agree on the status."""
    rows = ledger.ask("classifier", "SELECT post_id, source, model_version FROM toxicity_scores")
    assert len(rows) == len(set(rows)) and {row[0] for row in rows} == set(texts)
    said = ledger.events("posts.scored")
    assert len(said) == len({event["id"] for event in said})
    assert {event["data"]["post"]["post_id"] for event in said} == set(texts)
    statuses = dict(ledger.ask("auditor", "SELECT post_id, status FROM auditor_statuses"))
    assert statuses.keys() == set(texts)
    changes = ledger.events("posts.status_changed")
    assert len(changes) == len({event["id"] for event in changes}) == ledger.rows("auditor", "auditor_status_changes")
    assert (
        dict(ledger.ask("reporter", "SELECT post_id, status FROM reporter_posts WHERE overall IS NOT NULL")) == statuses
    )
