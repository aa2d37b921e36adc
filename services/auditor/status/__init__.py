"""Where a subject stands and how it came there: records, what moves them, and what stops a round of too many flips."""
