"""What stands beside an encoder in transformers' models: heads, and what a model with a head calls its encoder."""

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

# The names of the layers that are put on an encoder here: of where answers start and end, and of their type.
SPANS, TYPES = "qa_outputs", "answer_type"
# The kinds of transformers' classes whose heads give labels.
_LABELLING = ("SequenceClassification", "TokenClassification", "MultipleChoice")


def prefixes(config: "PreTrainedConfig") -> tuple[str, str | None]:
    """Return what stands before an encoder's names in models with a head, as in "bert.", and in that for questions.

    The second is None where transformers has no model for questions. Of Llama and others it is another one than the first.
    """
    from transformers import MODEL_FOR_QUESTION_ANSWERING_MAPPING, MODEL_MAPPING

    found: list[Any] = [each.get(type(config), None) for each in (MODEL_MAPPING, MODEL_FOR_QUESTION_ANSWERING_MAPPING)]
    encoder, answering = (one[0] if isinstance(one, (list, tuple)) else one for one in found)
    return f"{getattr(encoder, 'base_model_prefix', '')}.", answering and f"{answering.base_model_prefix}."


def answer_heads(config: "PreTrainedConfig") -> tuple[str, ...]:
    """Return how the names of weights begin that answer questions: those of transformers' class, or ours, and of types."""
    from transformers import AutoModelForQuestionAnswering

    encoder, answering = prefixes(config)
    outside = outside_encoder(AutoModelForQuestionAnswering, config) if answering == encoder else [SPANS]
    return tuple(f"{one}." for one in sorted({*outside, TYPES}))


def heads_for_labels(config: "PreTrainedConfig") -> tuple[str, ...]:
    """Return which of ``answer_heads`` a checkpoint has for labels, by the class that wrote it: all of ModernBERT's.

    A head of two labels has the shapes of one for start and end, too.
    """
    import transformers

    written = getattr(config, "architectures", None) or ()
    kinds = [kind for kind in _LABELLING if any(name.endswith(f"For{kind}") for name in written)]
    found = {name for kind in kinds for name in outside_encoder(getattr(transformers, f"AutoModelFor{kind}"), config)}
    return tuple(one for one in answer_heads(config) if one.removesuffix(".") in found) if found else ()


def outside_encoder(auto: Any, config: "PreTrainedConfig") -> set[str]:
    """Return the names of what a class of transformers has beside its encoder; none where it has no such model."""
    import torch

    if type(config) not in auto._model_mapping:
        return set()
    config = copy.deepcopy(config)
    config.num_labels = 2  # start and end: DistilBERT's model for questions has no other number
    with torch.device("meta"):  # names alone
        model = auto.from_config(config)
    return {key.partition(".")[0] for key in model.state_dict()} - {model.base_model_prefix}


def all_heads(config: "PreTrainedConfig") -> set[str]:
    """Return the names of what transformers' classes for words, texts and questions have beside their encoder."""
    import transformers

    kinds = ("CausalLM", "MaskedLM", "SequenceClassification", "TokenClassification", "QuestionAnswering")
    found = [outside_encoder(getattr(transformers, f"AutoModelFor{kind}"), config) for kind in kinds]
    return {TYPES, *(name for names in found for name in names)}
