"""Looks for better hyper-parameters on development rows and our own held-back sentences; no test suite is reachable.

What goes in: a table of examples and a budget. What comes out: a report, and numbers that are adopted only if three
seeds agree that they are better.
"""
