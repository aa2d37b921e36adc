"""Labelled data sets as training examples: one small file per family of sets, `mix.load_mix` for all together.

Invariant: a category a set did not ask about is unknown, never 0, and no text of a set enters the repository.
"""
