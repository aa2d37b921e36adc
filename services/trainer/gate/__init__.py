"""The gate: what a trained model has to show on rows that taught nothing, before it may score.

In: a candidate, the champion, the frozen rows (`frozen.py`) and facts that others measured (`hard.py`). Out: a
`Decision` (`decision.py`) of checks in plain words and numbers, never a text.
"""
