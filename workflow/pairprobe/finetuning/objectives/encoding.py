"""Texts and pairs of texts as a model reads them."""

import numpy as np
from transformers import PreTrainedTokenizerFast

from pairprobe.finetuning.subtokenizer import Subtokenizer


class Encoder:
    """Turns texts into subtokens, with what the tokenizer puts around and between, cut to ``max_length``."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, max_length: int):
        self.tokenizer, self.max_length, self.cut = tokenizer, max_length, 0
        self.before, self.between, self.behind = Subtokenizer(tokenizer).template

    def __call__(self, text: str, text_pair: str | None) -> tuple[np.ndarray, int]:
        """Return the subtokens, and where the second text begins among them: their number where there is none.

        Of two texts that are too long together the longer one is cut first.
        """
        first, second = (self._subtokens(each) for each in (text, text_pair or ""))
        between = self.between if text_pair is not None else []
        room = self.max_length - len(self.before) - len(between) - len(self.behind)
        of_second = min(len(second), max(room - len(first), room // 2))
        of_first = min(len(first), room - of_second)
        self.cut += of_first + of_second < len(first) + len(second)
        head = [*self.before, *first[:of_first], *between]
        ids = np.array([*head, *second[:of_second], *self.behind], np.int32)
        return ids, len(head) if text_pair is not None else len(ids)

    def _subtokens(self, text: str) -> list[int]:
        found: list[int] = self.tokenizer(text, add_special_tokens=False, truncation=False, verbose=False)["input_ids"]
        return found
