"""Boundary: the sentence that holds the answer, and where in it the answer starts and ends.

"We simplify the entire paragraph to the sentence where the answer locate" (section 2.2 of the paper).
"""

from pairprobe.data.examples import Example, answer_sentence
from pairprobe.probing_sets.pairs import Boundary
from pairprobe.probing_sets.wordnet import WordNet

VIEW = "sentence"


def find(example: Example, wordnet: WordNet | None = None) -> Boundary | str:
    """Return the answer's sentence and the answer; or say why not."""
    sentence = answer_sentence(example)
    if sentence is None or example.answer is None:
        return "no short answer"
    if sentence[1] - sentence[0] <= example.answer[1] - example.answer[0]:
        return "the answer is the whole sentence"
    return Boundary(sentence, example.answer)
