"""The reliability kit over Redis Streams and FastStream: at least once in, exactly once on the streams.

Not an abstraction over brokers: handlers are registered with FastStream and clients are redis-py. What it adds:
batches with isolation, one atomic commit, retries, dead letters, reclaiming, trimming, erasing, liveness.
"""
