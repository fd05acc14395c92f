"""Fine-tuning on extractive question answering with Hugging Face's Trainer, and exact match and F1 before and after."""

import hashlib
import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler
from transformers import (
    AutoModelForQuestionAnswering,
    DataCollatorWithPadding,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)
from transformers.trainer_utils import get_last_checkpoint
from transformers.utils import logging

from pairprobe import checkpoints, files
from pairprobe.encoding import check_alignment
from pairprobe.errors import InputError
from pairprobe.examples import chosen, read_documents
from pairprobe.progress import Progress, log
from pairprobe.provenance import file_digest, folder_digest
from pairprobe.question_answering import Window, best_span, exact_match, f1, training_windows, windows

# How much is looked at, before training, for whether words and subtokens belong together; a page may be long.
CHECKED, CHECKED_WORDS = 32, 512
EVALUATION_FIELDS = ("checkpoint", "head", "examples", "exact_match", "f1")

logging.disable_progress_bar()
logging.set_verbosity_error()


class _Windows(Dataset):
    def __init__(self, kept: list[Window]):
        self.kept = kept

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, i: int) -> dict:
        window = self.kept[i]
        row = {"input_ids": window.input_ids, "start_positions": window.start, "end_positions": window.end}
        return row if window.token_type_ids is None else {**row, "token_type_ids": window.token_type_ids}


class _ByLength(Sampler):
    """Windows of like length together, in an order that only the seed and the epoch decide.

    (Trainer's own sampler draws from a running generator, so that a run which goes on within an epoch takes another order.)
    """

    def __init__(self, lengths: list[int], batch_size: int, seed: int):
        self.lengths, self.pool, self.seed, self.epoch = lengths, 50 * batch_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self):
        order = np.random.default_rng((self.seed, self.epoch)).permutation(len(self.lengths)).tolist()
        for start in range(0, len(order), self.pool):
            yield from sorted(order[start : start + self.pool], key=lambda i: -self.lengths[i])


class _ByLengthTrainer(Trainer):
    def _get_train_sampler(self, train_dataset=None):
        lengths = [len(window.input_ids) for window in self.train_dataset.kept]
        return _ByLength(lengths, self.args.per_device_train_batch_size, self.args.seed)


class _Report(TrainerCallback):
    """The bar and the log lines of training."""

    def on_train_begin(self, args, state, control, **kwargs):
        self.progress = Progress(state.max_steps, "fine-tuning", "steps")
        self.progress.update(state.global_step)

    def on_step_end(self, args, state, control, **kwargs):
        self.progress.update()

    def on_log(self, args, state, control, logs=None, **kwargs):
        if logs and "loss" in logs:
            log.info("step %d of %d: loss %.4f", state.global_step, state.max_steps, float(logs["loss"]))

    def on_train_end(self, args, state, control, **kwargs):
        self.progress.__exit__()


def finetune(start: str, documents: str, path: str, work: str, settings: dict, seed: int) -> None:
    """Fine-tune a checkpoint on the documents with a short answer; ``path`` becomes a folder like the one it started from.

    settings: precision (of the forward pass; the weights stay in float32), epochs, batch_size, learning_rate, warmup (a
    share of all steps), weight_decay, max_length and stride in subtokens, unanswered (the share of windows without the
    answer that is kept), save_steps, threads. The number of threads is fixed, whatever the number of cores, since the sums
    of gradients, and with them the weights, come out slightly different for another.

    work: a folder for resumable checkpoints; training goes on from there where it was killed, unless anything that it
    stands on has changed, and it is removed at the end. Raises InputError where no document has a short answer.
    """
    torch.set_num_threads(settings["threads"])
    stands_on = {"start": folder_digest(start), "documents": file_digest(documents), "settings": settings, "seed": seed}
    _prepare(Path(work), stands_on)
    tokenizer = checkpoints.load_tokenizer(start)
    model, _ = load_reader(start, seed)
    _check_length(model, settings["max_length"], start, "finetuning")
    first = ((d.example_id, d.question, d.words[:CHECKED_WORDS]) for d in read_documents(documents))
    check_alignment(tokenizer, itertools.islice(first, CHECKED), f"checkpoint {start}")
    kept = training_windows(
        read_documents(documents), tokenizer, settings["max_length"], settings["stride"], settings["unanswered"], seed
    )
    if not kept:
        raise InputError(f"{documents}: no document has a short answer, so there is nothing to fine-tune on.")
    log.info("fine-tuning %s on %d windows of %d questions", start, len(kept), len({w.example_id for w in kept}))
    trainer = _ByLengthTrainer(
        model=model,
        args=_arguments(work, settings, seed, len(kept)),
        train_dataset=_Windows(kept),
        data_collator=DataCollatorWithPadding(tokenizer),
        processing_class=tokenizer,
        callbacks=[_Report()],
    )
    trainer.remove_callback(PrinterCallback)  # _Report says it, in the log
    trainer.train(resume_from_checkpoint=get_last_checkpoint(work))
    with files.whole(path) as temporary:
        trainer.model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        checkpoints.verify(temporary)
    shutil.rmtree(work)


def _prepare(work: Path, stands_on: dict) -> None:
    """Empty the working folder where it was made for something else."""
    digest = hashlib.sha256(json.dumps(stands_on, sort_keys=True).encode()).hexdigest()
    mark = work / "stands_on.sha256"
    if work.exists() and (not mark.is_file() or mark.read_text() != digest):
        log.info("%s: made for other settings or data; starting afresh", work)
        shutil.rmtree(work)
    for saved in work.glob("checkpoint-*"):
        # Killed while it saved: its last file is missing.
        if not (saved / "trainer_state.json").is_file():
            shutil.rmtree(saved)
    if work.is_dir() and get_last_checkpoint(work):
        log.info("%s: going on from %s", work, get_last_checkpoint(work))
    files.write_text(mark, digest)


def _arguments(work: str, settings: dict, seed: int, size: int) -> TrainingArguments:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    steps = -(-size // settings["batch_size"]) * settings["epochs"]
    return TrainingArguments(
        output_dir=work,
        num_train_epochs=settings["epochs"],
        per_device_train_batch_size=settings["batch_size"],
        learning_rate=settings["learning_rate"],
        warmup_steps=round(steps * settings["warmup"]),
        weight_decay=settings["weight_decay"],
        save_steps=settings["save_steps"],
        save_total_limit=1,
        logging_steps=10,
        bf16=checkpoints.resolve_precision(settings["precision"], device) == "bfloat16",
        seed=seed,
        data_seed=seed,
        use_cpu=device == "cpu",
        disable_tqdm=True,
        report_to="none",
        dataloader_pin_memory=torch.cuda.is_available(),
    )


def load_reader(folder: str, seed: int, precision: str = "float32") -> tuple[torch.nn.Module, bool]:
    """Load a checkpoint with its question-answering head; a head that it lacks is drawn with the seed.

    Returns the model and whether its head is the checkpoint's own. Raises InputError where transformers has no model for
    question answering of the checkpoint's architecture, or weights of the encoder are missing.
    """
    set_seed(seed)
    model, head_lacks = checkpoints.load_model(AutoModelForQuestionAnswering, folder, precision)
    return model, not head_lacks


def _check_length(model, max_length: int, folder: str, section: str) -> None:
    limit = checkpoints.longest(model)
    if max_length > limit:
        raise InputError(
            f"checkpoint {folder}: windows of {max_length} subtokens were asked for, and it has positions for {limit}. "
            f"Set {section}.max_length to {limit} or less."
        )


def evaluate(
    folder: str,
    documents: str,
    seed: int,
    max_length: int,
    stride: int,
    max_words: int = 30,
    batch_size: int = 16,
    precision: str = "float32",
    threads: int | None = None,
    at_most: int | None = None,
) -> tuple[str, int, float, float]:
    """Answer the questions of documents that have a short answer, from the whole document; at most so many of them.

    The gold answers are those of all annotations. Returns the head ("trained", or "random, seed N"), the number of
    questions, exact match and F1 in percent.
    """
    if threads:
        torch.set_num_threads(threads)
    tokenizer = checkpoints.load_tokenizer(folder)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model, trained = load_reader(folder, seed, checkpoints.resolve_precision(precision, device))
    _check_length(model, max_length, folder, "evaluation")
    model.eval().to(device)
    taken = chosen((d.example_id for d in read_documents(documents) if d.short_answers), at_most, seed)
    answered = {document.example_id: document for document in read_documents(documents) if document.example_id in taken}
    pieces = sorted(windows(answered.values(), tokenizer, max_length, stride), key=lambda window: len(window.input_ids))
    best: dict[str, tuple[float, tuple[int, int]]] = {}
    collate = DataCollatorWithPadding(tokenizer)
    with Progress(len(pieces), "answering", "windows") as progress:
        for first in range(0, len(pieces), batch_size):
            batch = pieces[first : first + batch_size]
            starts, ends = _logits(model, collate, batch, device)
            for window, start, end in zip(batch, starts, ends, strict=True):
                found = best_span(start, end, window.word_of, max_words)
                best[window.example_id] = max(best.get(window.example_id, (-np.inf, (0, 0))), found)
            progress.update(len(batch))
    scores = [_score(answered[name], span) for name, (_, span) in best.items()]
    matches, overlaps = np.mean(scores, axis=0) * 100 if scores else (float("nan"), float("nan"))
    return "trained" if trained else f"random, seed {seed}", len(scores), float(matches), float(overlaps)


def _logits(model, collate, batch: list[Window], device: str) -> tuple[np.ndarray, np.ndarray]:
    names = ("input_ids", "token_type_ids")
    rows = [{n: getattr(window, n) for n in names if getattr(window, n) is not None} for window in batch]
    with torch.inference_mode():
        output = model(**collate(rows).to(device))
    return output.start_logits.float().cpu().numpy(), output.end_logits.float().cpu().numpy()


def _score(document, span: tuple[int, int]) -> tuple[float, float]:
    golds = [" ".join(document.words[slice(*answer)]) for answer in document.gold_answers]
    prediction = " ".join(document.words[slice(*span)])
    return exact_match(prediction, golds), f1(prediction, golds)
