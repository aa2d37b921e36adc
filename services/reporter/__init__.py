"""Reporter: what people can see of the whole, the reports they write about it, and how those leave the house.

Comes in: posts.scored, posts.corrected, posts.deleted, posts.status_changed, models.trained, models.promoted and its
own reports.completed and reports.submitted; over HTTP: reports to write, complete and send again.
Goes out: reports.completed when a report is complete, reports.submitted when a delivery came to its end; over HTTP:
the first page, the overview, posts as they stand, reports as JSON, AVID document and Markdown, the event feed; to
AVID, if configured, and to webhooks.
"""
