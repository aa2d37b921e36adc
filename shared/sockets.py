"""Connections that notice when the other side is gone without a word: a cable pulled, an address taken away.

A process that ends closes its connections, and one that stands still lets its machine acknowledge what it is sent; only
a network that is cut says nothing, and Linux would go on for a quarter of an hour with something to send and two hours
without. Source: tcp(7), RFC 5482.
"""

import socket
from typing import Any

IDLE_S, ASK_EVERY_S, ASK_TIMES = 10, 5, 3
"""When a quiet connection is asked about first, how often after that, and how many times without an answer."""
GONE_AFTER_S = IDLE_S + ASK_EVERY_S * ASK_TIMES
"""How long what was sent may stay unacknowledged by the other machine."""

_WANTED = {
    "TCP_KEEPIDLE": IDLE_S,
    "TCP_KEEPINTVL": ASK_EVERY_S,
    "TCP_KEEPCNT": ASK_TIMES,
    "TCP_USER_TIMEOUT": GONE_AFTER_S * 1000,
}
OPTIONS: dict[int, int] = {getattr(socket, name): value for name, value in _WANTED.items() if hasattr(socket, name)}
"""Options of a TCP socket, as far as this system has them."""


def watch(sock: Any) -> None:
    """Let a connected socket end by itself when the other side is gone; one within the machine needs no watch."""
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in OPTIONS.items():
        sock.setsockopt(socket.IPPROTO_TCP, name, value)
