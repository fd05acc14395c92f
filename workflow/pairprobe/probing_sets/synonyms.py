"""Synonyms: a question word and a paragraph word that share a WordNet synset, but not a lemma.

"A word in query and another word in paragraph (the paragraph that answer is located) are a synonymous pair in WordNet"
(section 2.2 of the paper). WordNet's rare senses make synonyms of almost everything, so a pair counts only in a sense
that is frequent for both words and that their neighbours do not rule out.
"""

from difflib import SequenceMatcher

from pairprobe import text
from pairprobe.examples import Example
from pairprobe.probing_sets import Pair
from pairprobe.wordnet import base_forms, sense_shares

VIEW = "paragraph"
USES_WORDNET = True

# The shared sense must occur, for both words, in WordNet's sense-tagged texts ("cutis" never does), make up this share of
# each word's uses there, and the senses of its part of speech half of them.
LEAST_SHARE = 0.35
LEAST_SHARE_OF_POS = 0.5
# "blonde" and "blond", "percent" and "percentage": one word in two spellings or forms, not two words.
MOST_ALIKE = 0.75

_BEFORE_NOUN = frozenset(
    "a an the this that these those my your his her its our their 's no any some each every another of which".split()
)
_BEFORE_VERB = frozenset(
    "to will would can could may might must shall should did does do not n't i you he she it we they who".split()
)


def find(example: Example, wordnet) -> Pair | str:
    """Return the pair whose shared sense is the most frequent one of both words; the first such; or say why not."""
    names = {word.lower() for i, word in enumerate(example.paragraph) if _is_name(example, i)}
    question = [(i, w.lower()) for i, w in enumerate(example.question) if _content(w) and w.lower() not in names]
    if not question:
        return "the question has only stop words and names"
    paragraph = [(i, w.lower()) for i, w in enumerate(example.paragraph) if _content(w) and not _is_name(example, i)]
    best, best_share = None, LEAST_SHARE
    for i, asked in question:
        for j, read in paragraph:
            share, pos = shared_sense(wordnet, asked, read)
            if share < best_share or (share == best_share and best is not None):
                continue
            if _fits(example.question, i, pos) and _fits(example.paragraph, j, pos) and not _alike(asked, read):
                best, best_share = Pair("question", (i,), (j,)), share
    return best or "no two words share a frequent sense"


def shared_sense(wordnet, one: str, other: str) -> tuple[float, str]:
    """Return how frequent the commonest shared sense of two words is, and its part of speech; (0, "") where none is.

    Its frequency is the smaller of its shares of the two words' uses.
    """
    if one == other or _lemmas(wordnet, one) & _lemmas(wordnet, other):
        return 0.0, ""
    first, second = sense_shares(wordnet, one), sense_shares(wordnet, other)
    best = (0.0, "")
    for synset in first:
        if synset in second and _is_lower(synset, wordnet, one) and _is_lower(synset, wordnet, other):
            pos = synset.pos().replace("s", "a")
            common = min(_share_of_pos(first, pos), _share_of_pos(second, pos)) >= LEAST_SHARE_OF_POS
            if common and _is_seen(synset, wordnet, one) and _is_seen(synset, wordnet, other):
                best = max(best, (min(first[synset], second[synset]), pos))
    return best


def _lemmas(wordnet, word: str) -> frozenset[str]:
    return frozenset().union(*(base_forms(wordnet, word, pos) for pos in "nvar"))


def _is_lower(synset, wordnet, word: str) -> bool:
    """Whether the synset lists the word as a common word ("bible" stands there as "Bible", a name)."""
    return bool({lemma.name() for lemma in synset.lemmas()} & _lemmas(wordnet, word))


def _is_seen(synset, wordnet, word: str) -> bool:
    """Whether the sense-tagged texts have the word in this sense."""
    return any(lemma.count() for lemma in synset.lemmas() if lemma.name().lower() in _lemmas(wordnet, word))


def _share_of_pos(shares: dict, pos: str) -> float:
    return sum(share for synset, share in shares.items() if synset.pos().replace("s", "a") == pos)


def _fits(words: list[str], i: int, pos: str) -> bool:
    """Whether the word before rules the part of speech out: no verb after "the", no noun after "to"."""
    before = words[i - 1].lower() if i else ""
    if pos == "v":
        return before not in _BEFORE_NOUN
    return pos != "n" or before not in _BEFORE_VERB


def _alike(one: str, other: str) -> bool:
    return one[:2] == other[:2] and SequenceMatcher(None, one, other).ratio() >= MOST_ALIKE


def _content(word: str) -> bool:
    return len(word) > 2 and word.isalpha() and word.lower() not in text.STOP_WORDS


def _is_name(example: Example, i: int) -> bool:
    """Whether a paragraph word has a capital that no sentence start explains."""
    word = example.paragraph[i]
    return not word.islower() and not (word.istitle() and any(i == start for start, _ in example.sentences))
