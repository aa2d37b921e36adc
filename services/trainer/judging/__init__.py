"""Judging scores on labelled files: what a file's rows ask, how good the scores are, what the cascade would give.

In come rows of a file and scores of whoever scored them; out comes a document of numbers, never a text.
"""
