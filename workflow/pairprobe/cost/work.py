"""The work that a configuration asks for: windows, pairs and bytes, and the jobs of each stage on a machine."""

import importlib.util
import math
from pathlib import Path

from pairprobe.configuration import sharding
from pairprobe.configuration.run import Run
from pairprobe.configuration.sharding import QUESTION, SPECIAL, Estimates, count_windows
from pairprobe.cost import rates
from pairprobe.cost.rates import Encoder, Machine
from pairprobe.cost.schedule import Job

STAGES = (
    "reading", "probing sets", "fine-tuning", "heads", "extraction", "similarities, ranking", "answering",
    "evidence, figures, explorer",
)  # fmt: skip
READING, SETS, TUNING, HEADS, EXTRACTION, RANKING, ANSWERING, EVIDENCE = STAGES
# Bytes of a number in each type, and the most that is kept of a frozen encoder: frozen_features.MAX_BYTES, which takes
# seconds to import.
TYPE_BYTES, FROZEN_BYTES = {"bfloat16": 2, "float32": 4}, 32 << 30
# Subtokens of a paragraph that is a long answer, and of a short answer.
LONG_ANSWER, SHORT_ANSWER = 150, 6


def count_trained(means: Estimates, page: int, settings: dict) -> float:
    """Return the windows that a question gives to train on: those with the whole answer, and a share of the others.

    An answer in the first paragraph is in few windows, since none begins before the page; others may be anywhere.
    """
    room, stride, held = settings["max_length"] - QUESTION - SPECIAL, settings["stride"], 0.0
    begins = [i * stride for i in range(count_windows(page, room, stride))]
    for length, share in ((SHORT_ANSWER, 1 - means.long_only), (LONG_ANSWER, means.long_only)):
        for end, part in ((min(LONG_ANSWER, page), means.first), (page, 1 - means.first)):
            places = sum(max(0, min(begin + room, end) - length - begin + 1) for begin in begins)
            held += means.answered * share * part * places / max(1, end - length + 1)
    return held + settings["unanswered"] * (len(begins) - held)


def _shape(checkpoint: dict) -> Encoder:
    """Read the shape of a checkpoint that is on this machine; one of the hub is taken for BERT-base."""
    folder, (package, *inner) = Path(checkpoint.get("path", "")), checkpoint.get("package", "").split(".")
    if package and (found := importlib.util.find_spec(package)):
        folder = Path((found.submodule_search_locations or [""])[0], *inner, checkpoint.get("folder", ""))
    return Encoder() if checkpoint["source"] == "hub" else Encoder.read(folder)


def _made_from(checkpoint: dict) -> list[str]:
    """Return the checkpoint that one is made from: none of one that is fetched."""
    return [checkpoint[key] for key in ("start", "base") if key in checkpoint]


def _in_order(checkpoints: dict[str, dict]) -> list[str]:
    """Return the names of checkpoints, each behind the one that it is made from."""
    names: list[str] = []
    while len(names) < len(checkpoints):
        names += [name for name, one in checkpoints.items() if name not in names and set(_made_from(one)) <= set(names)]
    return names


class Work:
    """What a run asks for, in numbers, and its jobs on a machine, each behind those that it waits for.

    Of a page, the least that may be read is counted (``Estimates.read``). Jobs of one kind share its work evenly.
    """

    def __init__(self, run: Run, machine: Machine):
        self.run, self.machine, self.named = run, machine, run.config["checkpoints"]
        config, self.files = run.config, sharding.files_of(run.config)
        self.means, self.questions = sharding.estimates_of(config), sharding.questions_of(config)
        page = self.means.read[0]
        # What others start from comes first.
        first = run.fetched + run.initialised + run.adapted + run.finetuned
        names = _in_order({name: self.named[name] for name in first})
        self.shapes = {name: _shape(self.named[self._fetched_of(name)]) for name in names}
        self.asked, self.answered, self.answer_length = sharding.answering_of(config, page)
        self.trained = self.questions["finetune"] * count_trained(self.means, page, config["finetuning"])
        self.train_length = min(config["finetuning"]["max_length"], page + QUESTION)
        self.trained_type = machine.precision(config["finetuning"]["precision"])
        views = sharding.views_of(config)
        self.training, self.boundary = config["finetuning"], "boundary" in run.tasks
        self.views = {key: views[key] for key in run.extracted}
        self.examples = views["paragraph", "probe"][0]
        self.pairs_of = {"probe": self.examples * self.means.pairs * len(run.tasks_of("probe")) / 4}
        # Of a file one pair a text is thought.
        self.pairs_of |= {name: views[run.by_task[name].view, name][0] for name in run.pair_files}
        self.pairs = sum(self.pairs_of.values())
        sentences = views["sentence", "head"][0] * self.boundary
        self.sentence_words = min(config["boundary"]["train_examples"] or math.inf, sentences) * self.means.words[2]
        self.tested_words = views["sentence", "probe"][0] * self.boundary * self.means.words[2]
        self.jobs: list[Job] = []
        self._weights: dict[str, int] = {}
        self._windows: dict[int, list[int]] = {}
        self._plan()

    def _fetched_of(self, name: str) -> str:
        """Return the fetched checkpoint whose shape and tokenizer those made from it have."""
        return self.run.tokenizer_of(name)

    def _plan(self) -> None:
        data = self._download(sum(size for _, size, _ in self.files.values()))
        rate = rates.READ.get(self.run.config["data"]["source"], rates.READ["squad"])
        seconds = rates.START + sum(self.questions.values()) / rate / max(1, len(self.files))
        self._read = self._add(READING, rates.START, [self._add(READING, seconds, data) for _ in self.files])
        # The other sets are found so much faster than synonyms that only the start of their jobs counts.
        found = {"synonyms": self.examples / rates.SYNONYMS}
        starts = {task: rates.START if task in self.run.pair_files else rates.START_WORDNET for task in self.run.tasks}
        sets = [self._add(SETS, start + found.get(task, 0.0), [self._read]) for task, start in starts.items()]
        done = []
        for name in self.shapes:
            self._weights[name] = self._make(name)
            done += [*self._probe(name, sets), *self._answer(name)]
        for name, step in self.run.trajectories.kept.items():
            done += self._add_step(name, step.checkpoint, sets)
        for _ in range(2 * len(self.run.tasks) + 12):
            self._add(EVIDENCE, rates.START_FIGURE, done)
        self._add(EVIDENCE, rates.START_FIGURE + self.pairs * rates.EXPLORER_SECONDS, done)

    def _add(self, stage: str, seconds: float, needs: list[int], threads: int = 1, gpu: bool = False) -> int:
        self.jobs.append(Job(stage, seconds, tuple(needs), threads, gpu))
        return len(self.jobs) - 1

    def _add_model(self, stage: str, seconds: float, needs: list[int], threads: int, shards: int = 1) -> list[int]:
        """Add the jobs of a model that share so many seconds."""
        return [self._add(stage, rates.START_MODEL + seconds / shards, needs, threads, True) for _ in range(shards)]

    def _pass(self, kind: str, section: str, name: str, subtokens: float, length: int) -> float:
        """Return the seconds of forward passes on so many subtokens, in texts of that length."""
        settings, flops = self.run.config[section], subtokens * self.shapes[name].flops(length)
        return flops / self.machine.flops(kind, settings["precision"], settings["threads"])

    def _download(self, size: float) -> list[int]:
        return [self._add(READING, size / rates.DOWNLOADED, [])] if size else []

    def _make(self, name: str) -> int:
        """Fetch a checkpoint, draw its weights, or fine-tune it."""
        if table := self.run.table_of(name):
            return self._train_on_table(name, table)
        if self.named[name]["source"] == "finetune":
            return self._train(TUNING, name, self._tuning(name))
        start = [self._weights[one] for one in _made_from(self.named[name])]
        size = self.shapes[name].size if self.named[name]["source"] == "hub" else 0.0
        return self._add(READING, rates.START_MODEL, start + self._download(size))

    def _train(self, stage: str, name: str, seconds: float) -> int:
        """Train a checkpoint, or heads on a frozen one, on windows that are cut once for each tokenizer."""
        start = self._weights[self.named[name].get("start", name)]
        fetched = self._weights[self._fetched_of(name)]
        if fetched not in self._windows:
            shards, tokens = self.run.shards["features",], self.questions["finetune"] * self.means.tokens
            job = TUNING, rates.START_MODEL + tokens / sharding.TOKENS_PER_SECOND / shards, [self._read, fetched]
            self._windows[fetched] = [self._add(*job) for _ in range(shards)]
        needs = [*self._windows[fetched], self._weights.get(name, start)]
        return self._add_model(stage, seconds, needs, self.training["threads"])[0]

    def _train_on_table(self, name: str, table: str) -> int:
        """Train a checkpoint on the texts of a table."""
        texts, length, _ = sharding.texts_of(table)
        start = [self._weights[self.run.start_of(name)]]
        return self._add_model(TUNING, self._trained_on(name, texts, length), start, self.training["threads"])[0]

    def _tuning(self, name: str) -> float:
        """Return the seconds of a training on windows."""
        return self._trained_on(name, self.trained, self.train_length)

    def _trained_on(self, name: str, texts: float, length: int) -> float:
        texts, settings = self.training["epochs"] * texts, self.training
        work = texts, length, texts / settings["batch_size"]
        return self.machine.training(self.shapes[name], *work, self.trained_type, settings["threads"])

    def _heads(self, name: str) -> float:
        """Return the seconds of heads on a frozen encoder: one pass over the windows, or one an epoch."""
        epochs = self.training["epochs"]
        read = self.trained * self.train_length * epochs / rates.FROZEN * bool(self._frozen(name))
        return self._frozen_passes(name, 1 if self._frozen(name) else epochs) + read

    def _frozen_passes(self, name: str, number: int) -> float:
        """Return the seconds of so many passes of a frozen encoder over the windows."""
        subtokens = number * self.trained * self.train_length
        return self._pass(ANSWERING, "finetuning", name, subtokens, self.train_length)

    def _frozen(self, name: str) -> float:
        """Return the bytes of a frozen encoder's hidden states that are kept while heads train on them."""
        found = self.trained * (self.train_length + 1) * self.shapes[name].hidden_size * TYPE_BYTES[self.trained_type]
        return found if self.training["epochs"] > 1 and found <= FROZEN_BYTES else 0.0

    def _vector(self, shape: Encoder) -> int:
        """Return the numbers of one word in the layers that are kept, the embeddings among them."""
        return self._layers(shape) * shape.hidden_size

    def _layers(self, shape: Encoder) -> int:
        return shape.num_hidden_layers + self.run.config["activations"]["last_layer"]

    def _probe(self, name: str, sets: list[int]) -> list[int]:
        """Extract the activations of a checkpoint, train its boundary heads, and rank the pairs of every task."""
        made, vector, needs = {}, self._vector(self.shapes[name]), [self._read, self._weights[name]]
        settings = self.run.config["activations"]
        for key, (examples, length, words) in self.views.items():
            seconds = self._pass(EXTRACTION, "activations", name, examples * length, length)
            if self.machine.gpus:
                seconds = max(seconds, words * vector * sharding.NUMBER_BYTES[settings["storage"]] / rates.WRITTEN)
            shards = self.run.shards["activations", *key]
            made[key] = self._add_model(EXTRACTION, seconds, needs, settings["threads"], shards)
        # Each pair's match is compared with every word of its paragraph, by two measures.
        ranked = []
        for (view, partition), stored in made.items():
            if view != "sentence":
                words = self.means.words[1] if partition == "probe" else sharding.TEXT_WORDS
                compared = 2 * self.pairs_of[partition] * words * vector / rates.COMPARED / len(stored)
                measured = [self._add(RANKING, rates.START + compared, [shard, *sets]) for shard in stored]
                ranked += [self._add(RANKING, rates.START, measured) for _ in self.run.tasks_of(partition)]
        if self.boundary:
            seconds = rates.START + self.sentence_words * vector / rates.BOUNDARY
            heads = self._add(HEADS, seconds, [*sets, *made["sentence", "head"]])
            ranked.append(self._add(RANKING, rates.START, [heads, *made["sentence", "probe"]]))
        return ranked

    def _add_step(self, name: str, trained: str, sets: list[int]) -> list[int]:
        """Make a checkpoint of a step that a training has kept, and probe it and let it answer where a trajectory does."""
        self.shapes[name] = self.shapes[trained]
        self._weights[name] = self._add(TUNING, rates.START_MODEL, [self._weights[trained]])
        probed = self._probe(name, sets) if name in self.run.trajectories.ranked else []
        return [*probed, *self._add_answers(name, [self._read, self._weights[name]])]

    def _needs_heads(self, name: str) -> bool:
        """Whether heads are trained on a checkpoint's frozen encoder, since it was not trained here to answer."""
        return self.run.trains and name in (*self.run.frozen, *self.run.trained_otherwise)

    def _answer(self, name: str) -> list[int]:
        """Answer questions, by heads that are trained first where it needs some, and with layers of the checkpoint before.

        A classifier labels the texts that were held out, which are so few that only the start of the job counts.
        """
        labelled = self._add_model(ANSWERING, 0.0, [self._weights[name]], 1) if name in self.run.classifiers else []
        if not self.run.has_data:
            return labelled
        needs = [self._read, self._weights[name]]
        if self._needs_heads(name):
            needs.append(self._train(HEADS, name, self._heads(name)))
        found = labelled + self._add_answers(name, needs)
        if self.run.interventions and (before := self.run.before_of(name)):
            ways = sum({"graft": 2, "reset": 1}[one] for one in self.run.interventions)
            share = rates.GRAFTED * ways * self.shapes[name].num_hidden_layers
            found += self._add_answers(name, [*needs, self._weights[before]], share)
        if name in self.run.early_exits:
            heads = self._train(HEADS, name, self._frozen_passes(name, self.training["epochs"]))
            found += self._add_answers(name, [self._read, heads])
        return found

    def _add_answers(self, name: str, needs: list[int], times: float = 1) -> list[int]:
        """Add the jobs of an evaluation, or of what takes so many times as long."""
        length, threads = self.answer_length, self.run.config["evaluation"]["threads"]
        seconds = times * self._pass(ANSWERING, "evaluation", name, self.answered * length, length)
        return self._add_model(ANSWERING, seconds, needs, threads, self.run.shards["predictions",])

    def memory(self) -> dict[str, float]:
        """Return the peak bytes of a job of each stage that the run has, on a CPU.

        0.45 GB are Python and PyTorch. What answering takes, 113 bytes for each number of a batch, is BERT-base's, measured
        with 16 windows of 512.
        """
        shape, settings = max(self.shapes.values(), key=lambda shape: shape.size), self.training
        base, trained = 0.45e9 + shape.size, (settings["device_batch_size"] or settings["batch_size"]) * self.train_length
        answered = self.run.config["evaluation"]["batch_size"] * self.answer_length * shape.hidden_size
        heads = (0.6e9 + shape.size + 50 * trained * shape.hidden_size) * bool(self.trained)
        heads = max(heads, 0.1e9 + 4 * self.sentence_words * shape.hidden_size)
        extraction = base + 10240 * self._vector(shape)
        tuning = self._tuning_memory(shape, trained)
        found = (0.4e9, 0.39e9, tuning, heads, extraction, 0.1e9, base + 113 * answered, 0.17e9)
        present = {job.stage for job in self.jobs}
        return {stage: size for stage, size in zip(STAGES, found, strict=True) if stage in present}

    def _tuning_memory(self, shape: Encoder, subtokens: int) -> float:
        """Return the peak bytes of a training with so many subtokens at once.

        0.6 GB are Python, PyTorch and Trainer. There are the weights and AdamW's moments in float32, and in bfloat16 the
        layers' weights again. At the peak the backward pass begins, or all gradients are there: the model's, and each
        thread's in its type, those of embeddings in float32. What is kept for the backward pass, 32 numbers for each of a
        layer's hidden states and one for each of its attention weights, is BERT-base's, measured with 8 windows of 384 and
        512 in bfloat16.
        """
        settings, number = self.training, TYPE_BYTES[self.trained_type]
        kept = 32 * shape.hidden_size + self.train_length * shape.num_attention_heads
        passed = number * kept * shape.num_hidden_layers * subtokens
        if (settings["device_batch_size"] or settings["batch_size"]) < settings["batch_size"]:
            passed += shape.size  # the gradients of the parts before
        gradients = shape.size + settings["threads"] * (number * shape.weights + 4 * shape.embeddings)
        copied = 2 * shape.weights * (self.trained_type == "bfloat16")
        return 0.6e9 + 3 * shape.size + copied + max(passed, gradients)

    def disk(self) -> dict[str, float]:
        """Return the bytes that each stage needs in results, and in downloads."""
        number, found = sharding.NUMBER_BYTES[self.run.config["activations"]["storage"]], dict.fromkeys(STAGES, 0.0)
        # Pages are in a part for each file, and together; WordNet takes 35 MB.
        pages = 2 * (self.questions["finetune"] + self.questions["probe"]) * self.means.packed
        found[READING] = sum(size for _, size, _ in self.files.values()) + pages + 35e6
        words = sum(words for *_, words in self.views.values()) if self.run.keeps_activations else 0.0
        unranked = self.run.trajectories.kept.keys() - {*self.run.trajectories.ranked}
        for name, shape in self.shapes.items():
            source = self.named[name]["source"] if name in self.named else "step"
            # One of the hub is in its cache, too. A training saves its weights and AdamW's moments, to go on from.
            copies = {"hub": 2, "finetune": 4}.get(source, 1)
            found[TUNING if source in ("finetune", "step") else READING] += shape.size * copies
            found[HEADS] += self._frozen(name) * self._needs_heads(name)
            if name in unranked:
                continue
            found[EXTRACTION] += words * self._vector(shape) * number
            # Two numbers a row: in float32 for a pair's match and every word of question and paragraph, in float64 for
            # every word of a boundary's sentence.
            rows = self.pairs * (1 + self.means.words[0] + self.means.words[1])
            found[RANKING] += (8 * rows + 16 * self.tested_words) * self._layers(shape)
        found[TUNING] += len(self._windows) * self.trained * (4 * self.train_length + 60)
        found[EVIDENCE] = 10e6 + self.pairs * rates.EXPLORER_BYTES
        return found
