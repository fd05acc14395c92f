"""Tables in LaTeX: what they say, and that they fit a page."""

import re
import shutil

import pytest
from typeset import compiled, tables

from pairprobe.tables.latex import latex
from pairprobe.tables.layout import markdown, paragraph

PLAIN = {"before": "Pre-trained", "after": "Fine-tuned", "random": "Random weights"}
ODD = {
    "dollars": r'$5 | 100% & #1_{x} ~^\ <b>*[1] its "q"',
    "cjk": "漢字 ŁΩ→é é “z”",
    "long": "[x] averyveryveryverylonglabelwithoutanyblankatall_and_more",
    "star": "* BERT large, cased, fine-tuned on SQuAD 2.0 and then on Natural Questions, a third seed",
}


def test_a_markdown_table_becomes_latex_with_its_caption_and_alignment():
    text = f"# A_heading\n\n{paragraph('What it is, in %.')}\n" + markdown(
        ["name", "n"], [["a & b", 12], ["50 %", 3]], ["n"]
    )
    said = latex(text, "things").splitlines()
    assert [line for line in said if line.startswith("%")][-1] == "% # A_heading"
    assert said[said.index(r"\begin{table}") :] == [
        r"\begin{table}", r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
        r"\caption{What it is, in \%.}\label{tab:things}", r"\medskip", r"\begin{tabular}{@{}lr@{}}", r"\toprule",
        r"name & n \\", r"\midrule", r"a \& b & 12 \\", r"50 \% & 3 \\", r"\bottomrule", r"\end{tabular}", r"\end{table}",
    ]  # fmt: skip


def test_every_special_letter_of_latex_is_escaped_and_each_table_has_its_label():
    table = markdown(["a"], [["\\ & % $ # _ { } ~ ^ | [ *"]])
    said = latex(f"{table}\nmore\n\n{table}", "t")
    line = r"\textbackslash{} \& \% \$ \# \_ \{ \} \textasciitilde{} \textasciicircum{} \textbar{} {[} {*} \\"
    assert line in said.splitlines()
    assert said.count(r"\label{tab:t}") == said.count(r"\label{tab:t-2}") == 1


def test_what_lines_have_in_common_stands_above_them_once():
    rows = [(task, measure, name, 7) for task in ("x", "y") for measure in ("cosine", "end") for name in ("one", "two")]
    said = latex(markdown(["task", "measure", "name", "n"], rows, ["n"]), "t")
    assert re.findall(r"\\raggedright (.*?)}", said) == ["x, cosine", "x, end", "y, cosine", "y, end"]
    assert said.count("cosine") == 2
    assert said.count("one & 7") == 4


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no pdflatex on the path; on Debian: see docs/reference/files.md")
@pytest.mark.parametrize(
    ("labels", "layers", "pages"),
    [
        (PLAIN, 7, 34),
        pytest.param(PLAIN, 13, 38, marks=pytest.mark.slow),
        pytest.param(ODD, 25, 71, marks=pytest.mark.slow),
    ],
)
def test_every_table_fits_the_page(tmp_path, labels, layers, pages):
    texts = {name: latex(text, name) for name, text in tables(tmp_path, labels, layers).items()}
    log, found = compiled(tmp_path, "pdflatex", texts)
    wide = re.findall(r"Overfull \\[hv]box \((.*)pt too", log)
    assert [amount for amount in wide if float(amount) > 1] == []
    assert "Missing character" not in log
    assert found <= pages
