"""The fast path: normalising, hashing and scoring in compiled code that leaves the interpreter to others meanwhile.

It says what shared.model.text says, byte for byte; where that needs Unicode it is handed text that went through the
Python definition. A property test compares the two. MurmurHash3 x86 32-bit: Austin Appleby, public domain.
"""

# mypy: disable-error-code="no-untyped-call"

from typing import Any

import numpy as np

from shared.model.compiling import compiled

BUCKETS = 2**18
ROOM = 4
"""Bytes of work space per byte of text: ` userx ` for `@a` is the worst."""
LANES = 16
"""Columns of the table in memory: a row is one cache line, and the sum over it one vector addition."""
WORK = 640
"""Bytes of the longest token with room to spare: two words of 64 code points of 4 bytes and their marks."""


@compiled
def _is_white(sign: int) -> bool:
    return sign == 32 or 9 <= sign <= 13 or 28 <= sign <= 31


@compiled
def _is_letter(sign: int) -> bool:
    return 97 <= sign <= 122


@compiled
def _is_digit(sign: int) -> bool:
    return 48 <= sign <= 57


@compiled
def _is_name(sign: int) -> bool:
    return 97 <= sign <= 122 or 48 <= sign <= 57 or sign == 95 or sign >= 128


@compiled
def _starts(text: np.ndarray, at: int, end: int, wanted: bytes) -> bool:
    if at + len(wanted) > end:
        return False
    for i in range(len(wanted)):  # noqa: SIM110 - generators do not compile
        if text[at + i] != wanted[i]:
            return False
    return True


@compiled
def _put(into: np.ndarray, at: int, what: bytes) -> int:
    for i in range(len(what)):
        into[at + i] = what[i]
    return at + len(what)


@compiled
def _rest(text: np.ndarray, at: int, end: int) -> int:
    while at < end and not _is_white(text[at]):
        at += 1
    return at


@compiled
def _address(text: np.ndarray, at: int, end: int) -> int:
    """Return where the address that begins here ends, or `at` if none does."""
    sign = text[at]
    inside = at > 0 and _is_name(text[at - 1])
    start = at
    if sign == 104:
        if _starts(text, at, end, b"http://"):
            start = at + 7
        elif _starts(text, at, end, b"https://"):
            start = at + 8
    elif sign == 119 and not inside and _starts(text, at, end, b"www."):
        start = at + 4
    elif sign == 91 and _starts(text, at, end, b"[url]"):
        return at + 5
    elif (
        sign == 117 and not inside and _starts(text, at, end, b"url") and (at + 3 == end or not _is_name(text[at + 3]))
    ):
        return at + 3
    if start > at:
        stop = _rest(text, start, end)
        if stop > start:
            return stop
    return at


@compiled
def _name(text: np.ndarray, at: int, end: int) -> int:
    """Return where the @name that begins here ends, or `at` if none does."""
    sign = text[at]
    if sign == 64 and not (at > 0 and _is_name(text[at - 1])):
        stop = at + 1
        while stop < end and _is_name(text[stop]):
            stop += 1
        return stop if stop > at + 1 else at
    if (sign == 60 and _starts(text, at, end, b"<user>")) or (sign == 91 and _starts(text, at, end, b"[user]")):
        return at + 6
    return at


@compiled
def _spaced(text: np.ndarray, at: int, end: int) -> int:
    """Return where four or more single letters that begin here end, or `at` if none do."""
    if not _is_letter(text[at]) or (at > 0 and text[at - 1] != 95 and _is_name(text[at - 1])):
        return at
    last, count = at, 1
    while last + 2 < end and _is_letter(text[last + 2]):
        between = text[last + 1]
        if not (between == 32 or between == 46 or between == 45 or between == 95 or between == 42):
            break
        last, count = last + 2, count + 1
    if last + 1 < end and text[last + 1] != 95 and _is_name(text[last + 1]):
        last, count = last - 2, count - 1
    return last + 1 if count >= 4 else at


@compiled
def _plainly(text: np.ndarray, at: int, stop: int, into: np.ndarray, to: int) -> int:
    """Write a word without its disguise."""
    letters = signs = leading = 0
    for i in range(at, stop):
        if _is_letter(text[i]):
            letters += 1
        else:
            signs += 1
            if _is_digit(text[i]) and letters == 0 and leading == i - at:
                leading += 1
    counted = leading > 0 and signs == leading and letters <= 2
    change = letters > 0 and signs > 0 and not counted
    for i in range(at, stop):
        sign = text[i]
        if change:
            if sign == 48:
                sign = np.uint8(111)
            elif sign == 49:
                sign = np.uint8(105)
            elif sign == 51:
                sign = np.uint8(101)
            elif sign == 52 or sign == 64:
                sign = np.uint8(97)
            elif sign == 53 or sign == 36:
                sign = np.uint8(115)
            elif sign == 55:
                sign = np.uint8(116)
        into[to] = sign
        to += 1
    return to


@compiled
def _lowered(source: np.ndarray, into: np.ndarray) -> None:
    """Write a text in lower case. Beyond ASCII there are only Latin letters of two bytes, the first of them 0xC3."""
    before = np.uint8(0)
    for i in range(len(source)):
        sign = source[i]
        upper = (65 <= sign <= 90) | ((128 <= sign <= 158) & (before == 195))
        into[i] = sign + 32 if upper else sign
        before = sign


@compiled
def _hints(text: np.ndarray, end: int) -> int:
    """Return what may be in a text: 1 addresses or names, 2 runs of equal signs, 4 spaced letters.

    What is not hinted at is not there, so that its pass can be left out.
    """
    hints = 0
    one = two = three = four = 0  # the signs before
    for i in range(end):
        sign = text[i]
        # `http://`, `@name`, `<user>`, `[user]`, `[url]`; `www.`; `url`
        marked = sign == 58 or sign == 64 or sign == 91 or sign == 60
        if marked or (sign == 119 and one == 119) or (sign == 108 and one == 114 and two == 117):
            hints |= 1
        if sign == two and (one == sign or four == sign):
            hints |= 2
        # a letter, a sign, a letter, a sign
        parts = not _is_name(sign) or sign == 95
        if parts and _is_letter(one) and (not _is_name(two) or two == 95) and _is_letter(three):
            hints |= 4
        one, two, three, four = sign, one, two, three
    return hints


@compiled
def _replaced(text: np.ndarray, end: int, into: np.ndarray, names: bool) -> int:
    """Put a word in the place of addresses, or of names."""
    at = to = 0
    while at < end:
        stop = _name(text, at, end) if names else _address(text, at, end)
        if stop > at:
            to, at = _put(into, to, b" userx ") if names else _put(into, to, b" urlx "), stop
        else:
            into[to] = text[at]
            to, at = to + 1, at + 1
    return to


@compiled
def _shortened(text: np.ndarray, end: int, into: np.ndarray) -> int:
    """Leave two of three and more equal signs."""
    at = to = 0
    while at < end:
        if text[at] == 195:
            same = at >= 4 and text[at - 2] == 195 and text[at - 4] == 195
            if not (same and text[at + 1] == text[at - 1] and text[at + 1] == text[at - 3]):
                into[to] = text[at]
                into[to + 1] = text[at + 1]
                to += 2
            at += 2
            continue
        if not (at >= 2 and text[at] == text[at - 1] and text[at] == text[at - 2]):
            into[to] = text[at]
            to += 1
        at += 1
    return to


@compiled
def _closed(text: np.ndarray, end: int, into: np.ndarray) -> int:
    """Join spaced letters."""
    at = to = 0
    while at < end:
        stop = _spaced(text, at, end)
        if stop > at:
            for i in range(at, stop, 2):
                into[to] = text[i]
                to += 1
            at = stop
        else:
            into[to] = text[at]
            to, at = to + 1, at + 1
    return to


@compiled
def _undisguised(text: np.ndarray, end: int, into: np.ndarray) -> int:
    """Take words out of their disguise and fold white space."""
    at = to = 0
    while at < end:
        sign = text[at]
        if _is_letter(sign) or _is_digit(sign) or sign == 64 or sign == 36:
            begin, plain = at, True
            while at < end:
                sign = text[at]
                if not _is_letter(sign):
                    if not (_is_digit(sign) or sign == 64 or sign == 36):
                        break
                    plain = False
                into[to + at - begin] = sign
                at += 1
            to = to + at - begin if plain else _plainly(text, begin, at, into, to)
        elif _is_white(sign):
            while at < end and _is_white(text[at]):
                at += 1
            if to > 0 and at < end:
                into[to] = 32
                to += 1
        else:
            into[to] = sign
            to, at = to + 1, at + 1
    return to


@compiled
def normalise_simple(source: np.ndarray, one: np.ndarray, two: np.ndarray) -> int:
    """Write the normalised form of simple text (shared.model.paths.SIMPLE, UTF-8) into `one`; return its length."""
    end = len(source)
    _lowered(source, two)
    hints = _hints(two, end)
    if hints & 1:  # what is put in their place may make runs and spaces of its own
        end = _replaced(one, _replaced(two, end, one, False), two, True)
        hints = 6
    if hints & 2:
        end = _closed(one, _shortened(two, end, one), two)
    elif hints & 4:
        end = _closed(two, end, one)
        two[:end] = one[:end]
    return _undisguised(two, end, one)


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
    return sign >= 128 or _is_letter(sign) or _is_digit(sign) or sign == 39 or sign == 36


@compiled
def buckets(text: np.ndarray, end: int, work: np.ndarray, starts: np.ndarray, found: np.ndarray) -> int:
    """Write the bucket of every token of a normalised UTF-8 text into `found`; return how many there are.

    `work` holds one token, `starts` where each code point of a word begins.
    """
    count = at = before = before_end = 0
    while at < end:
        if not _is_word(text[at]):
            at += 1
            continue
        begin, points = at, 0
        stop = at
        while at < end and _is_word(text[at]):
            if text[at] < 128 or text[at] >= 192:
                points += 1
                if points <= 64:
                    starts[points] = 1 + at - begin
            if points <= 64:
                stop = at + 1
            at += 1
        points = min(points, 64)
        size = stop - begin
        work[0] = 61
        for i in range(size):
            work[1 + i] = text[begin + i]
        found[count] = _bucket(work, 0, 1 + size)
        work[0] = 32
        work[1 + size] = 32
        starts[0] = 0
        starts[points + 1] = 1 + size
        starts[points + 2] = 2 + size
        count += 1
        if size == points:
            count = _pieces_of_ascii(work, size + 2, found, count)
        else:
            for first in range(points + 1):
                for length in range(2, min(5, points + 2 - first) + 1):
                    found[count] = _bucket(work, starts[first], starts[first + length])
                    count += 1
        work[0] = 43
        to = 1
        for i in range(before, before_end):
            work[to] = text[i]
            to += 1
        work[to] = 32
        to += 1
        for i in range(size):
            work[to + i] = text[begin + i]
        found[count] = _bucket(work, 0, to + size)
        count += 1
        before, before_end = begin, stop
    return count


@compiled
def score(
    source: np.ndarray, ends: np.ndarray, ready: np.ndarray, weights: np.ndarray, intercepts: np.ndarray
) -> np.ndarray:
    """Return logits (texts, heads) of texts that lie one after the other; `ready` ones are normalised already.

    `weights` has LANES columns, of which the first are the heads.
    """
    logits = np.empty((len(ends), len(intercepts)), np.float32)
    longest, begin = 16, 0
    for row in range(len(ends)):
        longest = max(longest, ends[row] - begin)
        begin = ends[row]
    one, two = np.empty(ROOM * longest + 8, np.uint8), np.empty(ROOM * longest + 8, np.uint8)
    work, starts = np.empty(WORK, np.uint8), np.empty(68, np.int64)
    found = np.empty(6 * ROOM * longest + 16, np.int32)
    heads = len(intercepts)
    total = np.empty(LANES, np.float32)
    begin = 0
    for row in range(len(ends)):
        if ready[row]:
            size = ends[row] - begin
            one[:size] = source[begin : ends[row]]
        else:
            size = normalise_simple(source[begin : ends[row]], one, two)
        count = buckets(one, size, work, starts, found)
        total[:] = 0.0
        for i in range(count):
            row_of = weights[found[i]]
            for lane in range(LANES):
                total[lane] += row_of[lane]
        scale = np.float32(1.0 / np.sqrt(count)) if count else np.float32(0.0)
        for head in range(heads):
            logits[row, head] = total[head] * scale + intercepts[head]
        begin = ends[row]
    return logits


@compiled
def hashed(source: np.ndarray, ends: np.ndarray, ready: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the buckets of all tokens of all texts, and where each text's end in them."""
    longest, begin = 16, 0
    for row in range(len(ends)):
        longest = max(longest, ends[row] - begin)
        begin = ends[row]
    one, two = np.empty(ROOM * longest + 8, np.uint8), np.empty(ROOM * longest + 8, np.uint8)
    work, starts = np.empty(WORK, np.uint8), np.empty(68, np.int64)
    found = np.empty(6 * ROOM * longest + 16, np.int32)
    all_found = np.empty(max(6 * len(source), 16), np.int32)
    stops = np.empty(len(ends), np.int64)
    filled = begin = 0
    for row in range(len(ends)):
        if ready[row]:
            size = ends[row] - begin
            one[:size] = source[begin : ends[row]]
        else:
            size = normalise_simple(source[begin : ends[row]], one, two)
        count = buckets(one, size, work, starts, found)
        if filled + count > len(all_found):
            larger = np.empty(2 * (filled + count), np.int32)
            larger[:filled] = all_found[:filled]
            all_found = larger
        all_found[filled : filled + count] = found[:count]
        filled += count
        stops[row] = filled
        begin = ends[row]
    return all_found[:filled], stops


@compiled
def normalised(source: np.ndarray) -> np.ndarray:
    """Return the normalised bytes of simple text; for tests and for whoever wants to look."""
    one, two = np.empty(ROOM * len(source) + 8, np.uint8), np.empty(ROOM * len(source) + 8, np.uint8)
    return one[: normalise_simple(source, one, two)].copy()
