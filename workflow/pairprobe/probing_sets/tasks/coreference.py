"""Coreference: a named entity of the question and, in the answer's sentence, a pronoun that refers to it.

"We identify the entity that exists in the question and paragraph (ensure that the entity does not appear in the sentence
where the answer is). Then we find the pronoun in the sentence where the answer locate" (section 2.2 of the paper). For
precision the entity is one that a reader would take the pronoun to mean: what is known of its gender and number does not
contradict, it was the subject of an earlier sentence, and nothing else that fits stands between the two.
"""

from pairprobe.data import text
from pairprobe.data.documents import Span
from pairprobe.data.examples import Example, answer_sentence
from pairprobe.probing_sets import named_entities
from pairprobe.probing_sets.agreement import PRONOUNS, could_be, first_names
from pairprobe.probing_sets.pairs import Pair
from pairprobe.probing_sets.wordnet import WordNet

VIEW = "paragraph"
USES_WORDNET = True

_ARTICLES = frozenset({"a", "an", "the", "one"})
_DUMMY_NEXT = frozenset("is was has had seems seemed appears appeared takes took rained".split())


def find(example: Example, wordnet: WordNet) -> Pair | str:
    """Pair the longest entity with the first pronoun of the answer's sentence that can refer to it; or say why not."""
    sentence = answer_sentence(example)
    if sentence is None:
        return "no short answer"
    pronouns = [i for i in range(*sentence) if example.paragraph[i].lower() in PRONOUNS and not _is_dummy(example, i)]
    if not pronouns:
        return "no pronoun in the answer's sentence"
    mentions = shared_entities(example, sentence, wordnet)
    if not mentions:
        return "no entity of the question stands before the answer's sentence, and not in it"
    can_be = {entity: could_be(example, entity, wordnet) for entity in mentions}
    agreeing = [(name, i) for name in mentions for i in pronouns if PRONOUNS[example.paragraph[i].lower()] in can_be[name]]
    if not agreeing:
        return "gender or number of the entity contradicts each pronoun"
    for entity, i in agreeing:
        if refers(example, entity, i, wordnet):
            return Pair("paragraph", tuple(range(*entity)), (i,))
    return "the pronoun could refer to something else"


def shared_entities(example: Example, sentence: Span, wordnet: WordNet) -> list[Span]:
    """List the mentions of the question's entities before a sentence, of those that do not stand in it.

    The longest entity first, and of each the mention nearest to the sentence first.
    """
    found = [
        name
        for name in named_entities.entities_in(example, 0, sentence[0], wordnet)
        if _is_shared(example, name, sentence, wordnet)
    ]
    return sorted(found, key=lambda name: (name[0] - name[1], -name[0]))


def _is_shared(example: Example, name: Span, sentence: Span, wordnet: WordNet) -> bool:
    """Whether the question names an entity and the answer's sentence does not; no mere part of a longer phrase."""
    return (
        named_entities.is_asked(example, name)
        and not _is_mentioned(example, name, sentence)
        and named_entities.fills_quotation(example, name)
        and not named_entities.modifies(example, name, wordnet)
    )


def _is_mentioned(example: Example, name: Span, sentence: Span) -> bool:
    """Whether a sentence names an entity: with its whole name, the last word of it, or the first ones ("John Paul")."""
    words = [word.lower() for word in example.paragraph[slice(*name)]]
    within = [word.lower() for word in example.paragraph[slice(*sentence)]]
    if text.contains_words(within, words) >= 0 or (words[-1] in within and len(words[-1]) > 3):
        return True
    first_name = words[:1] if len(words) > 1 and words[0] in first_names() else words[:2]
    return len(words) > 1 and text.contains_words(within, first_name) >= 0 and first_name[-1] not in text.STOP_WORDS


def refers(example: Example, entity: Span, pronoun: int, wordnet: WordNet) -> bool:
    """Whether a reader would take a pronoun of a later sentence to mean this mention of an entity."""
    wanted = PRONOUNS[example.paragraph[pronoun].lower()]
    is_subject = named_entities.is_subject(example, entity, wordnet)
    rivals = _rivals(example, entity, pronoun, is_subject, wordnet)
    if wanted in ("male", "female"):
        if _other_gender_between(example, entity, pronoun, wanted, wordnet):
            return False
        if not rivals:
            return True
    # A subject is what the text goes on about: of the rivals only another subject, or a name beside the pronoun, counts.
    start = named_entities.sentence_of(example, pronoun)[0]
    if any(name[0] >= start or named_entities.is_subject(example, name, wordnet) for name in rivals):
        return False
    return (
        is_subject
        and named_entities.opens_clause(example, pronoun, wanted)
        and _stays_on_topic(example, entity, pronoun, wanted)
    )


def _rivals(example: Example, entity: Span, pronoun: int, is_subject: bool, wordnet: WordNet) -> list[Span]:
    """List the other names that the pronoun could mean: those that agree with it and share no word with the entity."""
    wanted, own = PRONOUNS[example.paragraph[pronoun].lower()], _words(example, entity)
    # Where the entity is not the subject, a name before it in its sentence may be what the text goes on about.
    start = entity[1] if is_subject else named_entities.sentence_of(example, entity[0])[0]
    return [
        name
        for name in named_entities.names_in(example, start, pronoun)
        if not own & _words(example, name) and _could_mean(example, name, wanted, wordnet)
    ]


def _words(example: Example, span: Span) -> set[str]:
    return {word.lower() for word in example.paragraph[slice(*span)]}


def _other_gender_between(example: Example, entity: Span, pronoun: int, wanted: str, wordnet: WordNet) -> bool:
    """Whether a pronoun of the other gender follows an entity of which either may be true."""
    other = {"male": "female", "female": "male"}[wanted]
    said = {PRONOUNS.get(word.lower()) for word in example.paragraph[entity[1] : pronoun]}
    return other in said and other in could_be(example, entity, wordnet)


def _could_mean(example: Example, name: Span, wanted: str, wordnet: WordNet) -> bool:
    """Whether a name could be what a pronoun means, as far as gender and number go."""
    if not named_entities.is_proper(example, name, wordnet) or named_entities.modifies(example, name, wordnet):
        return False
    return wanted in could_be(example, name, wordnet)


def _stays_on_topic(example: Example, entity: Span, pronoun: int, wanted: str) -> bool:
    """Whether every sentence between the entity's and the pronoun's goes on about the entity."""
    here, there = named_entities.sentence_of(example, entity[0]), named_entities.sentence_of(example, pronoun)
    for start, end in example.sentences:
        if here[0] < start < there[0]:
            opens_with_pronoun = PRONOUNS.get(example.paragraph[start].lower()) == wanted
            if not opens_with_pronoun and not _words(example, entity) <= _words(example, (start, end)):
                return False
    return True


def _is_dummy(example: Example, i: int) -> bool:
    """Whether an "it" stands for nothing: "it is said that", "it was not until"."""
    if example.paragraph[i].lower() != "it" or i + 1 >= len(example.paragraph):
        return False
    following = [word.lower() for word in example.paragraph[i + 1 : i + 9]]
    if following[0] not in _DUMMY_NEXT:
        return False
    # "it is very difficult to": at most two words between the verb and "to", and none that "it" itself could be.
    impersonal = "to" in following[2:4] and not following[1].endswith("ed") and following[1] not in _ARTICLES
    return impersonal or bool({"that", "whether", "who", "until", "when"} & set(following[1:]))
