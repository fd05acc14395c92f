"""Which objectives there are."""

from pairprobe.finetuning.objectives.masked_language_model import MaskedLanguageModel
from pairprobe.finetuning.objectives.objective import Objective
from pairprobe.finetuning.objectives.question_answering import EarlyExitHeads, FrozenAnswerHeads, QuestionAnswering
from pairprobe.finetuning.objectives.sequence_classification import SequenceClassification
from pairprobe.finetuning.objectives.shuffled_answers import ShuffledAnswers
from pairprobe.finetuning.settings import (
    MASKED_LANGUAGE_MODEL,
    QUESTION_ANSWERING,
    SEQUENCE_CLASSIFICATION,
    SHUFFLED_ANSWERS,
    Training,
)

OBJECTIVES: dict[str, type[Objective]] = {
    QUESTION_ANSWERING: QuestionAnswering,
    SHUFFLED_ANSWERS: ShuffledAnswers,
    MASKED_LANGUAGE_MODEL: MaskedLanguageModel,
    SEQUENCE_CLASSIFICATION: SequenceClassification,
}


def create_objective(training: Training) -> Objective:
    """Return what a training minimises; heads on a frozen encoder answer questions, whatever that was trained for."""
    if training.frozen:
        return (EarlyExitHeads if training.early_exits else FrozenAnswerHeads)(training)
    return OBJECTIVES[training.settings.objective](training)
