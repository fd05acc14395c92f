"""Abbreviation: a question word that is the initials of words of the paragraph."""

import pytest
from samples import example

from pairprobe.probing_sets.pairs import Pair
from pairprobe.probing_sets.tasks.abbreviation import find, full_form, given_form, letters_of

NOT_THERE = "the abbreviation's full form is not in the paragraph"
NO_CANDIDATE = "no question word could be an abbreviation"


def pair_of(reader, question, paragraph):
    """Return the words of the pair that is found, or why there is none."""
    made = example(question, paragraph)
    found = find(made, reader)
    if isinstance(found, str):
        return found
    assert found.side == "question"
    return " ".join(made.question[i] for i in found.anchor), " ".join(made.paragraph[i] for i in found.match)


def test_the_paper_s_rbc_are_red_blood_cells(reader):
    found = pair_of(
        reader,
        "what happens to the rbc in acute hemolytic reaction",
        "as it results from rapid destruction of the donor red blood cells by host antibodies ( IgG , IgM )",
    )
    assert found == ("rbc", "red blood cells")


def test_a_pair_has_positions_in_question_and_paragraph(reader):
    made = example("when did the nfl begin", "the National Football League began")
    assert find(made, reader) == Pair("question", (3,), (1, 2, 3))


@pytest.mark.parametrize(
    ("word", "paragraph", "full"),
    [
        ("nfl", "the National Football League", "National Football League"),
        ("NFL", "the National Football League", "National Football League"),
        ("N.F.L.", "the National Football League", "National Football League"),
        ("ceo", "the chief executive officer", "chief executive officer"),
        # A sentence's first word has its capital from there.
        ("rfd", "Rural free delivery began", "Rural free delivery"),
        ("uk", "the United Kingdom", "United Kingdom"),
        # Words that lend no letter.
        ("fbi", "the Federal Bureau of Investigation", "Federal Bureau of Investigation"),
        ("ucla", "University of California at Los Angeles", "University of California at Los Angeles"),
        ("mbm", "meat and bone meal", "meat and bone meal"),
        ("afb", "American Foundation for the Blind", "American Foundation for the Blind"),
        ("doi", "Department of the Interior", "Department of the Interior"),
        # A word of several parts lends one letter, or one for each.
        ("iac", "the inflation-adjusted cost", "inflation-adjusted cost"),
        ("ihc", "the inflation-hedged costs", "inflation-hedged costs"),
        ("ilfr", "the Inner-London Freight Railway", "Inner-London Freight Railway"),
        # A plural.
        ("rbcs", "the red blood cells", "red blood cells"),
        ("rbcs", "the red blood cell", "red blood cell"),
        ("rbc's", "the red blood cells", "red blood cells"),
        # They may lend one, and need not.
        ("lotr", "The Lord of the Rings", "Lord of the Rings"),
        ("fao", "the Food and Agriculture Organization", "Food and Agriculture Organization"),
        ("noaa", "National Oceanic and Atmospheric Administration", "National Oceanic and Atmospheric Administration"),
    ],
)
def test_an_abbreviation_is_found(reader, word, paragraph, full):
    assert pair_of(reader, f"who runs the {word}", paragraph) == (word, full)


@pytest.mark.parametrize(
    ("word", "paragraph"),
    [
        ("who", "the World Health Organization"),
        ("us", "the United States"),
        ("aids", "Acquired Immune Deficiency Syndrome"),
        ("ram", "random access memory"),
        ("cd", "a Compact Disc"),
        # A letter or nine, digits, Roman numerals.
        ("x", "Xenon"),
        ("zqjzqjzqj", "Zebra Quiz Jam Zebra Quiz Jam Zebra Quiz Jam"),
        ("c3po", "Cars 3 People Own"),
        ("xii", "Xenon Ions Inside"),
        ("xvi", "Xylophone Virtuosos International"),
    ],
)
def test_an_ordinary_word_or_no_short_word_of_letters_is_no_abbreviation(reader, word, paragraph):
    assert pair_of(reader, f"is {word} here", paragraph) == NO_CANDIDATE


@pytest.mark.parametrize(
    ("word", "paragraph"),
    [
        ("nfl", "the National League of Football"),
        ("nfl", "the National Football"),
        # Other words stand between.
        ("nfl", "the National American Football League"),
        ("nfl", "National Football , League"),
        # Capitalised and not.
        ("nfl", "a National football League"),
        ("nfl", "a national Football league"),
        ("nfl", "nobody from leeds"),
        ("nfl", "nine football less"),
        # Two letters are weak evidence.
        ("pc", "a personal computer"),
        ("pc", "Personal computer"),
        # A letter is no word.
        ("nfl", "National F League"),
        # The abbreviation is a word of its own full form.
        ("nfl", "the NFL Football League"),
        # A small word does not open or close a name.
        ("twh", "The World House"),
        ("nft", "National Football The"),
        # One small word lends a letter, another none.
        ("ctn", "Committee for the Northern Lakes"),
        # The end of a longer name that has an abbreviation of its own.
        ("ctc", "the Upper Crossing Tunnel Company ( UCTC )"),
    ],
)
def test_words_that_do_not_spell_the_abbreviation_make_no_pair(reader, word, paragraph):
    assert pair_of(reader, f"who runs the {word}", paragraph) == NOT_THERE


@pytest.mark.parametrize(
    ("word", "other", "own"),
    [
        ("usa", "United States Army", "United States of America"),
        ("cia", "Culinary Institute of America", "Central Intelligence Agency"),
        ("icu", "International Cycling Union", "intensive care unit"),
        ("ufo", "United Fruit Organization", "unidentified flying objects"),
    ],
)
def test_wordnet_s_own_expansion_contradicts_another(reader, word, other, own):
    assert pair_of(reader, f"where is the {word}", f"the {other} was there") == NOT_THERE
    assert pair_of(reader, f"where is the {word}", f"the {own} was there") == (word, own)


def test_the_paragraph_s_own_abbreviation_goes_before_wordnet_s(reader):
    paragraph = "the Culinary Institute of America ( CIA ) was there"
    assert pair_of(reader, "where is the cia", paragraph) == ("cia", "Culinary Institute of America")


def test_wordnet_s_own_expansion_is_found_behind_another(reader):
    paragraph = "the United States Army of the United States of America"
    assert pair_of(reader, "where is the usa", paragraph) == ("usa", "United States of America")


@pytest.mark.parametrize(
    ("question", "word"),
    [
        ("Which port in the US is busy ?", "US"),
        ("Which U.S. port is busy ?", "U.S."),
        ("which u.s. port is busy", "u.s."),
        ("which port in the us is busy", "us"),
    ],
)
def test_a_stop_word_written_as_an_abbreviation_is_one(reader, question, word):
    assert pair_of(reader, question, "ports of the United States of America") == (word, "United States")


@pytest.mark.parametrize("question", ["which port do they show us", "Which port do they show us ?"])
def test_a_stop_word_is_no_abbreviation_otherwise(reader, question):
    assert pair_of(reader, question, "ports of the United States ( US )") == NO_CANDIDATE


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("Who owns BOG ?", ("BOG", "Brook Otter Guild")),
        ("Who owns Bog ?", NO_CANDIDATE),
        ("Who owns the bog ?", NO_CANDIDATE),
        ("Who owns several BOGs ?", ("BOGs", "Brook Otter Guild")),
    ],
)
def test_in_a_question_with_capitals_an_abbreviation_has_two(reader, question, found):
    assert pair_of(reader, question, "the Brook Otter Guild") == found


def test_in_a_question_with_capitals_a_name_is_no_abbreviation_and_a_word_in_lower_case_can_be(reader):
    assert pair_of(reader, "Did Nfl players strike ?", "the National Football League") == NO_CANDIDATE
    found = pair_of(reader, "Which donor has the most rbc ?", "of red blood cells")
    assert found == ("rbc", "red blood cells")


def test_a_question_all_in_capitals_tells_no_case(reader):
    assert pair_of(reader, "WHO RUNS THE NFL", "the National Football League") == ("NFL", "National Football League")
    assert pair_of(reader, "WHO RUNS THE BOG", "the Brook Otter Guild") == NO_CANDIDATE


@pytest.mark.parametrize(
    ("word", "paragraph", "full"),
    [
        # Ordinary words, two letters in lower case, a letter that is a word, capitals here and there.
        ("ram", "with random access memory ( RAM )", "random access memory"),
        ("ai", "by artificial intelligence ( AI )", "artificial intelligence"),
        ("tcr", "the T cell receptor ( TCR )", "T cell receptor"),
        ("lgw", 'they call the " Lone guy with Guitar " or " LGW "', None),
        ("lgg", 'they call the " Lone guy with Guitar " or " LGG "', "Lone guy with Guitar"),
        ("hvac", "heating , ventilation and air conditioning [ HVAC ]", "heating , ventilation and air conditioning"),
        # Before the abbreviation and behind it, and in the plural.
        ("sip", "through SIP ( Session Initiation Protocol )", "Session Initiation Protocol"),
        ("mna", "members of the national assembly ( MNAs )", "members of the national assembly"),
        ("pc", "PC stands for personal computer", "personal computer"),
        # The rest of a name is not abbreviated.
        ("sip", "the Small Island Programme Fund for Bali ( SIP )", "Small Island Programme"),
        # WordNet has another.
        ("cia", "the Culinary Institute of America , or CIA", "Culinary Institute of America"),
    ],
)
def test_what_the_paragraph_gives_beside_the_abbreviation_is_believed(reader, word, paragraph, full):
    found = pair_of(reader, f"what is a {word}", paragraph)
    assert found == (NOT_THERE if full is None else (word, full))


@pytest.mark.parametrize(
    "paragraph",
    [
        "a random access memory",
        # Not written as an abbreviation, or not beside it.
        "a random access memory ( ram )",
        "a random access memory beside a RAM",
        "random access memory is what computers call their RAM",
        "RAM and random access memory",
    ],
)
def test_an_ordinary_word_needs_its_full_form_beside_it(reader, paragraph):
    assert pair_of(reader, "what is a ram", paragraph) == NO_CANDIDATE


def test_a_given_form_goes_before_a_tighter_one_and_one_before_the_abbreviation_before_one_behind_it():
    words = "National Football League and National Federation of Lions ( NFL )".split()
    assert given_form("nfl", words) == (4, 5, 6, 7)
    words = "Liga de Fútbol Nacional - LFN ( League Football National )".split()
    assert given_form("lfn", words) == (0, 1, 2, 3)
    assert given_form("lfn", ["LFN"]) == given_form("lfn", []) == ()


@pytest.mark.parametrize(
    ("question", "pair"),
    [
        ("did the nba or the nfl begin first", ("nba", "National Basketball Association")),
        ("did the nfl or the nba begin first", ("nfl", "National Football League")),
        # The first has no full form here.
        ("did the ufc or the nfl begin first", ("nfl", "National Football League")),
    ],
)
def test_of_several_abbreviations_the_first_that_is_spelt_out_makes_the_only_pair(reader, question, pair):
    assert pair_of(reader, question, "the National Football League and the National Basketball Association") == pair


@pytest.mark.parametrize(
    ("letters", "paragraph", "match"),
    [
        ("wto", "World of Trade and the Organization or World Trade Organization", (7, 8, 9)),
        ("nfl", "New Football League or National Football League", (0, 1, 2)),
        ("nfl", "no such thing", ()),
        ("nfl", "", ()),
    ],
)
def test_the_tightest_full_form_is_taken_and_of_equals_the_first(reader, letters, paragraph, match):
    assert full_form(letters, paragraph.split(), reader) == match


@pytest.mark.parametrize(
    ("word", "letters"), [("nato", "nato"), ("NATO", "nato"), ("N.A.T.O.", "nato"), ("Ph.D.", "phd"), ("nato's", "nato")]
)
def test_letters_are_in_lower_case_and_without_stops(word, letters):
    assert letters_of(word) == letters


def test_a_possessive_is_no_plural(reader):
    assert isinstance(pair_of(reader, "what is nasa's budget", "The National Academy of Sciences met ."), str)
