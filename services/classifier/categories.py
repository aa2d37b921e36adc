"""What each of the twelve categories means, for people who set thresholds or read scores. Pure."""

from collections.abc import Mapping

DESCRIPTIONS: Mapping[str, str] = {
    "toxic": "Rude or hurtful enough that people leave the conversation.",
    "threat": "Announces, wishes or calls for harm to somebody.",
    "hate_speech": "Attacks people for the group they belong to.",
    "racism": "Demeans people for descent, skin colour or origin.",
    "antisemitism": "Demeans Jews, or repeats the old stories about them.",
    "islamophobia": "Demeans Muslims for being Muslims.",
    "sexism": "Demeans people for their sex, or says what it fits them for.",
    "homophobia": "Demeans people for whom they love or for their gender identity.",
    "insult": "Demeans the person who is spoken to or of.",
    "dehumanization": "Speaks of people as animals, vermin, filth or disease.",
    "extremism": "Praises, plays down or recruits for violent political or religious movements.",
    "ableism": "Demeans people for a disability, or uses one as an insult.",
}
"""Category -> one sentence. Naming a group, quoting an attack or answering it is none of these."""
