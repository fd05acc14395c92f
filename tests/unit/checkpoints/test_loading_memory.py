"""A large checkpoint is loaded, and made faster, in the memory of its weights: there is no second copy of them."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import transformers

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="wants Linux's /proc"),
    pytest.mark.slow,
]
# Prints the most memory, in megabytes, that was taken beyond what the imports take; pages of files, which the system may
# drop at any time, do not count.
LOAD = """
import sys, threading
from pathlib import Path
from transformers import AutoModel
from pairprobe.checkpoints import cpu_kernels, loading
def taken():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon"))
def watch():
    while not done.wait(0.002):
        found.append(taken())
loading.load_config(sys.argv[1])
AutoModel._model_mapping[type(loading.load_config(sys.argv[1]))]
before, found, done = taken(), [0], threading.Event()
thread = threading.Thread(target=watch)
thread.start()
model = loading.load_encoder(sys.argv[1], sys.argv[2])
cpu_kernels.speed_up(model)
done.set()
thread.join()
print(max(found) - before)
"""
PARAMETERS = 145_753_088


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A Llama of 292 megabytes of bfloat16, in five shards."""
    folder = tmp_path_factory.mktemp("llama")
    shape = {"hidden_size": 1024, "num_hidden_layers": 12, "num_attention_heads": 16, "num_key_value_heads": 4}
    config = transformers.LlamaConfig(vocab_size=1000, intermediate_size=3072, **shape)
    model = transformers.LlamaModel(config).to(torch.bfloat16)
    assert sum(weights.numel() for weights in model.parameters()) == PARAMETERS
    model.save_pretrained(folder, max_shard_size="64MB")
    assert len(list(folder.glob("*.safetensors"))) == 5
    return folder


@pytest.mark.parametrize(("precision", "size"), [("bfloat16", 2), ("float32", 4)])
def test_weights_in_shards_are_loaded_without_a_second_copy(folder, precision, size):
    said = subprocess.run([sys.executable, "-c", LOAD, folder, precision], capture_output=True, text=True, check=True)
    assert float(said.stdout) < 1.25 * size * PARAMETERS / 2**20
