"""Populations: what a crowd said, counted and learned from, and the groups in it. `shared.personal` is what it makes.

Pure: arrays in, arrays out. The same ratings and version of the code give the same bytes.
"""
