"""The auditor keeps where every post stands and how it came to stand there, and compares people with the system.

Comes in: posts.scored, posts.corrected, posts.rated, posts.deleted, models.trained, models.promoted. Goes out:
posts.status_changed. Over HTTP: a post's status, its history and the opening of its lock, a paged list, the totals;
audits and what people call their models. Texts are kept of the newest posts, for audits, and go with every erasure.
"""
