"""A model of every person who rates: what the crowd thinks, and how this person differs from it.

Pure: arrays in, arrays out. The same ratings, population and version of the code give the same bytes.
"""
