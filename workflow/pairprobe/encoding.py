"""Words to subtokens: [CLS] question [SEP] paragraph [SEP], and which word each subtoken is a piece of."""

from dataclasses import dataclass

import numpy as np

NO_WORD = -1


@dataclass(frozen=True, slots=True)
class Encoding:
    """One encoded pair of word lists.

    input_ids, token_type_ids, word_of: (subtokens,) each, int64; ``word_of`` counts the words of the first list, then
    of the second, and is NO_WORD for special tokens. token_type_ids is None where the model has no segments.
    """

    input_ids: np.ndarray
    token_type_ids: np.ndarray | None
    word_of: np.ndarray
    first_words: int
    words: int

    def __len__(self) -> int:
        """Count subtokens, special ones included."""
        return len(self.input_ids)

    def subtokens(self) -> np.ndarray:
        """Count the subtokens of each word: (words,). 0 where the tokenizer turns a word into nothing."""
        return np.bincount(self.word_of[self.word_of >= 0], minlength=self.words)


def encode(tokenizer, firsts: list[list[str]], seconds: list[list[str]]) -> list[Encoding]:
    """Encode pairs of word lists with a fast tokenizer; nothing is cut off, however long."""
    batch = tokenizer(
        firsts,
        seconds,
        is_split_into_words=True,
        add_special_tokens=True,
        truncation=False,
        padding=False,
        return_attention_mask=False,
        verbose=False,
    )
    encodings = []
    for i, (first, second) in enumerate(zip(firsts, seconds, strict=True)):
        sides = batch.sequence_ids(i)
        word_of = [
            NO_WORD if side is None else word + side * len(first)
            for side, word in zip(sides, batch.word_ids(i), strict=True)
        ]
        segments = batch["token_type_ids"][i] if "token_type_ids" in batch else None
        encodings.append(
            Encoding(
                np.asarray(batch["input_ids"][i], np.int64),
                None if segments is None else np.asarray(segments, np.int64),
                np.asarray(word_of, np.int64),
                len(first),
                len(first) + len(second),
            )
        )
    return encodings
