"""What each training set says about a category, and what it leaves unknown: little files in the upstream layouts."""

from pathlib import Path

import pytest

from services.trainer.rows import IDENTITIES, Row
from services.trainer.sets.folder import MIXES, contrast_rows
from services.trainer.sets.sentences import hatemoji_categories
from services.trainer.sets.tweets import target_categories
from tests.support.sets import empty_folder, put, put_lines, put_objects

Said = dict[str, tuple[int, float]]
STRONG_0, STRONG_1, WEAK_0, WEAK_1 = (0, 1.0), (1, 1.0), (0, 0.5), (1, 0.5)


def rows(folder: Path, name: str) -> list[Row]:
    return list(MIXES["wide"][name](folder))


def said(row: Row) -> Said:
    return {category: (mark.label, mark.weight) for category, mark in row.marks.items()}


def all_of(mark: tuple[int, float], *categories: str) -> Said:
    return dict.fromkeys(categories, mark)


def but(*categories: str) -> tuple[str, ...]:
    return tuple(each for each in IDENTITIES if each not in categories)


# -- EDOS ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("category", "vector", "expected"),
    [
        ("1. threats", "1.1 threats of harm", {"threat": STRONG_1, "hate_speech": WEAK_1, "toxic": STRONG_1}),
        ("2. derogation", "2.1 descriptive attacks", {"threat": WEAK_0, "hate_speech": WEAK_1, "toxic": STRONG_1}),
        (
            "2. derogation",
            "2.2 aggressive attacks",
            {"threat": WEAK_0, "insult": STRONG_1, "hate_speech": WEAK_1, "toxic": STRONG_1},
        ),
        (
            "2. derogation",
            "2.3 dehumanising attacks",
            {"threat": WEAK_0, "dehumanization": WEAK_1, "hate_speech": WEAK_1, "toxic": STRONG_1},
        ),
        ("3. animosity", "3.1 casual slurs", {"threat": WEAK_0, "insult": STRONG_1, "toxic": STRONG_1}),
        ("3. animosity", "3.2 immutable differences", {"threat": WEAK_0}),
        ("4. prejudiced discussions", "4.1 supporting mistreatment", {"threat": WEAK_0}),
    ],
)
def test_edos_says_what_its_category_and_vector_mean(
    tmp_path: Path, category: str, vector: str, expected: Said
) -> None:
    put(tmp_path, "edos/edos_train_dev.csv.gz", ("a", "some words", "sexist", category, vector, "train"))
    (row,) = rows(tmp_path, "edos")
    assert said(row) == {"sexism": STRONG_1, **expected}


def test_edos_posts_that_are_not_sexist_were_asked_nothing_else(tmp_path: Path) -> None:
    put(
        tmp_path,
        "edos/edos_train_dev.csv.gz",
        ("a", "some words", "not sexist", "none", "none", "train"),
        ("b", "other words", "not sexist", "none", "none", "dev"),
    )
    first, second = rows(tmp_path, "edos")
    assert said(first) == {"sexism": STRONG_0}
    assert (first.split, second.split) == ("train", "dev")
    assert (second.file, second.number) == ("edos/edos_train_dev.csv.gz", 2)


# -- Toxic Spans --------------------------------------------------------------------------------------------


def test_toxic_spans_counts_what_two_raters_marked_and_says_nothing_else(tmp_path: Path) -> None:
    empty_folder(tmp_path)
    put(tmp_path, "toxic_spans/comments.csv.gz", *((str(n), f"comment {n}") for n in range(1, 6)))
    raters = [("a", 1), ("b", 1), ("c", 2), ("d", 3), ("e", 3), ("f", 4), ("g", 4), ("h", 5)]
    put(
        tmp_path,
        "toxic_spans/annotations.csv.gz",
        *((rater, str(comment), "1", "NLD", "True", "True") for rater, comment in raters),
    )
    spans = [
        *[("a", "Insult"), ("b", "Insult"), ("a", "Threat")],
        *[("c", "Insult"), ("c", "Insult")],
        *[("d", "Identity based Attack"), ("e", "Identity based Attack")],
        *[("f", "Threat"), ("g", "Threat"), ("g", "Other Toxicity")],
    ]
    put(tmp_path, "toxic_spans/spans.csv.gz", *((rater, kind, "0", "3") for rater, kind in spans))
    two, one, attack, threat, unmarked = map(said, rows(tmp_path, "toxic_spans"))
    assert two == {"toxic": STRONG_1, "insult": STRONG_1}
    assert one == unmarked == {}
    assert attack == {"toxic": STRONG_1, "hate_speech": WEAK_1}
    assert threat == {"toxic": STRONG_1, "threat": STRONG_1}


# -- HatemojiBuild ------------------------------------------------------------------------------------------


def emoji(
    text: str, label: int, kind: str = "none", target: str = "['none']", split: str = "train"
) -> dict[str, object]:
    return {"text": text, "label_gold": label, "type": kind, "target": target, "split": split}


def test_hatemoji_without_hate_leaves_rudeness_unknown(tmp_path: Path) -> None:
    empty_folder(tmp_path)
    put(tmp_path, "hatemoji/train.csv.gz", emoji("you are 🌞", 0))
    put(tmp_path, "hatemoji/validation.csv.gz", emoji("you are 🌻", 0, split="dev"))
    train, dev = rows(tmp_path, "hatemoji")
    assert said(train) == all_of(STRONG_0, "hate_speech", "dehumanization", *IDENTITIES)
    assert (train.split, dev.split) == ("train", "dev")


def test_hatemoji_with_hate_names_whom_it_attacks_and_whom_not(tmp_path: Path) -> None:
    empty_folder(tmp_path)
    put(
        tmp_path,
        "hatemoji/train.csv.gz",
        emoji("one", 1, "derogation", "['blawom']"),
        emoji("two", 1, "threateninglanguage", "['gaywom', 'jew']"),
        emoji("three", 1, "dehumanizinglanguage", "['sikhwom']"),
    )
    hate = all_of(STRONG_1, "hate_speech", "toxic")
    one, two, three = map(said, rows(tmp_path, "hatemoji"))
    assert one == hate | all_of(STRONG_1, "racism", "sexism") | all_of(STRONG_0, *but("racism", "sexism"))
    named = ("homophobia", "antisemitism")
    assert two == hate | all_of(STRONG_1, "threat", *named) | all_of(STRONG_0, *but(*named))
    rest = all_of(STRONG_0, *but("racism", "sexism"))
    assert three == hate | all_of(STRONG_1, "dehumanization", "sexism") | rest


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ("bla blaman asi asi.east.chin asiman arab hisp immig ref ethmin mix.race trav african", ("racism",)),
        ("ind indig nat.poland for mex abo europe.east", ("racism",)),
        ("blawom asiwom indwom mexwom", ("racism", "sexism")),
        ("jew", ("antisemitism",)),
        ("mus", ("islamophobia",)),
        ("muswom", ("islamophobia", "sexism")),
        ("wom sikhwom", ("sexism",)),
        ("gay gayman gaywom bis trans lgbtqa", ("homophobia",)),
        ("dis", ("ableism",)),
        ("wc asy hind sikh none", ()),
    ],
)
def test_a_target_of_hatemoji_has_its_categories(codes: str, expected: tuple[str, ...]) -> None:
    assert {hatemoji_categories(code) for code in codes.split()} == {expected}


@pytest.mark.parametrize("code", ["wc", "asy", "hind", "sikh"])
def test_a_target_nobody_can_place_leaves_racism_unknown(tmp_path: Path, code: str) -> None:
    empty_folder(tmp_path)
    put(tmp_path, "hatemoji/train.csv.gz", emoji("one", 1, "derogation", f"['{code}']"))
    (row,) = rows(tmp_path, "hatemoji")
    assert said(row) == all_of(STRONG_1, "hate_speech", "toxic") | all_of(STRONG_0, *but("racism"))


# -- Surge AI, ToxiGen --------------------------------------------------------------------------------------


def test_surge_says_toxic_or_not(tmp_path: Path) -> None:
    put(tmp_path, "surge_toxicity/toxicity_en.csv.gz", ("nice", "Not Toxic"), ("you fool", "Toxic"))
    nice, rude = rows(tmp_path, "surge_toxicity")
    assert said(nice) == {"toxic": STRONG_0}
    assert said(rude) == {"toxic": STRONG_1}


@pytest.mark.parametrize(
    ("file", "category"),
    [
        ("race/hate_black_sentences.txt", "racism"),
        ("race/hate_asian_sentences.txt", "racism"),
        ("race/hate_latino_sentences.txt", "racism"),
        ("race/hate_native_american_sentences.txt", "racism"),
        ("race/hate_jewish_sentences.txt", "antisemitism"),
        ("nationality/hate_chinese_sentences.txt", "racism"),
        ("nationality/hate_mexican_sentences.txt", "racism"),
        ("nationality/hate_immigrant_sentences.txt", "racism"),
        ("nationality/hate_middle_east_sentences.txt", "racism"),
        ("religion/hate_muslim.txt", "islamophobia"),
        ("religion/hate_muslim_sentences.txt", "islamophobia"),
        ("sexual_orientation/hate_lgbtq.txt", "homophobia"),
        ("sexual_orientation/hate_bisexual.txt", "homophobia"),
        ("disability/hate_mental_disability_sentences.txt", "ableism"),
        ("disability/hate_physical_disability_sentences.txt", "ableism"),
    ],
)
def test_the_name_of_a_toxigen_file_says_stance_and_group(tmp_path: Path, file: str, category: str) -> None:
    put_lines(tmp_path, f"toxigen_demonstrations/{file}", "they are to blame", "", "they are to blame")
    put_lines(tmp_path, f"toxigen_demonstrations/{file.replace('hate_', 'neutral_')}", "they are my neighbours")
    hate, neutral = rows(tmp_path, "toxigen_demonstrations")
    assert said(hate) == all_of(STRONG_1, "hate_speech", "toxic", category)
    assert said(neutral) == all_of(STRONG_0, "hate_speech", "toxic", category)


# -- ConvAbuse ----------------------------------------------------------------------------------------------


def turn(user: str, *ones: str) -> dict[str, object]:
    return {"prev_agent": "_", "prev_user": "_", "agent": "hello", "user": user, **dict.fromkeys(ones, 1)}


def test_convabuse_follows_most_raters_of_a_turn(tmp_path: Path) -> None:
    put(
        tmp_path,
        "convabuse/ConvAbuseEMNLPfull.csv.gz",
        turn("good day", "is_abuse.1"),
        turn("you fool", "is_abuse.-1", "type.intellectual"),
        turn("good day", "is_abuse.1"),
        turn("good day", "is_abuse.-1", "type.racist"),
        turn("you fool", "is_abuse.-2", "type.sexist"),
        turn("you fool", "is_abuse.0", "type.sexist", "type.intellectual"),
        turn("well", "is_abuse.0"),
        turn("them", "is_abuse.-3", "type.homophobic", "type.sex_harassment"),
        turn("them", "is_abuse.-3", "type.transphobic", "type.ableism"),
    )
    day, fool, well, them = rows(tmp_path, "convabuse")
    assert [row.text for row in (day, fool, well, them)] == ["good day", "you fool", "well", "them"]
    assert said(day) == all_of(STRONG_0, "toxic", "racism", "sexism", "homophobia", "ableism")
    assert said(fool) == {"toxic": STRONG_1, "sexism": STRONG_1, "insult": WEAK_1}
    assert said(well) == {}
    assert said(them) == all_of(STRONG_1, "toxic", "homophobia")


# -- tweets -------------------------------------------------------------------------------------------------


def test_davidson_offensive_is_a_weak_word_on_toxicity_and_none_on_hate(tmp_path: Path) -> None:
    put(
        tmp_path,
        "davidson/labeled_data.csv.gz",
        *({"class": each, "tweet": f"tweet {each}"} for each in (0, 1, 2)),
    )
    hate, offensive, neither = map(said, rows(tmp_path, "davidson"))
    assert hate == all_of(STRONG_1, "toxic", "hate_speech")
    assert offensive == {"toxic": WEAK_1}
    assert neither == all_of(STRONG_0, "toxic", "hate_speech")


def explained(label: str, **targets: str) -> dict[str, object]:
    return {"comment": f"{label} {targets}", "label": label, **targets}


def test_hatexplain_names_targets_only_where_it_is_hateful(tmp_path: Path) -> None:
    put(
        tmp_path,
        "hatexplain/final_hateXplain.csv.gz",
        explained("normal", Race="African"),
        explained("offensive", Race="African"),
        explained("hatespeech", Race="Arab", Religion="Islam", Gender="Women"),
        explained("hatespeech", Miscellaneous="Refugee"),
        explained("hatespeech", Race="Indian", Miscellaneous="Refugee"),
        explained("hatespeech", Race="Caucasian", Religion="Christian", Gender="Men"),
    )
    normal, offensive, three, refugee, both, nobody = map(said, rows(tmp_path, "hatexplain"))
    hate = all_of(STRONG_1, "toxic", "hate_speech")
    assert normal == all_of(STRONG_0, "toxic", "hate_speech", *IDENTITIES)
    assert offensive == {"toxic": STRONG_1}
    named = ("racism", "islamophobia", "sexism")
    assert three == hate | all_of(STRONG_1, *named) | all_of(WEAK_0, *but(*named))
    assert refugee == hate | {"racism": WEAK_1} | all_of(WEAK_0, *but("racism"))
    assert both == hate | {"racism": STRONG_1} | all_of(WEAK_0, *but("racism"))
    assert nobody == hate | all_of(WEAK_0, *IDENTITIES)


@pytest.mark.parametrize(
    ("column", "target", "category"),
    [
        *(("Race", each, "racism") for each in ("African", "Arab", "Asian", "Hispanic", "Indigenous", "Indian")),
        ("Religion", "Islam", "islamophobia"),
        ("Religion", "Jewish", "antisemitism"),
        ("Gender", "Women", "sexism"),
        *(("Sexual Orientation", each, "homophobia") for each in ("Homosexual", "Bisexual", "Asexual")),
        ("Miscellaneous", "Disability", "ableism"),
    ],
)
def test_a_target_of_hatexplain_has_its_category(tmp_path: Path, column: str, target: str, category: str) -> None:
    put(tmp_path, "hatexplain/final_hateXplain.csv.gz", explained("hatespeech", **{column: target}))
    (row,) = rows(tmp_path, "hatexplain")
    assert {name for name in IDENTITIES if row.marks[name].label} == {category}


@pytest.mark.parametrize(
    ("sentiment", "target", "group", "expected"),
    [
        ("normal", "origin", "other", {"toxic": STRONG_0, "hate_speech": WEAK_0}),
        ("offensive_normal", "other", "other", {"toxic": WEAK_1}),
        ("fearful", "other", "individual", {"toxic": WEAK_1}),
        ("hateful_normal", "origin", "arabs", {"toxic": WEAK_1, "hate_speech": STRONG_1, "racism": STRONG_1}),
        ("abusive_offensive", "gender", "women", {"toxic": WEAK_1, "insult": STRONG_1, "sexism": STRONG_1}),
        ("disrespectful", "disability", "special_needs", {"toxic": WEAK_1, "insult": STRONG_1, "ableism": STRONG_1}),
        ("offensive", "sexual_orientation", "gay", {"toxic": WEAK_1, "homophobia": STRONG_1}),
        ("offensive", "religion", "muslims", {"toxic": WEAK_1, "islamophobia": STRONG_1}),
        ("offensive", "religion", "christian", {"toxic": WEAK_1}),
        ("offensive", "religion", "jews", {"toxic": WEAK_1, "antisemitism": STRONG_1}),
        ("offensive", "origin", "jews", {"toxic": WEAK_1, "racism": STRONG_1, "antisemitism": STRONG_1}),
    ],
)
def test_mlma_says_what_its_types_and_target_mean(
    tmp_path: Path, sentiment: str, target: str, group: str, expected: Said
) -> None:
    put(
        tmp_path,
        "mlma/en_dataset_with_stop_words.csv.gz",
        {"tweet": "some words", "sentiment": sentiment, "target": target, "group": group},
    )
    (row,) = rows(tmp_path, "mlma")
    assert said(row) == expected


def test_implicit_hate_joins_fine_classes_and_targets_by_the_post(tmp_path: Path) -> None:
    empty_folder(tmp_path)
    base = "implicit_hate/implicit_hate_v1_stg{}_posts.tsv.gz"
    posts = [("fine day", "not_hate"), ("out", "implicit_hate"), ("low", "implicit_hate"), ("loud", "explicit_hate")]
    put(tmp_path, base.format(1), *posts, ("rise", "implicit_hate"))
    put(
        tmp_path,
        base.format(2),
        ("out", "threatening", ""),
        ("low", "stereotypical", "inferiority"),
        ("rise", "white_grievance", ""),
    )
    put(
        tmp_path,
        base.format(3),
        ("out", "Immigrants", "they go"),
        ("out", "muslims.", "they go"),
        ("low", "white people", "they are low"),
        ("fine day", "women", "nothing"),
    )
    fine, out, low, loud, rise = map(said, rows(tmp_path, "implicit_hate"))
    hate = all_of(STRONG_1, "hate_speech", "toxic")
    assert fine == {"hate_speech": STRONG_0}
    assert out == hate | {"threat": STRONG_1} | all_of(WEAK_1, "racism", "islamophobia")
    assert low == hate | {"dehumanization": WEAK_1}
    assert loud == hate
    assert rise == hate | {"extremism": WEAK_1}


def test_incitement_is_a_weak_word_on_extremism(tmp_path: Path) -> None:
    empty_folder(tmp_path)
    put(tmp_path, "implicit_hate/implicit_hate_v1_stg1_posts.tsv.gz", ("join", "implicit_hate"))
    put(tmp_path, "implicit_hate/implicit_hate_v1_stg2_posts.tsv.gz", ("join", "incitement", ""))
    (row,) = rows(tmp_path, "implicit_hate")
    assert said(row)["extremism"] == WEAK_1


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("Immigrants", {"racism"}),
        ("non-white people", {"racism"}),
        ("Black women", {"racism", "sexism"}),
        ("white people", set()),
        ("white men", set()),
        ("white women", {"sexism"}),
        ("Jewish people", {"antisemitism"}),
        ("Muslim immigrants", {"racism", "islamophobia"}),
        ("gays", {"homophobia"}),
        ("Transgender people", {"homophobia"}),
        ("mentally ill people", {"ableism"}),
        ("liberals", set()),
    ],
)
def test_a_target_in_words_has_its_categories(target: str, expected: set[str]) -> None:
    assert target_categories(target) == expected


# -- our own ------------------------------------------------------------------------------------------------


def test_a_contrast_row_says_what_it_says_and_its_pattern_stays_on_one_side(tmp_path: Path) -> None:
    labels = {"hate_speech": 0, "threat": 0}
    put_objects(
        tmp_path,
        "own/contrast_rows.jsonl",
        *(
            {
                "id": f"{code}-b{pattern:02}-{filling:02}",
                "lang": code,
                "kind": "other_target",
                "text": f"{code} {pattern} {filling}",
                "labels": labels,
            }
            for pattern in range(40)
            for filling in range(3)
            for code in ("en", "nl")
        ),
    )
    found = list(contrast_rows(tmp_path))
    assert said(found[0]) == all_of(STRONG_0, "hate_speech", "threat")
    assert (found[1].language, found[1].pattern, found[1].construct) == ("nl", "contrast-b00", "other-target")
    sides: dict[str, set[object]] = {}
    for row in found:
        sides.setdefault(row.pattern, set()).add(row.split)
    assert all(len(each) == 1 for each in sides.values())
    assert {side for each in sides.values() for side in each} == {"train", "dev"}
