"""Finding topics: which posts speak of the same thing. Pure: texts go in, a model of words and places comes out.

Invariant: no text and no word fewer than three people wrote is in a model, in a name or in an artifact.
"""
