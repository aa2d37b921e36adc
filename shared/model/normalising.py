"""The fast path's normaliser: simple text as shared.model.text folds it, byte for byte, in compiled code.

Where folding needs Unicode it is handed text that went through the Python definition; a property test compares the two.
Nothing compiled here is called by compiled code of another file: what numba keeps on disk would not follow a change.
"""

# mypy: disable-error-code="no-untyped-call"

import numpy as np

from shared.model.compiling import compiled

ROOM = 4
"""Bytes of work space per byte of text: ` userx ` for `@a` is the worst."""
LATIN = 195
"""First of the two bytes of each letter beyond ASCII; what has another first byte is neither letter nor white."""
PAD = 8
"""Bytes before and after a text in the work space, so that a sign's neighbours can be looked at without asking."""


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
    """Tell whether a sign begins or goes on a name; bytes that go on a sign are met only after one of a name."""
    return 97 <= sign <= 122 or 48 <= sign <= 57 or sign == 95 or sign == LATIN or 128 <= sign < 192


@compiled
def _after_name(text: np.ndarray, at: int) -> bool:
    """Tell whether the sign before is of a name."""
    return at > 0 and _is_name(text[at - 1]) and (text[at - 1] < 128 or text[at - 2] == LATIN)


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
    inside = _after_name(text, at)
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
    if sign == 64 and not _after_name(text, at):
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
    if not _is_letter(text[at]) or (_after_name(text, at) and text[at - 1] != 95):
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
    """Write a text in lower case. Beyond ASCII only LATIN letters have one."""
    before = np.uint8(0)
    for i in range(len(source)):
        sign = source[i]
        upper = (65 <= sign <= 90) | ((128 <= sign <= 158) & (before == LATIN))
        into[i] = sign + 32 if upper else sign
        before = sign


@compiled
def _parts(sign: int) -> bool:
    return (sign == 32) | (sign == 46) | (sign == 45) | (sign == 95) | (sign == 42)


@compiled
def _hints(padded: np.ndarray, end: int) -> int:
    """Return what may be in a text with PAD: 1 addresses or names, 2 runs of equal signs, 4 spaced letters.

    What is not hinted at is not there, so that its pass can be left out. No branches: many signs are looked at at once.
    """
    zero, one, two, three = padded[PAD:], padded[PAD - 1 :], padded[PAD - 2 :], padded[PAD - 3 :]
    four, five, six, eight = padded[PAD - 4 :], padded[PAD - 5 :], padded[PAD - 6 :], padded[PAD - 8 :]
    marked = runs = spaced = False
    for i in range(end):
        sign = zero[i]
        # `http://`, `@name`, `<user>`, `[user]`, `[url]`; `www.`; `url`
        marked |= (sign == 58) | (sign == 64) | (sign == 91) | (sign == 60)
        marked |= ((sign == 119) & (one[i] == 119)) | ((sign == 108) & (one[i] == 114) & (two[i] == 117))
        runs |= (sign == one[i]) & (sign == two[i])
        runs |= (sign >= 192) & (sign == two[i]) & (sign == four[i])  # first bytes of signs of two, three and four
        runs |= (sign >= 224) & (sign == three[i]) & (sign == six[i])
        runs |= (sign >= 240) & (sign == four[i]) & (sign == eight[i])
        letters = _is_letter(sign) & _is_letter(two[i]) & _is_letter(four[i]) & _is_letter(six[i])
        spaced |= letters & _parts(one[i]) & _parts(three[i]) & _parts(five[i])
    return (1 if marked else 0) | (2 if runs else 0) | (4 if spaced else 0)


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
        first = text[at]
        size = 1 if first < 128 else 2 if first < 224 else 3 if first < 240 else 4
        third = at >= 2 * size
        if third:
            for i in range(at, at + size):
                third &= text[i] == text[i - size] and text[i] == text[i - 2 * size]
        if not third:
            for i in range(at, at + size):
                into[to] = text[i]
                to += 1
        at += size
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
def _normalised(source: np.ndarray, one: np.ndarray, padded: np.ndarray, into: np.ndarray) -> int:
    """Write the normalised form of simple text (shared.model.paths.SIMPLE, UTF-8); return its length."""
    end = len(source)
    two = padded[PAD:]
    _lowered(source, two)
    hints = _hints(padded, end)
    if hints == 0:
        return _undisguised(two, end, into)
    if hints & 1:  # what is put in their place may make runs and spaces of its own
        end = _replaced(one, _replaced(two, end, one, False), two, True)
        hints = 6
    if hints & 2:
        end = _shortened(two, end, one)
        one, two = two, one
    if hints & 4:
        end = _closed(two, end, one)
        one, two = two, one
    return _undisguised(two, end, into)


@compiled
def normalised(source: np.ndarray, ends: np.ndarray, ready: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return texts that lie one after the other normalised, and where each ends; `ready` ones are that already."""
    longest, begin = 16, 0
    for row in range(len(ends)):
        longest = max(longest, ends[row] - begin)
        begin = ends[row]
    one, padded = np.empty(ROOM * longest + PAD, np.uint8), np.zeros(ROOM * longest + 2 * PAD, np.uint8)
    written, stops = np.empty(ROOM * len(source) + PAD, np.uint8), np.empty(len(ends), np.int64)
    begin = filled = 0
    for row in range(len(ends)):
        text = source[begin : ends[row]]
        if ready[row]:
            written[filled : filled + len(text)] = text
            filled += len(text)
        else:
            filled += _normalised(text, one, padded, written[filled:])
        stops[row] = filled
        begin = ends[row]
    return written[:filled], stops
