"""What the reporter keeps: read models of posts and models, reports with evidence, deliveries, tombstones, people.

Invariant: post text lives in reporter_posts.text, reporter_evidence.text, reporter_reports.document,
reporter_deliveries.answer (an outsider may echo it) and reporter_notes.text (a colleague may quote it) and nowhere
else; erasing visits all five.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    false,
)

from shared.db import Json, Moment

metadata = MetaData()

posts = Table(
    "reporter_posts",
    metadata,
    Column("post_id", String, primary_key=True),
    Column("platform", String),
    Column("external_id", String),
    Column("author", String),
    Column("text", Text),
    Column("url", Text),  # where the platform shows it; it may name the author, so it goes with the text
    Column("language", String),
    Column("revision", BigInteger),
    Column("overall", Float),
    Column("flagged", Boolean),
    Column("flagged_mask", Integer),  # bit n: category n of CATEGORIES is at or over its threshold
    Column("threshold", Float),  # the one that decided `flagged`
    Column("scores", Json),
    Column("thresholds", Json),
    Column("own_scores", Json),  # what the scorer said itself, before anybody's word stood in its place; and by that:
    Column("own_overall", Float),
    Column("own_mask", Integer),
    Column("source", String),
    Column("text_key", String(64)),  # of what is for review: whoever says the same has the same
    Column("review_version", Integer, nullable=False, server_default="0"),  # counts the words of reviewers
    Column("marked", Json),  # what carried the score: category and places in the text, no word of it
    Column("model", String),
    Column("model_version", String),
    Column("scored_at", Moment),
    Column("score_rank", String(33), nullable=False, server_default=""),  # revision, then scored_at, as digits
    Column("status", String),
    Column("status_rule", String),
    Column("status_sequence", BigInteger, nullable=False, server_default="-1"),
    Column("status_changed_at", Moment),
    Column("seen_at", Moment),  # when it was judged for the first time
    Column("correction_id", String),
    Column("correction_verdict", String),
    Column("correction_expected", Json),
    Column("corrected_at", Moment),
    Column("created_at", Moment),
    Column("deleted_at", Moment),
    Column("hidden", Boolean, nullable=False, server_default=false()),  # the platform hides its author for now
    # every count of the first page comes from this index alone
    Index("reporter_posts_tally", "flagged", "status", "correction_verdict", "flagged_mask", "deleted_at"),
    Index("reporter_posts_recent", "scored_at"),
    Index("reporter_posts_author", "author"),
    Index("reporter_posts_alike", "text_key"),
    Index("reporter_posts_seen", "seen_at", "language", "flagged_mask"),
)

corrections = Table(
    "reporter_corrections",
    metadata,
    Column("correction_id", String, primary_key=True),
    Column("post_id", String, index=True),  # empty while only its retraction was heard
    Column("verdict", String),
    Column("expected", Json),
    Column("actual", Json),  # the categories of the score that the person spoke about
    Column("standing", String),
    Column("corrected_at", Moment, index=True),
    Column("retracted", Boolean, nullable=False, server_default=false()),
    Column("feedback_type", String),
    Column("reviewer", String),
    Column("batch_id", String),
    Column("version", Integer),
    Column("hold_until", Moment),
    Column("retracted_by", String),
    Column("retracted_at", Moment),
    Column("blind", Boolean),  # given before scores and reasons were shown; only the console knows, no event says it
    Index("reporter_corrections_of_reviewer", "reviewer", "corrected_at"),
)

models = Table(
    "reporter_models",
    metadata,
    Column("version", String, primary_key=True),
    Column("name", String),
    Column("kind", String),
    Column("run_id", String),
    Column("metrics", Json),
    Column("examples", Integer),
    Column("corrections", Integer),
    Column("trained_at", Moment),
    Column("promoted_at", Moment),
    Column("replaces", String),
    Column("data_hash", String),
    Column("layer", String),
    Column("champion_metrics", Json),  # of the model then in force, on the rows of `metrics`
)

model_steps = Table(
    "reporter_model_steps",
    metadata,
    Column("event_id", String, primary_key=True),
    Column("version", String, nullable=False, index=True),
    Column("stage", String, nullable=False),
    Column("layer", String),
    Column("reasons", Json, nullable=False),
    Column("replaces", String),
    Column("at", Moment, nullable=False, index=True),
)
"""The lives of models for all: each step with why, as it was said."""

tombstones = Table(
    "reporter_tombstones",
    metadata,
    Column("subject", String, primary_key=True),  # post|<id>, author|<platform>|<pseudonym>, or the gate
    Column("deleted_at", Moment),
)

hidings = Table(
    "reporter_hidings",
    metadata,
    Column("subject", String, primary_key=True),  # author|<platform>|<pseudonym>
    Column("hidden", Boolean, nullable=False),
    Column("at", Moment, nullable=False),
)
"""Whether an author's posts are out of sight, as it was last said; also of authors we know no post of yet."""

reports = Table(
    "reporter_reports",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("title", Text, nullable=False),
    Column("error_type", String, nullable=False),
    Column("audit_category", String, nullable=False),
    Column("unequal_for", String),
    Column("sep", Json, nullable=False),
    Column("measurements", Json),  # numbers with their tests; hold no text of a post
    Column("summary", Text, nullable=False),
    Column("state", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_by", String, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("completed_at", Moment),
    Column("document", Json),  # left out, never None, while there is none: None would become a JSON null
    Column("document_hash", String(64)),
    Column("redacted_at", Moment),  # set when a deletion took text out of the frozen document
    Column("send", Boolean, nullable=False, server_default=false()),  # its author asked for it to be sent
    Column("audit_id", String(64)),  # the audit and the scaffold it was begun from
    Column("scaffold", String(64)),
    Column("link_hash", String(64), index=True, unique=True),  # of the link its author shares, while there is one
    Column("removed_at", Moment),
    Column("receipt", Text),
    Column("receipt_state", String),
    Column("receipt_at", Moment),
    Column("correlation_id", String),
    Column("traceparent", String),
    Column("announced_at", Moment),
    Index("reporter_reports_newest", "created_at", "id"),
    Index("reporter_reports_of_author", "created_by", "created_at", "id"),
)

report_steps = Table(
    "reporter_report_steps",
    metadata,
    Column("step", Integer, primary_key=True, autoincrement=True),
    Column("report_id", String(36), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("what", String(20), nullable=False),
    Column("fields", Json, nullable=False),  # names of what changed, never what it changed to
    Column("by", String, nullable=False),
    Column("at", Moment, nullable=False),
)
"""Append-only: what was done with a report, and by whom."""

evidence = Table(
    "reporter_evidence",
    metadata,
    Column("report_id", String(36), primary_key=True),
    Column("post_id", String, primary_key=True, index=True),
    Column("position", Integer, nullable=False),
    Column("text", Text),
    Column("overall", Float, nullable=False),
    Column("flagged", Boolean, nullable=False),
    Column("threshold", Float, nullable=False),
    Column("model", String, nullable=False),
    Column("model_version", String, nullable=False),
    Column("judgement", String),
    Column("predicted", Float),  # by an audit's model of the author, 0-4
    Column("note", Text),
    Column("deleted", Boolean, nullable=False, server_default=false()),
)

statements = Table(
    "reporter_statements",
    metadata,
    Column("puid", String(64), primary_key=True),
    Column("post_id", String, nullable=False, index=True),
    Column("body", Json, nullable=False),  # a statement of reasons; holds no text of the post
    Column("state", String(10), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("owner", String(32)),
    Column("lease_until", Moment),
    Column("reason", Text),
    Column("created_at", Moment, nullable=False),
    Column("finished_at", Moment),
    Index("reporter_statements_due", "state", "due_at"),
)

deliveries = Table(
    "reporter_deliveries",
    metadata,
    Column("report_id", String(36), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("sink", String(32), primary_key=True),
    Column("round", Integer, nullable=False),  # grows each time a person queues it again
    Column("state", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("owner", String),
    Column("lease_until", Moment),
    Column("receipt", String),
    Column("reason", String),
    Column("answer", Text),
    Column("created_at", Moment, nullable=False),
    Column("finished_at", Moment),
    Column("review_status", String(60)),  # what AVID's editors say of it, in their words
    Column("review_asked_at", Moment),
    Column("review_due_at", Moment),  # when to ask for it again; empty: not to be asked for
    Column("correlation_id", String),
    Column("traceparent", String),
    Column("announced_at", Moment),
    Index("reporter_deliveries_due", "state", "due_at"),
    Index("reporter_deliveries_reviews", "review_due_at"),
)

webhooks = Table(
    "reporter_webhooks",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("url", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("streams", Json, nullable=False),
    Column("text", Boolean, nullable=False),  # whether the text of posts goes along
    Column("state", String(16), nullable=False),
    Column("reason", Text),  # why it is paused, or how the last try failed
    Column("secret", String, nullable=False),
    Column("old_secret", String),
    Column("old_until", Moment),
    Column("seen", Json, nullable=False),  # stream -> id of the entry that was taken from it last
    Column("turn", BigInteger, nullable=False),  # grows with `seen`: of two processes that read one goes on
    Column("attempts", Integer, nullable=False),  # failed tries of the event at the head
    Column("due_at", Moment, nullable=False),
    Column("owner", String),
    Column("lease_until", Moment),
    Column("created_by", String, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

dispatches = Table(
    "reporter_dispatches",
    metadata,
    Column("webhook_id", String(36), primary_key=True),
    Column("event_id", String, primary_key=True),
    Column("place", String(26), nullable=False),  # the position in the feed, as text that sorts
    Column("stream", String, nullable=False),
    Column("post_id", String),
    Column("body", Json, nullable=False),  # the event without a post's words; those are added when it is sent
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("status", Integer),
    Column("reason", Text),
    Column("created_at", Moment, nullable=False),
    Column("finished_at", Moment),
    Column("held", String),  # the cause of the hold that keeps it, and all behind it, in the line
    Index("reporter_dispatches_line", "webhook_id", "state", "place"),
    Index("reporter_dispatches_finished", "state", "finished_at"),
)
webhook_holds = Table(
    "reporter_webhook_holds",
    metadata,
    Column("webhook_id", String(36), primary_key=True),
    Column("cause_id", String, primary_key=True),
    Column("correction_id", String, nullable=False),
    Column("correlation", String, nullable=False),
    Column("until", Moment, nullable=False),
    Column("state", String(16), nullable=False),
    Column("back", Boolean, nullable=False),
    Column("posts", Json, nullable=False),
    Index("reporter_webhook_holds_correlation", "webhook_id", "correlation"),
    Index("reporter_webhook_holds_correction", "webhook_id", "correction_id"),
    Index("reporter_webhook_holds_until", "state", "until"),
)
"""Events on their way to webhooks, one row for each of both."""

labels = Table(
    "reporter_labels",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("post_id", String, nullable=False, index=True),
    Column("src", String, nullable=False),
    Column("uri", String, nullable=False, index=True),
    Column("val", String(128), nullable=False),
    Column("neg", Boolean, nullable=False),
    Column("cts", String(24), nullable=False, index=True),  # as it was signed
    Column("sig", LargeBinary, nullable=False),
)
"""Every label and every negation that was ever made, in order."""

label_work = Table(
    "reporter_label_work",
    metadata,
    Column("post_id", String, primary_key=True),
    Column("due_at", Moment, nullable=False, index=True),
)
"""Posts about which something was decided that labels have to follow."""

acts = Table(
    "reporter_acts",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("outlet", String(64), nullable=False),
    Column("post_id", String, nullable=False, index=True),
    Column("act", String(16), nullable=False),
    Column("target", String(200), nullable=False),  # the report or account there; empty where none was found
    Column("back", Boolean, nullable=False),  # an earlier act was taken back
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("correction_id", String),
    Column("at", Moment, nullable=False, index=True),
    Index("reporter_acts_targets", "outlet", "act", "target"),
)
"""Append-only but for `state`: what was done on platforms because of decisions, and what of it was taken back."""

act_work = Table(
    "reporter_act_work",
    metadata,
    Column("post_id", String, primary_key=True),
    Column("due_at", Moment, nullable=False, index=True),
    Column("attempts", Integer, nullable=False),
    Column("owner", String(32)),
    Column("lease_until", Moment),
)
"""Posts about which something was decided that outlets have to follow."""

people = Table(
    "reporter_people",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("account", String(200), nullable=False, unique=True),  # what they sign in with, in small letters
    Column("name", String(200), nullable=False),
    Column("password", String(300)),  # argon2id; empty for those whom an identity provider knows
    Column("subject", String(600), unique=True),  # issuer and subject of the identity provider
    Column("role", String(16), nullable=False),
    Column("preferences", Json, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("disabled_at", Moment),
)
"""Who may sign in at the console."""

sessions = Table(
    "reporter_sessions",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("person_id", String(36), nullable=False, index=True),
    Column("created_at", Moment, nullable=False),
    Column("until", Moment, nullable=False, index=True),
)
"""Who is signed in; the broker holds a copy that every service believes."""

invitations = Table(
    "reporter_invitations",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("role", String(16), nullable=False),
    Column("created_by", String(64), nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
    Column("person_id", String(36)),  # whose password it sets anew; empty: it makes an account
)

commands = Table(
    "reporter_commands",
    metadata,
    Column("person_id", String(36), primary_key=True),
    Column("command_id", String(64), primary_key=True),
    Column("route", String(200), nullable=False),
    Column("answer", Json),  # where it led and facts; never a word of a post
    Column("at", Moment, nullable=False, index=True),
)
"""What people did in the console, so that the same form sent twice is one act."""

console_acts = Table(
    "reporter_console_acts",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("person_id", String(36), nullable=False),
    Column("action", String(200), nullable=False),  # the form's route
    Column("object", String(200), nullable=False),  # id of what it was done to; empty where there is none
    Column("before", Json),  # names and numbers only: never a post's words, an address or a secret
    Column("after", Json),
    Column("at", Moment, nullable=False, index=True),
    Column("finished_at", Moment),  # empty: nobody knows whether it was done
    Index("reporter_console_acts_of_person", "person_id", "at"),
    Index("reporter_console_acts_on_object", "object", "at"),
)
"""Who did what in the console; what was refused is not in it."""

team = Table(
    "reporter_team",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", Json, nullable=False),
    Column("at", Moment, nullable=False),
)
"""What leads have set for everybody who did not choose otherwise."""

secrets = Table(
    "reporter_secrets",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", String(64), nullable=False),
)
"""Made once for an installation: what its own links and cursors are signed with."""

reveals = Table(
    "reporter_reveals",
    metadata,
    Column("person_id", String(36), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("posts", Integer, nullable=False),
)
"""How many veiled texts somebody asked to see on a day (UTC)."""

views = Table(
    "reporter_views",
    metadata,
    Column("slug", String(80), primary_key=True),
    Column("name", String(80), nullable=False),
    Column("query", Text, nullable=False),  # the one address of these filters, without its path
    Column("person_id", String(36), nullable=False, index=True),
    Column("team", Boolean, nullable=False),  # everybody who reviews sees it
    Column("created_at", Moment, nullable=False),
)
"""Filters that somebody gave a name, for themselves or for all who review."""

notes = Table(
    "reporter_notes",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("post_id", String, nullable=False, index=True),
    Column("person_id", String(36), nullable=False, index=True),
    Column("text", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("edited_at", Moment),
)
"""What people who review tell each other about a post. No event says it, and it goes with the post or the person."""

tries = Table(
    "reporter_tries",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("person_id", String(36), nullable=False, index=True),
    Column("text", Text, nullable=False),
    Column("text_key", String(64), nullable=False, index=True),  # erased with any post that says the same
    Column("result", Json, nullable=False),  # what the scorer answered: numbers, names and places, no word
    Column("created_at", Moment, nullable=False, index=True),
)
"""Texts that somebody tried out and saved; gone after a while."""

gone_accounts = Table(
    "reporter_gone_accounts",
    metadata,
    Column("subject", String, primary_key=True),  # author|<platform>|<pseudonym>, as the tombstone has it
    Column("what", String(16), primary_key=True),  # posts, flagged, or a verdict
    Column("posts", Integer, nullable=False),
)
"""How many posts went with a removed account: all that is left of it."""
