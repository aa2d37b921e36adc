"""The fast path: hashing and scoring normalised text in compiled code that leaves the interpreter to others meanwhile.

It says what shared.model.text says of tokens; a property test compares the two. Nothing compiled here is called by
compiled code of another file. MurmurHash3 x86 32-bit: Austin Appleby, public domain.
"""

# mypy: disable-error-code="no-untyped-call"

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

from shared.model.compiling import compiled

BUCKETS = 2**18
LANES = 16
"""Columns of the table in memory: a row is one cache line, and the sum over it one vector addition."""
WORK = 640
"""Bytes of the longest token with room to spare: two words of 64 code points of 4 bytes and their marks."""
PIECES = 6 * 64 + 16
"""More than the tokens of one word."""
LONGEST_WORD = 64
"""Code points of a word that count."""
KEY = 16
"""Bytes of a word that can be remembered: two numbers hold them."""
MOST_SLOTS = 4096
"""Words that one call remembers at most: what they need stays in a core's own cache."""


@compiled
def _scrambled(k: Any) -> Any:
    """Return four bytes of a token as MurmurHash3 mixes them in."""
    k = np.uint32(k * np.uint32(0xCC9E2D51))
    k = np.uint32((k << np.uint32(15)) | (k >> np.uint32(17)))
    return np.uint32(k * np.uint32(0x1B873593))


@compiled
def _after_block(h: Any, k: Any) -> Any:
    """Return the state after four more bytes."""
    h = np.uint32(h ^ _scrambled(k))
    h = np.uint32((h << np.uint32(13)) | (h >> np.uint32(19)))
    return np.uint32(np.uint32(h * np.uint32(5)) + np.uint32(0xE6546B64))


@compiled
def _ended(h: Any, length: int) -> Any:
    """Return the bucket of a finished hash as HashingVectorizer counts it: the absolute value, by the modulus."""
    h = np.uint32(h ^ np.uint32(length))
    h = np.uint32((h ^ (h >> np.uint32(16))) * np.uint32(0x85EBCA6B))
    h = np.uint32((h ^ (h >> np.uint32(13))) * np.uint32(0xC2B2AE35))
    h = np.uint32(h ^ (h >> np.uint32(16)))
    if h == np.uint32(0x80000000):  # -2**31 has no absolute value; scikit-learn sends it here
        return np.int32((2147483647 - (BUCKETS - 1)) % BUCKETS)
    if h > np.uint32(0x80000000):
        h = np.uint32(~h + np.uint32(1))
    return np.int32(h & np.uint32(BUCKETS - 1))


@compiled
def _bucket(token: np.ndarray, begin: int, end: int) -> Any:
    """Return the bucket of a token of any length."""
    h = np.uint32(0)
    length = end - begin
    at = begin
    while at + 4 <= end:
        low = np.uint32(token[at]) | (np.uint32(token[at + 1]) << np.uint32(8))
        high = np.uint32(token[at + 2]) | (np.uint32(token[at + 3]) << np.uint32(8))
        h = _after_block(h, low | (high << np.uint32(16)))
        at += 4
    k = np.uint32(0)
    left = end - at
    if left == 3:
        k = np.uint32(token[at + 2]) << np.uint32(16)
    if left >= 2:
        k = np.uint32(k | (np.uint32(token[at + 1]) << np.uint32(8)))
    if left >= 1:
        h = np.uint32(h ^ _scrambled(np.uint32(k | np.uint32(token[at]))))
    return _ended(h, length)


@compiled
def _pieces_of_ascii(work: np.ndarray, size: int, found: np.ndarray, count: int) -> int:
    """Write the buckets of the 2 to 5 byte pieces of a framed word whose signs are one byte each."""
    zero = np.uint32(0)
    for i in range(size - 1):
        at = np.uintp(i)
        k = np.uint32(work[at]) | (np.uint32(work[at + np.uintp(1)]) << np.uint32(8))
        found[count] = _ended(_scrambled(k), 2)
        count += 1
        if i + 2 >= size:
            break
        k |= np.uint32(work[at + np.uintp(2)]) << np.uint32(16)
        found[count] = _ended(_scrambled(k), 3)
        count += 1
        if i + 3 >= size:
            continue
        h = _after_block(zero, k | (np.uint32(work[at + np.uintp(3)]) << np.uint32(24)))
        found[count] = _ended(h, 4)
        count += 1
        if i + 4 < size:
            found[count] = _ended(np.uint32(h ^ _scrambled(np.uint32(work[at + np.uintp(4)]))), 5)
            count += 1
    return count


@compiled
def _is_word(sign: int) -> bool:
    return (97 <= sign <= 122) or sign >= 128 or (48 <= sign <= 57) or sign == 39 or sign == 36


@compiled
def _word(text: np.ndarray, begin: int, end: int) -> tuple[int, int, int]:
    """Return where the word that begins here ends, where the part of it that counts does, and its code points."""
    at, stop, points = begin, begin, 0
    while at < end and _is_word(text[at]):
        if text[at] < 128 or text[at] >= 192:
            points += 1
        at += 1
        if points <= LONGEST_WORD:
            stop = at
    return at, stop, min(points, LONGEST_WORD)


@compiled
def _of_word(
    text: np.ndarray, begin: int, stop: int, points: int, work: np.ndarray, found: np.ndarray, count: int
) -> int:
    """Write the buckets of a word and its pieces, in the order of shared.model.text.tokens; return how many there are.

    `work` holds one token.
    """
    size = stop - begin
    work[0] = 61
    for i in range(size):
        work[1 + i] = text[begin + i]
    found[count] = _bucket(work, 0, 1 + size)
    count += 1
    work[0] = work[1 + size] = 32
    if size == points:
        return _pieces_of_ascii(work, size + 2, found, count)
    first = 0
    while first < size + 1:
        last = first
        for length in range(1, 6):
            last += 1
            while last < size + 2 and 128 <= work[last] < 192:
                last += 1
            if length >= 2:
                found[count] = _bucket(work, first, last)
                count += 1
            if last == size + 2:
                break
        first += 1
        while 128 <= work[first] < 192:
            first += 1
    return count


@compiled
def _of_pair(text: np.ndarray, before: int, end: int, begin: int, stop: int, work: np.ndarray) -> Any:
    """Return the bucket of a word that follows another, or nothing, which ends where it begins."""
    work[0] = 43
    to = 1
    for i in range(before, end):
        work[to] = text[i]
        to += 1
    work[to] = 32
    to += 1
    for i in range(begin, stop):
        work[to] = text[i]
        to += 1
    return _bucket(work, 0, to)


@compiled
def _key(text: np.ndarray, begin: int, stop: int) -> tuple[Any, Any]:
    """Return the first KEY bytes of a word as two numbers; no byte is zero, so they tell short words apart."""
    low = high = np.uint64(0)
    size = stop - begin
    for i in range(min(size, 8)):
        low |= np.uint64(text[begin + i]) << np.uint64(8 * i)
    for i in range(8, min(size, KEY)):
        high |= np.uint64(text[begin + i]) << np.uint64(8 * (i - 8))
    return low, high


def _added(typing: Any, total: Any, to: Any, rows: Any, row: Any) -> Any:
    """Add a row of LANES numbers to another as one vector: the compiler does not find that by itself in a loop."""

    def generated(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        vector = ir.VectorType(ir.FloatType(), LANES).as_pointer()

        def place(array: int) -> Any:
            data = context.make_array(signature.args[array])(context, builder, values[array]).data
            number = builder.mul(values[array + 1], ir.Constant(ir.IntType(64), LANES))
            return builder.bitcast(builder.gep(data, [number]), vector)

        into = place(0)
        sum_ = builder.fadd(builder.load(into, align=4), builder.load(place(2), align=4))
        builder.store(sum_, into, align=4)
        return context.get_dummy_value()

    return types.void(total, types.int64, rows, types.int64), generated


_add: Any = intrinsic(_added)


@compiled
def score(text: np.ndarray, ends: np.ndarray, weights: np.ndarray, intercepts: np.ndarray) -> np.ndarray:
    """Return logits (texts, heads) of normalised texts that lie one after the other.

    `weights` has LANES columns, of which the first are the heads. Words come again and again, so the sum over a word
    and its pieces is remembered for the rest of the call; it is the same sum whether it was remembered or not.
    """
    heads = len(intercepts)
    logits = np.empty((len(ends), heads), np.float32)
    slots = 16
    while slots < MOST_SLOTS and slots * 16 < len(text):
        slots *= 2
    keys, sizes = np.zeros((slots, 2), np.uint64), np.empty(slots, np.int64)
    sums = np.empty((slots + 1, LANES), np.float32)  # the last row is for words too long to be remembered
    work, found = np.empty(WORK, np.uint8), np.empty(PIECES, np.int32)
    total = np.empty((1, LANES), np.float32)
    at = 0
    for row in range(len(ends)):
        end, count = ends[row], 0
        total[:] = 0.0
        before = before_end = at
        while at < end:
            if not _is_word(text[at]):
                at += 1
                continue
            begin = at
            at, stop, points = _word(text, begin, end)
            low, high = _key(text, begin, stop)
            slot: Any = slots
            if stop - begin <= KEY:
                mixed = (low ^ (high * np.uint64(0x9E3779B97F4A7C15))) * np.uint64(0xD6E8FEB86659FD93)
                slot = np.int64((mixed >> np.uint64(40)) & np.uint64(slots - 1))
            if slot == slots or keys[slot, 0] != low or keys[slot, 1] != high:
                pieces = _of_word(text, begin, stop, points, work, found, 0)
                sums[slot, :] = 0.0
                for i in range(pieces):
                    _add(sums, slot, weights, found[i])
                if slot < slots:
                    keys[slot, 0], keys[slot, 1], sizes[slot] = low, high, pieces
            else:
                pieces = sizes[slot]
            _add(total, 0, sums, slot)
            _add(total, 0, weights, _of_pair(text, before, before_end, begin, stop, work))
            count += pieces + 1
            before, before_end = begin, stop
        scale = np.float32(1.0 / np.sqrt(count)) if count else np.float32(0.0)
        for head in range(heads):
            logits[row, head] = total[0, head] * scale + intercepts[head]
    return logits


@compiled
def hashed(text: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the buckets of all tokens of normalised texts that lie one after the other, and where each text's end."""
    work = np.empty(WORK, np.uint8)
    found = np.empty(6 * len(text) + PIECES, np.int32)
    stops = np.empty(len(ends), np.int64)
    at = count = 0
    for row in range(len(ends)):
        end = ends[row]
        before = before_end = at
        while at < end:
            if not _is_word(text[at]):
                at += 1
                continue
            begin = at
            at, stop, points = _word(text, begin, end)
            count = _of_word(text, begin, stop, points, work, found, count)
            found[count] = _of_pair(text, before, before_end, begin, stop, work)
            count += 1
            before, before_end = begin, stop
        stops[row] = count
    return found[:count], stops
