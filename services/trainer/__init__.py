"""Learns from people: corrections become examples, examples become models, and a gate decides which one scores.

Comes in: `posts.scored`, `posts.corrected`, `posts.rated`, `posts.deleted`; commands at /v1/runs.
Goes out: `models.trained` for every model a run made, `models.promoted` for those that passed the gate.
"""
