"""Words to the subtokens of windows, and what stands around question and page."""

from functools import cached_property

from pairprobe.checkpoints.tokenization import Tokenizer, beginning, between, has_separator
from pairprobe.finetuning.windows import MARKUP

# Words whose subtokens are cached, at most, and words that are tokenized at once.
_CACHE_SIZE, CHUNK_SIZE = 1_000_000, 5_000


class Subtokenizer:
    """Turns words into subtokens, as ``tokenization.encode`` does, with a cache: a few words are most of a text."""

    def __init__(self, tokenizer: Tokenizer):
        self.tokenizer = tokenizer
        self.cache: dict[str, list[int]] = {}

    def __call__(self, words: list[str]) -> list[list[int]]:
        """Return the ids of each word's subtokens; none for a word that the tokenizer turns into nothing."""
        if len(self.cache) > _CACHE_SIZE:
            self.cache.clear()
        new = [word for word in dict.fromkeys(words) if word not in self.cache]
        for first in range(0, len(new), CHUNK_SIZE):
            self._tokenize(new[first : first + CHUNK_SIZE])
        return [self.cache[word] for word in words]

    def _tokenize(self, words: list[str]) -> None:
        # After another word: a tokenizer may treat the first word of a text differently, for lack of a blank before it.
        batch = self.tokenizer(
            ["a", *words], is_split_into_words=True, add_special_tokens=False, truncation=False, verbose=False
        )
        found: list[list[int]] = [[] for _ in words]
        for word, number in zip(batch.word_ids(0), batch["input_ids"], strict=True):
            if word:
                found[word - 1].append(number)
        self.cache.update(zip(words, found, strict=True))

    @cached_property
    def template(self) -> tuple[list[int], list[int], list[int]]:
        """The special tokens before the question, between question and page, and behind the page.

        Where the tokenizer has nothing to put between the two, they are a beginning-of-sequence token, a newline and none.
        """
        if not has_separator(self.tokenizer):
            return beginning(self.tokenizer), between(self.tokenizer), []
        batch = self.tokenizer(["a"], ["a"], is_split_into_words=True)
        sides, ids = batch.sequence_ids(0), batch["input_ids"]
        question, page = sides.index(0), sides.index(1)
        last_of_question = len(sides) - 1 - sides[::-1].index(0)
        last_of_page = len(sides) - 1 - sides[::-1].index(1)
        return ids[:question], ids[last_of_question + 1 : page], ids[last_of_page + 1 :]

    @cached_property
    def markup(self) -> dict[str, list[int]]:
        """The subtokens of each of ``MARKUP``.

        That is one each, as in the joint baseline, where the vocabulary has enough entries that pretraining left unused;
        else the subtokens that the tokenizer makes of the text. So no checkpoint needs new embeddings.
        """
        vocabulary = self.tokenizer.get_vocab()
        unused = [vocabulary[name] for i in range(1000) if (name := f"[unused{i}]") in vocabulary]
        if len(unused) >= len(MARKUP):
            return {name: [number] for name, number in zip(MARKUP, unused, strict=False)}
        return dict(zip(MARKUP, self(list(MARKUP)), strict=True))
