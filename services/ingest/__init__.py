"""Ingest: platforms knock here.

In: HTTP requests with posts, deletions, feedback and ratings.
Out: `posts.ingested`, `posts.deleted`, `posts.corrected`, `posts.rated`. Owns the API keys and the author salt.
"""
