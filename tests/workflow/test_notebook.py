"""The notebook in docs/ runs from its first cell to its last, and shows what it has stored.

After a change of it: ``python tests/workflow/test_notebook.py`` runs it and stores what comes out.
"""

import os
import re
import tempfile
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "docs" / "how-to" / "notebook.ipynb"
NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
# Kinds of processors shift a percentage of fifty pairs by no more, in points.
TOLERANCE = 2.0


def executed(home: str | Path) -> nbformat.NotebookNode:
    """Return the notebook with the outputs that it has here. home: for all that its kernel writes, even if it is killed."""
    notebook = nbformat.read(NOTEBOOK, 4)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "TMPDIR", "XDG_CACHE_HOME"):
            patch.setenv(name, str(home))
        patch.setenv("HF_HUB_OFFLINE", "1")
        notebook = NotebookClient(
            notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(NOTEBOOK.parent)}}
        ).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # the time of day
        # Warnings of what a machine lacks, such as Jupyter's widgets.
        cell["outputs"] = [one for one in cell.get("outputs", []) if one.get("name") != "stderr"]
        if cell.cell_type != "code":
            del cell["outputs"]
    return notebook


def outputs(notebook):
    """Yield each cell's number, tags, and the kinds of data that it shows."""
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            yield number, cell.metadata.get("tags", []), output


def masked(text: str, verdicts: bool) -> str:
    """Return text without its numbers, and without what their widths change; of verdicts the claims alone."""
    if verdicts:
        text = "\n".join(line.split("|")[1] for line in text.splitlines() if line.startswith("|"))
    return re.sub(r"[\s-]+", " ", NUMBER.sub("#", text))


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return executed(tmp_path_factory.mktemp("jupyter"))


@pytest.mark.slow
def test_it_shows_what_it_has_stored(found):
    stored, here = list(outputs(nbformat.read(NOTEBOOK, 4))), list(outputs(found))
    assert len(stored) == len(here) > 3
    for (number, tags, wanted), (_, _, output) in zip(stored, here, strict=True):
        where = f"cell {number}: run python {os.path.relpath(__file__)} after a change of the notebook"
        assert output.output_type == wanted.output_type != "error", where
        assert output.get("data", {}).keys() == wanted.get("data", {}).keys(), where
        for kind in ("text/plain", "text/markdown"):
            texts = [each.get("data", {}).get(kind, "") for each in (output, wanted)]
            assert len({masked(text, "verdicts" in tags) for text in texts}) == 1, where
            if "percentages" in tags:
                numbers = [[float(one.replace(",", "")) for one in NUMBER.findall(text)] for text in texts]
                assert numbers[0] == pytest.approx(numbers[1], abs=TOLERANCE), where


def test_its_cells_are_numbered_and_its_outputs_are_small():
    notebook = nbformat.read(NOTEBOOK, 4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [*range(1, len(code) + 1)]
    assert sum("image/png" in output.get("data", {}) for _, _, output in outputs(notebook)) >= 2
    assert NOTEBOOK.stat().st_size < 300_000


def test_what_it_has_stored_holds_no_path_of_a_machine_and_no_warning():
    for number, _, output in outputs(nbformat.read(NOTEBOOK, 4)):
        assert output.get("name") != "stderr", f"cell {number}"
        shown = "".join(text for kind, text in output.get("data", {}).items() if kind.startswith("text/"))
        shown += output.get("text", "")
        assert not re.search(r"(?<![\w.<])(/\w+){2}|[A-Z]:\\", shown), f"cell {number}"
        assert "Warning" not in shown, f"cell {number}"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        nbformat.write(executed(folder), NOTEBOOK)
