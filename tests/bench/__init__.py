"""Benchmarks with a fixed workload. Ratios against a named baseline of the same run, medians of several rounds.

Clocks never gate: machines differ and are noisy. Counters (SQL statements, Redis commands, bytes) may and do.
"""
