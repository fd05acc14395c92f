"""Synonyms: a question word and a paragraph word that share a WordNet synset, but not a lemma.

"A word in query and another word in paragraph (the paragraph that answer is located) are a synonymous pair in WordNet"
(section 2.2 of the paper). By their rare senses almost all words are synonyms, so a pair counts only in a sense that is the
usual one of both words, and that the words around them do not rule out. ``find_any_synset`` is the other reading.
"""

from difflib import SequenceMatcher

from pairprobe.data import text
from pairprobe.data.examples import Example
from pairprobe.probing_sets.pairs import Pair
from pairprobe.probing_sets.wordnet import Synset, WordNet, base_forms, sense_shares

VIEW = "paragraph"
USES_WORDNET = True

# What the shared sense must make up, more than this, of each word's uses in WordNet's sense-tagged texts. Less for verbs,
# since WordNet cuts their senses finer. A sense that either word never has there ("cutis") does not count.
LEAST_SHARE = {"n": 0.5, "v": 0.43, "a": 0.5, "r": 0.5}
# What all senses of their part of speech must make up, at least.
LEAST_SHARE_OF_POS = 0.5
# The share of a word's uses from which another part of speech is considered ("plane", the adjective, is too rare). Many
# verbs have a noun of the same form, often a rare one ("build"): for a verb a smaller share of nouns is considered.
LEAST_SHARE_OF_OTHER_POS = 0.05
LEAST_SHARE_OF_NOUN = 0.005
# "blonde" and "blond", "percent" and "percentage": one word in two spellings or forms, not two words.
MOST_ALIKE = 0.75

_DETERMINERS = frozenset(
    "a an the this that these those my your his her its our their no any some each every another which".split()
)
_BEFORE_NOUN = _DETERMINERS | {"of", "'s", "'"}
_BEFORE_VERB = frozenset(
    "to will would can could may might must shall should did does do not n't i you he she it we they who".split()
)
# In a question they stand before the subject, and a base form behind it is their verb: "when did the show start".
_INVERTED = frozenset("did does do will would can could may might must shall should".split())
_BE = frozenset("am is are was were be been being".split())
_BEFORE_ADJECTIVE = _BE | {"very", "so", "too", "how", "more", "most", "as"}
# Besides stop words: verbs by their form, but prepositions or conjunctions in most places.
_NO_CONTENT = text.STOP_WORDS | frozenset(
    "barring concerning considering excluding following given including provided providing regarding".split()
)


def find(example: Example, wordnet: WordNet) -> Pair | str:
    """Return the pair whose shared sense is the most frequent one of both words; the first such; or say why not."""
    names = _names(example)
    question = [(i, w.lower()) for i, w in enumerate(example.question) if _is_content(w) and w.lower() not in names]
    if not question:
        return "the question has only stop words and names"
    paragraph = [(i, w.lower()) for i, w in enumerate(example.paragraph) if _is_content(w) and not _is_name(example, i)]
    best, best_share = None, 0.0
    for i, asked in question:
        for j, read in paragraph:
            share, pos = shared_sense(wordnet, asked, read)
            if share > best_share and not _alike(asked, read) and _context_allows(wordnet, example, i, j, pos):
                best, best_share = Pair("question", (i,), (j,)), share
    return best or "no two words share a frequent sense"


def find_any_synset(example: Example, wordnet: WordNet) -> Pair | str:
    """Return the first pair of words that share any synset, whatever its sense; or say that there is none.

    So it is in the authors' code. Stop words are none of these: WordNet has no function words, and "in" there as the inch.
    """
    paragraph = [(j, word) for j, word in enumerate(map(str.lower, example.paragraph)) if word not in text.STOP_WORDS]
    for i, asked in enumerate(map(str.lower, example.question)):
        senses = sense_shares(wordnet, asked).keys() if asked not in text.STOP_WORDS else frozenset()
        for j, read in paragraph:
            if not senses.isdisjoint(sense_shares(wordnet, read)) and not _lemmas(wordnet, asked) & _lemmas(wordnet, read):
                return Pair("question", (i,), (j,))
    return "no two words share a synset"


def shared_sense(wordnet: WordNet, one: str, other: str) -> tuple[float, str]:
    """Return how frequent the commonest shared sense of two words is, and its part of speech; (0, "") where none is.

    Its frequency is the smaller of its shares of the two words' uses; LEAST_SHARE says what is frequent.
    """
    if one == other or _lemmas(wordnet, one) & _lemmas(wordnet, other):
        return 0.0, ""
    first, second = sense_shares(wordnet, one), sense_shares(wordnet, other)
    best = (0.0, "")
    for synset in first:
        if synset in second and _is_usual_sense(synset, wordnet, one) and _is_usual_sense(synset, wordnet, other):
            share, pos = min(first[synset], second[synset]), _pos(synset)
            if share > LEAST_SHARE[pos]:
                best = max(best, (share, pos))
    return best


def _is_usual_sense(synset: Synset, wordnet: WordNet, word: str) -> bool:
    """Whether a sense of the word is usual enough to make it a synonym: see the constants.

    An adjective that only relates to a noun ("fiscal", of finance) has its meaning with the noun behind it: a fiscal year
    is no financial year.
    """
    common = _share_of_pos(sense_shares(wordnet, word), _pos(synset)) >= LEAST_SHARE_OF_POS
    seen = common and _is_lower(synset, wordnet, word) and _is_seen(synset, wordnet, word)
    return seen and synset.lexname() != "adj.pert"


def _lemmas(wordnet: WordNet, word: str) -> frozenset[str]:
    return frozenset().union(*(base_forms(wordnet, word, pos) for pos in "nvar"))


def _is_lower(synset: Synset, wordnet: WordNet, word: str) -> bool:
    """Whether the synset lists the word as a common word ("bible" stands there as "Bible", a name)."""
    return bool({lemma.name() for lemma in synset.lemmas()} & _lemmas(wordnet, word))


def _is_seen(synset: Synset, wordnet: WordNet, word: str) -> bool:
    """Whether the sense-tagged texts have the word in this sense."""
    return any(lemma.count() for lemma in synset.lemmas() if lemma.name().lower() in _lemmas(wordnet, word))


def _pos(synset: Synset) -> str:
    return synset.pos().replace("s", "a")


def _share_of_pos(shares: dict[Synset, float], pos: str) -> float:
    return sum(share for synset, share in shares.items() if _pos(synset) == pos)


def _context_allows(wordnet: WordNet, example: Example, i: int, j: int, pos: str) -> bool:
    """Whether the words around the question's word and the paragraph's allow the sense."""
    return (
        _fits(wordnet, example.question, i, pos, asks=True)
        and _fits(wordnet, example.paragraph, j, pos, asks=False)
        and not _in_phrase(wordnet, example.question, i, pos)
        and not _in_phrase(wordnet, example.paragraph, j, pos)
        and _constructions_agree(wordnet, example, i, j, pos)
    )


def _fits(wordnet: WordNet, words: list[str], i: int, pos: str, asks: bool) -> bool:
    """Whether the words beside it allow the part of speech.

    A verb or adjective that could as well be a noun ("aid", "minimum") must be shown to be none.
    """
    word = words[i].lower()
    before = [other.lower() for other in words[:i] if not _is_adverb(wordnet, other.lower())]
    last = before[-1] if before else ""
    after = words[i + 1].lower() if i + 1 < len(words) else ""
    verb = (last in _BEFORE_VERB or after in _DETERMINERS) and after != "of"
    if pos == "n":
        is_verb = verb and _share(wordnet, word, "v") >= LEAST_SHARE_OF_OTHER_POS
        is_adjective = _is_content(after) and _share(wordnet, word, "a") >= LEAST_SHARE_OF_OTHER_POS
        return last not in _BEFORE_VERB and not is_verb and not is_adjective
    if pos == "v":
        shown = verb or (asks and after != "of" and bool(_INVERTED & set(before)))
        return last not in _BEFORE_NOUN and (shown or not _could_be_noun(wordnet, word))
    is_noun = pos == "a" and _share(wordnet, word, "n") >= LEAST_SHARE_OF_OTHER_POS
    return not is_noun or _is_content(after) or last in _BEFORE_ADJECTIVE


def _is_adverb(wordnet: WordNet, word: str) -> bool:
    """Whether a word is an adverb that says nothing of the next word's part of speech ("to quickly build")."""
    return word.endswith("ly") and _share(wordnet, word, "r") >= LEAST_SHARE_OF_POS


def _could_be_noun(wordnet: WordNet, word: str) -> bool:
    """Whether a verb's form could be a noun's: a base form or one in -s or -ing, no past or participle ("chosen")."""
    plain = word in base_forms(wordnet, word, "v") or word.endswith(("s", "ing"))
    return plain and _share(wordnet, word, "n") >= LEAST_SHARE_OF_NOUN


def _share(wordnet: WordNet, word: str, pos: str) -> float:
    """Return the share of a part of speech in the word's uses, names apart ("Wed", "Begin")."""
    shares = sense_shares(wordnet, word)
    return _share_of_pos({synset: share for synset, share in shares.items() if _is_lower(synset, wordnet, word)}, pos)


def _constructions_agree(wordnet: WordNet, example: Example, i: int, j: int, pos: str) -> bool:
    """Whether the two words stand in constructions in which they can mean the same.

    "Large" is not the largest; and who "is required to" do a thing must, while what is required is needed.
    """
    if pos == "a":
        asked, read = example.question[i].lower(), example.paragraph[j].lower()
        return _degree(wordnet, asked) == _degree(wordnet, read)
    return pos != "v" or not (_is_to(example.question, i) or _is_to(example.paragraph, j))


def _degree(wordnet: WordNet, word: str) -> str:
    ending = next((ending for ending in ("er", "est") if word.endswith(ending)), "")
    return "" if word in base_forms(wordnet, word, "a") else ending


def _is_to(words: list[str], i: int) -> bool:
    """Whether the words are "is ... to" with this word between."""
    return i > 0 and words[i - 1].lower() in _BE and [word.lower() for word in words[i + 1 : i + 2]] == ["to"]


def _in_phrase(wordnet: WordNet, words: list[str], i: int, pos: str) -> bool:
    """Whether WordNet has it as one with the stop word before ("for instance"), an adjective with its noun ("big cat")."""
    before = [words[i - 1]] if i and words[i - 1].lower() in text.STOP_WORDS else []
    after = words[i + 1 : i + 2] if pos == "a" else []
    phrases = [f"{word}_{words[i]}" for word in before] + [f"{words[i]}_{word}" for word in after]
    return any(wordnet.synsets(phrase.lower()) for phrase in phrases)


def _alike(one: str, other: str) -> bool:
    return one[:2] == other[:2] and SequenceMatcher(None, one, other).ratio() >= MOST_ALIKE


def _is_content(word: str) -> bool:
    return len(word) > 2 and word.isalpha() and word.lower() not in _NO_CONTENT


def _names(example: Example) -> set[str]:
    """Return, in lower case, the words that the paragraph, the question or the title writes as names.

    A question in lower case shows none ("magic railroad"), but the title of its page does.
    """
    names = {word for i, word in enumerate(example.paragraph) if _is_name(example, i)}
    for words in (example.question, example.title.replace("_", " ").split()):
        # The first word has its capital from there.
        names.update(word for word in words[1:] if not word.islower())
    return {word.lower() for word in names}


def _is_name(example: Example, i: int) -> bool:
    """Whether a paragraph word has a capital that no sentence start explains."""
    word = example.paragraph[i]
    return not word.islower() and not (word.istitle() and any(i == start for start, _ in example.sentences))
