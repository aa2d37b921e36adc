"""What counts as a word of a topic: letters only, nobody's handle, no address, no number, no word that says nothing.

Invariant: the same in fitting and in assigning; a change here needs a new number in VERSION.
"""

import re

from shared.masking import anonymous

VERSION = 1
WORD = re.compile(r"[^\W\d_]{3,30}(?![^\W\d_])")
"""Three to thirty letters: shorter words say little, longer ones are keys and hashes."""
MARKS = re.compile(r"\[(?:link|email|handle|phone)\]|@\w+|https?://\S+|www\.\S+")
NAMES_SOMEBODY = re.compile(r"@|://|www\.|u/|did:|\.[a-z]", re.IGNORECASE)
"""Without any of these there is nothing to take out; looking for it takes a tenth of the time of doing it."""
APOSTROPHES = str.maketrans("", "", "'`\u2018\u2019\u00b4")

_ENGLISH = """
    aint also and are arent been being came can cannot cant come comes could couldnt did didnt does doesnt
    doing done dont even ever for from get gets getting goes going gonna got gotta had hadnt has hasnt have
    havent having heres hes ill isnt itll its ive just know let lets like lot lots made make makes many may
    maybe might much must mustnt neednt nope okay really said say saying says see shall shes should shouldnt
    still that thats the their theirs them theres these they theyd theyll theyre theyve thing things think
    this those very wanna want was wasnt way well were werent weve whats wheres whos will with wont would
    wouldnt yeah yep yes you youd youll your youre yours youve
"""
ENGLISH = frozenset(_ENGLISH.split())
"""Beside scikit-learn's English list: contractions without their apostrophe, and fillers of talk."""
_DUTCH = """
    aan aangaande achter achterna afgelopen aldaar aldus alhoewel alias alle allebei alleen alles als alsnog
    altijd ander andere anderen anders beide beiden ben beneden bent bepaald beter bij bijna bijv boven
    bovendien buiten daar daarheen daarin daarna daarnet daarom daarop daarvan dan dat deden deed denk der
    deze dezelfde die dien dikwijls dit doch doe doen doet door doordat doorgaand dus echt echter een eens
    eerder eerst eerste eigen eigenlijk elk elke eng enig enige enkel enkele erg even evenwel ga gaan gaat
    gauw geen gehad gekund geleden gelijk gemaakt gemogen geval geweest gewoon geworden had hadden hare heb
    hebben hebt heeft heel hele helemaal hem hen het hier hierna hij hoe hoewel hun ieder iedere iedereen
    iemand iets immers inderdaad ipv jaar jou jouw jouwe juist jullie kan kom komen komt kon konden krachtens
    kun kunnen kunt laat laten later leuk liever maakt maar mag maken mee meer meest men met mezelf mij mijn
    mijne minder misschien mocht moest moesten moet moeten moge mogelijk mogen naar nadat net niet niets nieuw
    nodig nog nogal nooit nou nu ofschoon omdat omhoog omlaag omstreeks omtrent omver onder ondertussen
    ongeveer ons onszelf onze ook opnieuw over overal overeind pas per precies reeds rond rondom samen sedert
    sinds sindsdien slechts sommige spoedig steeds tamelijk tegen tegenover tenzij terwijl thans tijdens toch
    toen toenmaals tot totdat tussen uit uitgezonderd vaak van vanaf vandaan vanuit vanwege veel veeleer
    verder vervolgens vindt vol volgens voor vooraf vooral voorbij voordat voort voorts vroeg waar waarin
    waarom wanneer want waren was wat weer weet weg wegens wel weldra welk welke werd werden wie wiens wij wil
    wilde willen worden wordt wou zal zeer zeg zeggen zegt zei zelf zelfde zelfs zich zichzelf zij zijn zijne
    zijnen zin zit zo zoals zodat zodra zonder zou zouden zowat zulk zulke zullen zult
"""
DUTCH = frozenset(_DUTCH.split())
"""Dutch words that say nothing about what a post is about."""


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case and in their order, without whoever and whatever it links to."""
    if NAMES_SOMEBODY.search(text):
        text = MARKS.sub(" ", anonymous(text))
    return WORD.findall(text.lower().translate(APOSTROPHES))
