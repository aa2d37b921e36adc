"""Every Redis key has its name from here.

With one shard nothing is added to a stream's name. With more, `.{3}` is: the shard alone is the hash tag of Redis
Cluster, so that whatever one commit writes of a shard lies in one slot, whichever streams it belongs to.
"""

import os
import socket

from shared.ids import digest
from shared.streams import shard_key

SEEN = "ombud:seen"
ERASURES = "ombud:erasures"
SCRUBS = "ombud:scrubs"
SCRUB_TURN = "ombud:scrubs:turn"
BROKER = "broker"
"""The broker's name among those who have to clean their files; the others are the services."""
API_KEYS = "ombud:api_keys"
KEY_USES = "ombud:api_keys:used"
"""When each API key was last used, as processes noted it."""
SESSIONS = "ombud:sessions"
"""Who is signed in at the console."""
NOTES = "ombud:notes"
PROCESSES = "ombud:processes"
"""Who runs, as each process says it."""
VERSIONS = "ombud:version"
SHARDS = "ombud:shards"
"""How many shards the streams of this broker have; absent: one."""


def retry_key(stream: str, group: str) -> str:
    """Return the stream of events that one group tries again."""
    return f"{stream}:retry:{group}"


def delay_key(stream: str, group: str) -> str:
    """Return the sorted set of events that wait for their next attempt (score: due time in ms)."""
    return f"{stream}:delay:{group}"


def dead_key(stream: str, group: str) -> str:
    """Return the stream of events one group gave up on. It has no consumer groups."""
    return f"{stream}:dead:{group}"


def seen_keys(stream: str, now_s: float, window_s: int) -> tuple[str, str]:
    """Return the sets of event ids of this window and the one before."""
    bucket = int(now_s // window_s)
    return f"{SEEN}:{stream}:{bucket}", f"{SEEN}:{stream}:{bucket - 1}"


def note_key(channel: str, proof: str) -> str:
    """Return the key of what was noted of something that came, for the next time it comes."""
    return f"{NOTES}:{channel}:{digest(proof.encode())[:40]}"


def attempts_key(what: str) -> str:
    """Return the key that counts how often signing in failed lately, for an account or an address."""
    return f"ombud:signins:{digest(what.encode())[:40]}"


def version_key(subject: str, shard: int = 0, shards: int = 1) -> str:
    """Return the key that counts what was said of something, so that nobody speaks over a word they have not seen."""
    return f"{shard_key(VERSIONS, shard, shards)}:{digest(subject.encode())[:40]}"


def replicas_key(group: str) -> str:
    """Return the sorted set of a group's processes (score: until when each counts as alive, ms)."""
    return f"ombud:{{{group}}}:replicas"


def holders_key(group: str) -> str:
    """Return the hash of which process reads which shard for a group."""
    return f"ombud:{{{group}}}:shards"


def lease_key(post_id: str) -> str:
    """Return the key that says who is deciding a post."""
    return f"lease:post:{post_id}"


def handed_key(person_id: str) -> str:
    """Return the hash of posts that colleagues handed to somebody (post -> who did)."""
    return f"handed:person:{person_id}"


def held_channel() -> str:
    """Return the channel on which leases of posts are told as they begin and end."""
    return "ombud:held"


def consumer_name(service: str) -> str:
    """Return this process's name in a consumer group: `<service>-<host>-<pid>`."""
    return f"{service}-{socket.gethostname()}-{os.getpid()}"
