"""The five services and the one entrypoint."""
