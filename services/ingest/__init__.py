"""Ingest: platforms knock here.

In: HTTP requests with posts, deletions, feedback and ratings; webhooks of Mastodon, Coral and whoever can sign; what
collectors read from Mastodon servers and Bluesky's Jetstream.
Out: `posts.ingested`, `posts.deleted`, `posts.corrected`, `posts.rated`. Owns the API keys, the author salt, the
collectors' cursors and the answers kept under an Idempotency-Key.
"""
