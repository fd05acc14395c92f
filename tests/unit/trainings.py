"""Small trainings for the tests of fine-tuning: pages, their features, a checkpoint of random weights, a short run."""

import json
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import msgspec
import psutil
import pytest
import torch
from families import tiny_bert
from safetensors.torch import load_file
from transformers import BertModel
from transformers.trainer_callback import CallbackHandler

from pairprobe.checkpoints import loading
from pairprobe.data.documents import Annotation, Document
from pairprobe.data.pages import page_of, row_of
from pairprobe.finetuning import features as feature_files
from pairprobe.finetuning import training
from pairprobe.finetuning.trainer import Settings, Training
from pairprobe.io import files

SEED = 7
SETTINGS = {
    "precision": "float32",
    "epochs": 2,
    "batch_size": 4,
    "device_batch_size": 2,
    "learning_rate": 0.003,
    "warmup": 0.1,
    "weight_decay": 0.01,
    "save_steps": 2,
    "threads": 1,
    "seed": SEED,
}
MAX_LENGTH, STRIDE = 32, 16
# One of them trains the encoder with its heads, the others heads alone, which learn at a rate of their own.
TRAININGS = {
    "finetune": training.finetune,
    "train_answer_heads": training.train_answer_heads,
    "train_early_exits": training.train_early_exits,
}
RATES = {"finetune": 0.003, "train_answer_heads": 0.03, "train_early_exits": 0.03}


def page(i, answered=True):
    """Who built something, in a text of one to three times 17 words; the answer is always "king henry"."""
    text = (
        f"the {('old', 'red', 'big')[i % 3]} castle stands on a hill since the year {1000 + i} . it was built by king henry"
    )
    words = text.split() * (1 + i % 3)
    answer = (words.index("king"), words.index("king") + 2)
    annotation = Annotation((0, len(words)), "P", (answer,) if answered else ())
    return page_of(Document(f"d{i}", f"page {i}", "who built it ?".split(), " ".join(words), (annotation,)))


def write_pages(path, pages):
    files.write_json_lines(path, map(row_of, pages))
    return str(path)


def built(start, pages, folder, shards=1, max_length=MAX_LENGTH, stride=STRIDE, unanswered=0.5):
    """The files of features of some pages."""
    documents, tokenizer = write_pages(folder / "documents.jsonl.gz", pages), loading.load_tokenizer(start)
    settings = feature_files.Settings(max_length, stride, unanswered, SEED)
    paths = [str(folder / f"{i}of{shards}.arrow") for i in range(shards)]
    for i, path in enumerate(paths):
        feature_files.build(documents, tokenizer, path, (i, shards), settings)
    return paths


def made(folder, kind=BertModel, dropout=0.1, **changed):
    """A checkpoint of random weights."""
    return tiny_bert(folder, kind, hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout, **changed)


def training_of(start, features, out, work=None, how="finetune", processes=1, code=None, keep_steps=(), **changed):
    """A training whose work folder is beside its result ``out``."""
    settings = Settings(**{**SETTINGS, "learning_rate": RATES[how], **changed})
    frozen, exits = how != "finetune", how == "train_early_exits"
    return Training(start, features, settings, str(work or f"{out}.work"), processes, frozen, exits, None, code, keep_steps)


def run(start, features, out, how="finetune", **changed):
    """Train; the history, the work folder and the steps that are kept are siblings of the result."""
    kept = [f"{out}.kept"] if changed.get("keep_steps") else []
    TRAININGS[how](training_of(start, features, out, how=how, **changed), str(out), f"{out}.tsv", *kept)
    return out


def stopped(given, out, after=1):
    """Begin a training or go on with it, and stop it so many steps later; return the number of its last step."""
    on_step_end, done = CallbackHandler.on_step_end, []

    def stop(self, args, state, control):
        done.append(state.global_step)
        if len(done) == after:
            raise KeyboardInterrupt
        return on_step_end(self, args, state, control)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CallbackHandler, "on_step_end", stop)
        with pytest.raises(KeyboardInterrupt):
            training.finetune(given, str(out), f"{out}.tsv")
    return done[-1]


def begins_at(given, saved, out):
    """Return the step at which a training begins that finds the work folder ``saved`` in the place of its own."""
    shutil.rmtree(given.work)
    shutil.copytree(saved, given.work)
    return stopped(given, out)


def weights(out):
    """The weights of a checkpoint or of heads."""
    return load_file(out / "model.safetensors" if Path(out).is_dir() else out)


def apart(first, second):
    """The largest difference between the weights of two results.

    But for the bias of start and end: the same on all subtokens it moves nothing, and its gradient is rounding alone.
    """
    first, second = (weights(Path(out)) for out in (first, second))
    assert first.keys() == second.keys()
    return max((first[key] - second[key]).abs().max().item() for key in first if key != "qa_outputs.bias")


def same(first, second):
    """Whether two results have the same weights, to the bit, and the same history."""
    first, second = Path(first), Path(second)
    tensors, others = weights(first), weights(second)
    assert tensors.keys() == others.keys()
    texts = [Path(f"{out}.tsv").read_text() for out in (first, second)]
    return all(torch.equal(tensors[key], others[key]) for key in tensors) and texts[0] == texts[1]


def steps(features, epochs=SETTINGS["epochs"], batch_size=SETTINGS["batch_size"]):
    return -(-len(feature_files.Features(features)) // batch_size) * epochs


# Forks a training for each line that it reads, and prints its number and then its status. Processes that share a training
# are forked too, as torchrun would start them, unless torchrun itself is asked for. A training dies at its place: at the
# end of a step, or half-way within a function that writes or removes files, at its call of that number.
FORKING = """
import json, os, shutil, signal, socket, sys, traceback
from pathlib import Path
import msgspec, torch, transformers
from pairprobe.finetuning import distributed, frozen_features, kept_steps, trainer, training

OWNERS = {"torch": torch, "TrainerState": transformers.TrainerState, "shutil": shutil, "kept_steps": kept_steps}
OWNERS["Encoding"] = frozen_features._Encoding

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def halve(path):
    if path.is_dir():
        for file in sorted(path.iterdir())[::2]:
            file.unlink()
    else:
        os.truncate(path, path.stat().st_size // 2)

def kill_within(owner, name, number):
    function, calls = getattr(owner, name), []
    def half(*args, **kwargs):
        calls.append(args)
        if len(calls) < number:
            return function(*args, **kwargs)
        if name != "rmtree":
            function(*args, **kwargs)
        paths = [Path(arg) for arg in args if isinstance(arg, (str, Path))]
        halve(paths[-1] if name == "copyfile" else paths[0])
        die()
    setattr(owner, name, half)

def kill_after(number):
    on_step_end = trainer._ProgressCallback.on_step_end
    def killed(self, args, state, control, **kwargs):
        on_step_end(self, args, state, control, **kwargs)
        if state.global_step == number:
            die()
    trainer._ProgressCallback.on_step_end = killed

def fork(function, *args):
    child = os.fork()
    if child:
        return child
    try:
        function(*args)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)

def status(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def launch(given):
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    def one(rank):
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(given.processes)}
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        trainer.train(given)
    if any([status(child) for child in [fork(one, rank) for rank in range(given.processes)]]):
        die()

def train(how, given, path, place, number, torchrun):
    if not torchrun:
        distributed.launch = launch
    if place == "step":
        kill_after(number)
    elif place:
        owner, name = place.split(".")
        kill_within(OWNERS[owner], name, number)
    kept = [path + ".kept"] if given["keep_steps"] else []
    getattr(training, how)(msgspec.convert(given, trainer.Training), path, path + ".tsv", *kept)

for line in sys.stdin:
    child = fork(train, *json.loads(line))
    print(child, flush=True)
    print(status(child), flush=True)
"""


class Forking:
    """Trainings in processes of their own, one at a time, on some cores; all of them are forked from one."""

    def __init__(self, errors, cores):
        self.tag, self.errors = f"PAIRPROBE_TEST={uuid.uuid4().hex}", Path(errors)
        name, value = self.tag.split("=")
        # Threads that wait do not spin: on a busy machine that takes a hundred times as long.
        environment = {**os.environ, "OMP_WAIT_POLICY": "passive", name: value}
        keep = sorted(os.sched_getaffinity(0))[:cores]
        program = f"import os\nos.sched_setaffinity(0, {keep})\n{FORKING}"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with open(errors, "w") as stderr:
            self.server = subprocess.Popen([sys.executable, "-c", program], env=environment, stderr=stderr, **pipes)

    def start(self, out, given, how="finetune", place="", number=0, torchrun=False):
        """Start a training and return its process; ``end`` is to be called before the next."""
        order = [how, msgspec.to_builtins(given), str(out), place, number, torchrun]
        print(json.dumps(order), file=self.server.stdin, flush=True)
        return psutil.Process(int(self.server.stdout.readline()))

    def end(self):
        """Wait for the end of the training and return its status."""
        return int(self.server.stdout.readline())

    def processes(self):
        """List what belongs to the trainings and runs, also what has lost its parent."""
        return [process for process in psutil.process_iter() if process.pid != self.server.pid and self._is_ours(process)]

    def _is_ours(self, process):
        try:
            tags = Path(f"/proc/{process.pid}/environ").read_text(errors="replace").split("\0")
            return self.tag in tags and process.status() != psutil.STATUS_ZOMBIE
        except (OSError, psutil.Error):  # it has ended, or is another user's
            return False

    def close(self):
        self.server.stdin.close()
        self.server.kill()
        self.server.wait()
