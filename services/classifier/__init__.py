"""Classifier: every post gets twelve scores.

In: `posts.ingested`, `posts.deleted`, `posts.corrected`, `models.promoted`; HTTP `/predict`.
Out: `posts.scored`; questions to an LLM, if there is a key.
Owns the posts as scored, `toxicity_scores`, `analysis_runs`, and the books of what the LLM costs.
"""
