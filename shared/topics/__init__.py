"""What trainer and auditor share of topics: a topic model's file, and which topic a text has. Pure.

Invariant: no text and no word fewer than three people wrote is in a model, in a name or in an artifact.
"""
