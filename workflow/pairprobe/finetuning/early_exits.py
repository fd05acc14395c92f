"""Early exits: linear heads for start, end and answer type on each layer of a frozen encoder, all of them trained at once.

One pass of the encoder feeds the heads of all layers. They share nothing else: those of each layer begin with the same
numbers, and have a loss, a clipped gradient and a state of the optimiser of their own, so that they learn what they would
learn alone.
"""

from pathlib import Path

import torch
from torch import nn
from transformers import AutoModel, PreTrainedModel

from pairprobe.checkpoints import loading, padding
from pairprobe.finetuning import joint_model
from pairprobe.finetuning.windows import ANSWER_TYPES


class EarlyExits(joint_model.JointModel):
    """A frozen encoder with heads on the embeddings (layer 0) and on each layer, as ``transformers`` gives them.

    exits: (layers + 1,) linear layers, whose outputs are start, end and the answer types. ``forward`` returns logits
    (batch, layers + 1, ...), and as the loss the sum of all layers' losses.
    """

    has_answer_types = True

    def __init__(self, encoder: PreTrainedModel):
        super().__init__(encoder, True, padding.padding_shows(encoder), loading.is_causal(encoder))
        layers, hidden = encoder.config.num_hidden_layers + 1, encoder.config.hidden_size
        self.exits = nn.ModuleList(nn.Linear(hidden, 2 + len(ANSWER_TYPES)) for _ in range(layers)).to(encoder.dtype)

    def draw(self, seed: int) -> None:
        """Draw the heads with a seed, as BERT draws its own: the same for each layer."""
        for name, values in self.exits.named_parameters():
            nn.init.zeros_(values)
            if name.endswith("weight"):
                nn.init.normal_(values, std=0.02, generator=torch.Generator().manual_seed(seed))

    def _logits(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        examples, subtokens = inputs["input_ids"].shape
        states = self.encoder(**inputs, output_hidden_states=True).hidden_states
        loading.check_hidden_states(self.encoder, states, (examples, subtokens))
        by_layer = [head(layer).float() for head, layer in zip(self.exits, states, strict=True)]
        logits = torch.stack(by_layer, 2)  # (batch, subtokens, layers + 1, outputs)
        start, end = logits[..., :2].permute(3, 0, 2, 1)
        return {"start": start, "end": end, "answer_type": self._read_all(logits, inputs.get("attention_mask"))[..., 2:]}

    def _loss(self, logits: dict[str, torch.Tensor], targets: dict[str, torch.Tensor]) -> torch.Tensor:
        layers = len(self.exits)
        by_class = {name: values.transpose(1, 2) for name, values in logits.items()}
        return layers * super()._loss(by_class, {name: each[:, None].expand(-1, layers) for name, each in targets.items()})

    def head_state(self) -> dict[str, torch.Tensor]:
        """Return the weights of all exits."""
        return {key: value for key, value in self.state_dict().items() if key.startswith("exits.")}

    def trained_state(self) -> dict[str, torch.Tensor]:
        """Return the weights that training changes, by their names in ``state_dict``."""
        return self.head_state()

    def independent_parts(self) -> list[nn.Module]:
        """Return the heads of each layer."""
        return list(self.exits)


def initial(folder: str | Path, seed: int) -> EarlyExits:
    """Load a checkpoint's encoder, with heads to be trained. Heads of its own are left out."""
    encoder, _ = loading.load_model(AutoModel, folder, "float32")
    model = EarlyExits(encoder.eval())
    model.draw(seed)
    return model


def load(folder: str | Path, precision: str, path: str) -> EarlyExits:
    """Load a checkpoint's encoder with the heads of a file of ``training.train_early_exits``.

    Raises InputError where the file is damaged, or of another checkpoint.
    """
    encoder, _ = loading.load_model(AutoModel, folder, precision)
    model = EarlyExits(encoder.eval())
    state = joint_model.read_heads(path)
    joint_model.load_state(model, state, path)
    joint_model.check_complete(model, state, path)
    return model
