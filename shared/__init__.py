"""What two services need and no service rules: the words, the events, the bus, the database, the runtime.

Nothing in here imports a service (architecture rule 1, checked by import-linter).
"""
