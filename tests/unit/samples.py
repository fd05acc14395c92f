"""Examples and pairs for the tests of several packages."""

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
