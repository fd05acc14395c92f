"""How much disk a word takes, by the type that its vectors are stored in."""

import tempfile
from pathlib import Path

import numpy as np
import yaml

from pairprobe.activations.store import Activations, summary
from pairprobe.tables.layout import markdown
from suite import corpus, encoders, tasks
from suite.settings import Settings, project

EXAMPLES, QUICK = 64, 16
MEASURED = "similarities of the pairs alone"


def storages() -> list[str]:
    """Return the types that the configuration's schema allows for the store."""
    schema = yaml.safe_load((project() / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8"))
    return schema["properties"]["activations"]["properties"]["storage"]["enum"]


def measure(settings: Settings) -> dict:
    """Store the same vectors in each type, and measure the files and what was rounded."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        examples = corpus.read(settings, folder)[: settings.size(EXAMPLES, QUICK)]
        file = corpus.write(folder / "examples.jsonl.gz", examples)
        loaded = encoders.Loaded(encoders.minilm(folder), "float32")
        paths = {storage: folder / f"{storage}.h5" for storage in storages()}
        for storage, path in paths.items():
            loaded.extract(file, path, storage=storage)
        words = summary(str(paths["float32"]))["words"]
        measured = tasks.measure_all(tasks.build_sets(file, folder), paths["float32"], folder)
        with Activations([str(paths["float32"])]) as exact:
            layers, hidden = exact.shape
            rounded = {storage: _rounded(exact, path) for storage, path in paths.items()}
        sizes = {storage: path.stat().st_size for storage, path in paths.items()}
        sizes[MEASURED] = measured.stat().st_size
        return {"words": words, "layers": layers, "hidden": hidden, "bytes": sizes, "rounded": rounded}


def _rounded(exact: Activations, path: Path) -> float:
    """Return how far a vector lies from the exact one, as a share of its length: the largest of all words and layers."""
    furthest = 0.0
    with Activations([str(path)]) as found:
        for name in exact.names():
            one, other = (np.concatenate(each[name], axis=1) for each in (exact, found))
            apart = np.linalg.norm(other - one, axis=-1) / np.linalg.norm(one, axis=-1)
            furthest = max(furthest, float(np.nanmax(apart)))
    return furthest


def tell(found: dict) -> list[str]:
    """Return what was found, in Markdown."""
    words, whole = found["words"], found["bytes"]["float32"]
    vectors = found["layers"] * found["hidden"]
    rows = [
        (
            f"`{storage}`" if storage in found["rounded"] else storage,
            f"{size / words:,.0f}",
            f"{size / words / vectors:.3f}" if storage in found["rounded"] else "",
            f"{size / whole:.3f}",
            f"{found['rounded'][storage]:.1g}" if storage in found["rounded"] else "",
        )
        for storage, size in found["bytes"].items()
    ]
    fields = ("storage", "bytes a word", "bytes a number", "of float32", "furthest vector")
    return [
        f"{words:,} words, {found['layers']} layers, {found['hidden']} wide; whole files. The furthest vector: its "
        "distance from the one in float32, as a share of its length.",
        "",
        *markdown(fields, rows, fields[1:]).splitlines(),
    ]
