"""The same windows with other answers: what training does to a model whatever there is to learn.

In each window that holds an answer, a span as long as it, in subtokens, takes its place; the answer itself may be drawn.
Windows without an answer stay so, and the types of answers, which no place in the passage tells, too.
"""

import numpy as np

from pairprobe.data.sampling import hash_integer
from pairprobe.finetuning.features import BEGINS
from pairprobe.finetuning.objectives.question_answering import QuestionAnswering
from pairprobe.finetuning.windows import NULL


class ShuffledAnswers(QuestionAnswering):
    """Answers drawn at random from the passage, by a hash of the seed and the window: the same in each epoch."""

    def target(self, window: dict) -> dict[str, int]:
        """Return the target of a window: a span that begins at a word and lies in the page's part of the window."""
        if window["answer_type"] == NULL:
            return window
        longer = window["end"] - window["start"]
        last = np.flatnonzero(window["words"])[-1]
        places = np.flatnonzero(window["words"] == BEGINS)
        places = places[places + longer <= last]
        key = self.training.settings.seed, "shuffled answer", window["example_id"], *window["input_ids"].tolist()
        start = int(places[hash_integer(*key) % len(places)])
        return {**window, "start": start, "end": start + longer}
