"""Connections end by themselves when the other side is gone without a word."""

import socket

import pytest

from shared.sockets import GONE_AFTER_S, OPTIONS, watch

linux = pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system has no such option")


def _asks_after_gone(sock: socket.socket) -> bool:
    kept = sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    return kept and all(sock.getsockopt(socket.IPPROTO_TCP, name) == value for name, value in OPTIONS.items())


@linux
def test_a_socket_to_another_machine_is_watched_and_one_within_is_left_alone() -> None:
    assert OPTIONS[socket.TCP_USER_TIMEOUT] == GONE_AFTER_S * 1000
    with socket.socket() as far:
        assert not _asks_after_gone(far)
        watch(far)
        assert _asks_after_gone(far)
    with socket.socket(socket.AF_UNIX) as near:
        watch(near)
    watch(None)
