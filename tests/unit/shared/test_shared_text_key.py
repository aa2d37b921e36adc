"""The key of a text."""

from shared.text_key import key_of


def test_the_same_words_have_the_same_key() -> None:
    assert key_of("Hey @anna, LOOK: https://example.org/x !!") == key_of("hey look")
    assert key_of("ça_va  bien?") == "ça va bien"


def test_a_text_without_words_is_its_own_key() -> None:
    assert key_of("?!") == "?!"
    assert key_of("@anna ") == "@anna "
