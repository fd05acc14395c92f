"""Examples, pairs and stores of activations for the tests of several packages."""

import numpy as np

from pairprobe.activations import store
from pairprobe.data.examples import Example


def example(question, paragraph, answer=None, title="Page", example_id="1"):
    """Make an example of two strings; in the paragraph, | ends a sentence.

    answer: a span [start, end) of the paragraph's words, or the words themselves, of which the last place counts.
    """
    words, sentences = [], []
    for sentence in paragraph.split("|"):
        start = len(words)
        words += sentence.split()
        sentences.append((start, len(words)))
    if isinstance(answer, str):
        answer = last(words, answer)
    return Example(example_id, title, question.split(), words, answer, sentences)


def last(words, phrase):
    """Return the last span of the words that is the phrase."""
    phrase = phrase.split()
    start = max(i for i in range(len(words)) if words[i : i + len(phrase)] == phrase)
    return start, start + len(phrase)


def pair(anchor, match, side="question", example_id="1"):
    """Make a row of a probing set."""
    return {"example_id": example_id, "anchor": {"side": side, "words": anchor}, "match": {"words": match}}


def write_store(path, vectors, left_out=(), view="paragraph"):
    """Write a store of {example_id: (question vectors, passage vectors)}; each (layers, words, hidden)."""
    index, both = store.Index(left_out=[*left_out], left_out_content=[*left_out]), []
    for name, (question, passage) in vectors.items():
        index.add(name, name, question.shape[1], passage.shape[1])
        both.append(np.concatenate([question, passage], axis=1).astype(np.float32))
    with store.create(path, len(both[0]), both[0].shape[2], "float32", index, {"view": view}) as writer:
        for i, layers in enumerate(both):
            for layer, rows in enumerate(layers):
                writer.write(layer, i, rows)
    return path


def open_sentences(path, vectors):
    """Write vectors of sentences, {example_id: (layers, words, hidden)}, with one word for a question, and open them."""
    both = {name: (np.zeros_like(words[:, :1]), words) for name, words in vectors.items()}
    return store.Activations([write_store(path, both, view="sentence")])
