"""The auditor keeps where every post stands, and how it came to stand there.

Comes in: posts.scored, posts.corrected, posts.deleted. Goes out: posts.status_changed. Over HTTP: a post's status
with its history, a paged list, the totals. No text of a post is ever stored here.
"""
