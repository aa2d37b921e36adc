"""Real servers and whole Ombuds for the tests. Nothing in here is a mock."""
