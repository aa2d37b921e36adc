"""What an operator does when a metric is off: one line for each. docs/metrics.md shows it."""

WHEN_OFF = {
    "ombud_auditor_history_changes_total": (
        "`lock_conflict` grows: locked statuses are contradicted; look at `GET /v1/posts/{id}/history` "
        "of such posts, and unlock what was decided wrongly."
    ),
    "ombud_auditor_late_judgements_total": (
        'Some after restarts are normal. Many of `source="model"`: two classifiers score the same posts, '
        "or one works off an old backlog: compare lags. "
        'Of `source="reviewer"`: clocks of those who send corrections differ.'
    ),
    "ombud_auditor_open_rounds": (
        '`state="held"` above 0: a promoted model would flip too many statuses; `ombud status rounds`, then confirm '
        'or roll back. `"gathering"` for hours: older posts are still scored again, or the classifier stands still.'
    ),
    "ombud_auditor_rounds_total": (
        '`outcome="held"` after every refit: look at what people correct, or raise `OMBUD_AUDITOR_CHURN_GAINED` and '
        "`OMBUD_AUDITOR_CHURN_LOST`."
    ),
    "ombud_auditor_staged_posts_total": (
        '`outcome="drop"` grows: a model that was rolled back still scores older posts; see `GET /v1/models` and the '
        "classifier's live version."
    ),
    "ombud_auditor_status_changes_events_total": (
        "No steps while posts are scored: look at the auditor's lag. A jump to `needs_review` after a promotion: "
        "compare the models in `GET /v1/models`."
    ),
    "ombud_bus_dead_events_total": "Any: `ombud dead-letters list` says why; mend the cause, then `redrive`.",
    "ombud_bus_dead_letters_events": (
        "Grows: as above. Stays above 0: somebody has to `redrive` or `drop` what is kept."
    ),
    "ombud_bus_delayed_events": "Rises: a handler fails now and then; the log line `batch` carries the reasons.",
    "ombud_bus_erased_events_total": (
        "Stays 0 after a deletion: the erasure waits until every group has passed it; look at lag and pending."
    ),
    "ombud_bus_fuse_events": (
        "Half of `OMBUD_BUS_FUSE`: a group does not keep up, or one nobody knows holds the janitor (`ombud streams`)."
    ),
    "ombud_bus_handled_events_total": (
        '`outcome="again"` or `"dead"` above a few per mille: see the reasons in the log; no `done` with lag: see lag.'
    ),
    "ombud_bus_lag_events": "Rises for minutes: start another process of that group's service, or find what slows it.",
    "ombud_bus_lost_events_total": (
        "Any: the broker lost data (emptied, or trimmed at the fuse). Send the posts of that time again; that is safe."
    ),
    "ombud_bus_oldest_erasure_seconds": (
        "Over a minute: a group has not passed it (look at lag and pending), or the deletion is a dead letter of "
        "`posts.deleted`: mend the cause, then `redrive`."
    ),
    "ombud_bus_scrubs_total": (
        '`outcome="refused"`: the broker forbids BGREWRITEAOF; ask who runs it. `failed`: its disk is full, or it '
        "cannot fork. Until it is `done`, erased bytes stay in its files."
    ),
    "ombud_bus_oldest_pending_seconds": (
        "Over `OMBUD_BUS_RECLAIM_IDLE_S` plus a minute: a worker hangs, or nobody runs the reclaimer of that group."
    ),
    "ombud_bus_oldest_event_seconds": (
        "How late this group is. Rises: see lag and pending; with several processes already, look what slows them."
    ),
    "ombud_bus_batch_seconds": "Above a second: the database or its disk is slow, or an event is (log line `batch`).",
    "ombud_bus_pending_events": "High for long: batches take too long (a slow database or disk), or a worker died.",
    "ombud_bus_reclaimed_events_total": "Any: a process died or hung with work in its hands; look why it restarted.",
    "ombud_bus_subscriber_restarts_total": (
        "Any: streams or groups vanished while we ran; see `ombud_bus_lost_events_total`."
    ),
    "ombud_bus_trimmed_events_total": (
        "Stands still for a day while posts come in: a group without progress, or an unknown one, holds everything."
    ),
    "ombud_classifier_compared_texts": (
        "0 while people correct: `OMBUD_CLASSIFIER_NEAR_DUPLICATES` is off, or the loop `overrides` fails. "
        "At `OMBUD_CLASSIFIER_NEAR_TEXTS`: older corrections count for equal texts only."
    ),
    "ombud_classifier_overridden_texts_total": (
        '`layer="near"` above a few per cent of all posts: look at what was corrected; raise '
        "`OMBUD_CLASSIFIER_NEAR_COSINE`."
    ),
    "ombud_classifier_overrides": (
        "Other processes hold more: this one does not keep up with corrections; its log says why."
    ),
    "ombud_classifier_residuals": (
        "0 while a platform has hundreds of corrections: `OMBUD_CLASSIFIER_RESIDUAL` is off, or its reviewers say only "
        "one thing; scores there are the shared model's."
    ),
    "ombud_classifier_call_texts": (
        "Mostly at `OMBUD_CLASSIFIER_GATHER_TEXTS`: more texts come in than one process scores; start another."
    ),
    "ombud_classifier_refused_requests_total": (
        '`reason="busy"`: start another process, or let callers send batches. `"quota"`: a key asks too often.'
    ),
    "ombud_classifier_flagged_posts_total": (
        "One category's share of all scored posts jumps: after a promotion compare the models, else look what came in."
    ),
    "ombud_classifier_live_model_info": (
        "Two versions for longer than `OMBUD_CLASSIFIER_SWAP_EVERY_S`: a process cannot read the newer artifact."
    ),
    "ombud_classifier_shadow_posts_total": (
        "Many `gained` or `lost`: `GET /v1/shadow` names categories and posts; refuse the model or let it take over."
    ),
    "ombud_classifier_llm_breaker_open": (
        "1: the log line `the LLM is left alone` says why; local scores stand meanwhile (`fallback`)."
    ),
    "ombud_classifier_llm_budget_left_usd": (
        "Near 0 before the evening: raise `ANALYZER_DAILY_BUDGET` or lower `OMBUD_CLASSIFIER_CASCADE_SHARE`."
    ),
    "ombud_classifier_llm_posts_total": (
        '`outcome="later"` or `"rejected"`: the API is down or refuses the key. `"refused"`: the model declines posts; '
        'people see them. `"failed"`: see the dead letters.'
    ),
    "ombud_classifier_llm_spent_usd_total": "Rises faster than posts come in: look at retries in `/v1/analysis-runs`.",
    "ombud_classifier_scored_posts_total": (
        "No posts with lag on `posts.ingested`: is there a model (`/readyz`)? The share of `yes` jumps: a new model."
    ),
    "ombud_http_requests_total": "`5xx`: our fault, see the log. `429`, `503`: back-pressure. `401`: a revoked key.",
    "ombud_http_seconds": "Slow: look at the database and the disk first; ingest only waits for the broker.",
    "ombud_ingest_collected_posts_total": "Stands still: `GET /v1/sources` says what the collector waits for.",
    "ombud_ingest_diverged_authors_total": (
        "Any: the log line `author diverged` names whose posts have to be read again; nothing else is wrong."
    ),
    "ombud_ingest_skipped_frames_total": (
        "Rises: the platform changed its wire (`reason` says where), or the source's `wire` is not that of its host."
    ),
    "ombud_ingest_stream_gaps_total": (
        "Any: posts are missing; the log line `gap` says from when until when. Send them again, or let it be."
    ),
    "ombud_ingest_coral_comments_total": (
        "`late` or `down` above a few per cent: look at the classifier, or raise `timeout_ms` here and in Coral. "
        "None at all while people comment: the phase is off in Coral, or its secret is another (`401`)."
    ),
    "ombud_ingest_coral_events_total": "Stands still: after ten failures in a row Coral switches a webhook off.",
    "ombud_ingest_lost_posts_total": "Any: comments whose text we do not have; `reason` says why. Mend the broker.",
    "ombud_ingest_waiting_posts": "Above 0 for minutes: the broker is down or behind; at 2,000 posts are lost.",
    "ombud_ingest_refused_posts_total": "Rises: `reason` says what the platform sends that we do not take.",
    "ombud_ingest_admitted_events_total": (
        '`new="no"` rises: a sender repeats what it sent; harmless, but its cursor may not move.'
    ),
    "ombud_reporter_acts_total": (
        '`state="failed"`: `GET /v1/acts?state=failed` says why; mend it and `POST /v1/acts/look`. `done` at '
        "`OMBUD_REPORTER_ACTS_DAILY`: more wait; look at what is decided so often."
    ),
    "ombud_reporter_delivery_tries_total": (
        "`failed` or `unknown`: read the reason in `GET /v1/reports/{id}`; a person decides on `redeliver`."
    ),
    "ombud_reporter_feed_dropped_listeners_total": (
        "Rises: a listener reads slower than events come; let it filter, or raise `OMBUD_REPORTER_FEED_ROOM`."
    ),
    "ombud_reporter_feed_listeners": (
        "At `OMBUD_REPORTER_FEED_LISTENERS`: more are refused with 503; start another reporter, or raise it."
    ),
    "ombud_reporter_labels_total": (
        '`state="made"` at `OMBUD_REPORTER_LABELS_DAILY`: more wait for tomorrow; look at what is decided so often.'
    ),
    "ombud_reporter_signins_total": (
        "`refused` or `limited` rising: somebody guesses passwords; the log of the gateway says from where."
    ),
    "ombud_reporter_webhook_tries_total": (
        "`failed`: `ombud webhooks list` says which receiver and why; after the last try it is paused until `resume`."
    ),
    "ombud_trainer_drift_acting_signals": (
        "Above 0: `ombud drift` says which. A full training was asked for, at most once a day; if it stays, look "
        "at what came in: a new source, another language, spam."
    ),
    "ombud_trainer_drift_value": "Over its limit in `GET /v1/drift`: as above.",
    "ombud_trainer_macro_auc": "Falls: look at the newest corrections (one reviewer, one topic?) before the next run.",
    "ombud_trainer_registry_waiting": (
        "Stays above 0: MLflow does not answer; the log line `MLflow does not answer` says why. Nothing else waits."
    ),
    "ombud_trainer_replay_seconds": "Above a few seconds: the machine is busy, or the standby worker had to start.",
    "ombud_trainer_run_seconds": "Near `OMBUD_TRAINER_RUN_TIMEOUT_S`: much to learn for this machine; raise the limit.",
    "ombud_trainer_runs_total": (
        "`failed` or `lost`: `GET /v1/runs` gives the error; `refused` is the gate doing its work."
    ),
    "ombud_trainer_waiting_corrections": (
        "Above `OMBUD_TRAINER_CORRECTIONS_PER_RUN` and no run: the trainer does not run, or a run hangs (`/v1/runs`)."
    ),
}
