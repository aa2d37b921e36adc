"""What audits look at, in memory: from events to rows, from rows to columns, what a population says of them. Pure.

Invariant: the same stored rows give the same columns, whatever order they came in and whoever reads them.
"""
