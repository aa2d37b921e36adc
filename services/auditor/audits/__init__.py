"""Audits: a person's comparison of the system with their own model. Pure: columns in, figures and rows out.

Invariant: same columns, same seed, same bytes; nothing here knows a clock, a table or a request.
"""
