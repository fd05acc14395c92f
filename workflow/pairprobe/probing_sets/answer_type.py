"""Answer type: a question that starts with who, when or where, and its answer's words.

"We extract examples that question starts with who, when and where because these questions has specific answer types"
(section 2.2 of the paper).
"""

from pairprobe import text
from pairprobe.examples import Example
from pairprobe.probing_sets import Pair

VIEW = "paragraph"

QUESTION_WORDS = frozenset({"who", "when", "where"})


def find(example: Example, _wordnet=None) -> Pair | str:
    """Pair the question's first word with the answer's words, punctuation apart; or say why not."""
    if example.question[0].lower() not in QUESTION_WORDS:
        return "the question does not start with who, when or where"
    if example.answer is None:
        return "no short answer"
    match = tuple(i for i in range(*example.answer) if text.is_lexical(example.paragraph[i]))
    if not match:
        return "the answer has no word with a letter or digit"
    return Pair("question", (0,), match)
