"""Community Notes' files: reading and printing them, and one round from files to a file. Needs no server."""
