"""What a training is: of what, on what, how and where."""

from dataclasses import dataclass

from pairprobe.finetuning.lora import Lora

# What trainings minimise, see ``objectives.registry``; the first gives heads that answer questions.
QUESTION_ANSWERING, SHUFFLED_ANSWERS = "question_answering", "shuffled_answers"
MASKED_LANGUAGE_MODEL, SEQUENCE_CLASSIFICATION = "masked_language_model", "sequence_classification"


@dataclass(frozen=True, slots=True)
class Settings:
    """The hyperparameters of a training.

    batch_size: windows a step. device_batch_size: of these at once on one device; None: as many as a device gets.
    warmup: the share of all steps in which the learning rate rises. save_steps: steps from one save to the next, which
    changes no weight. threads: of each process, whatever the number of cores: the sums of gradients, and with them the
    weights, come out slightly different for another number. precision: of the forward pass; weights stay in float32. lora:
    what is trained in the place of the encoder's weights; None: these themselves. max_length: subtokens of a text of a
    table, at most, special ones included; windows have been cut.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    warmup: float
    weight_decay: float
    save_steps: int
    threads: int
    seed: int
    precision: str = "float32"
    device_batch_size: int | None = None
    lora: Lora | None = None
    objective: str = QUESTION_ANSWERING
    max_length: int | None = None


@dataclass(frozen=True, slots=True)
class Training:
    """One training: of what, on what, how and where.

    start: the checkpoint's folder. features: files of ``features.build``. work: a folder for what is saved on the way.
    processes: GPUs that share each step. frozen, early_exits: whether the heads alone are trained, and whether on each
    layer, which the functions of ``training`` set. cores: how many cores the job has; where they are fewer than the
    threads, the threads share them. code: the digests of the code that computes. keep_steps: what is kept on the way, see
    ``kept_steps.steps_of``, which changes no weight. table: a file of ``labelled_texts.read``, where that trains in the
    place of windows. new_heads: whether heads that the checkpoint has are left out, since they do something else.
    """

    start: str
    features: list[str]
    settings: Settings
    work: str
    processes: int = 1
    frozen: bool = False
    early_exits: bool = False
    cores: int | None = None
    code: dict | None = None
    keep_steps: tuple[int, ...] | int = ()
    table: str | None = None
    new_heads: bool = False
