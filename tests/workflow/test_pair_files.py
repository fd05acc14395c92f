"""Runs with files of pairs: planned without data, made to the end, and a change of one file makes its own chain again."""

import json

import pytest
import yaml
from project import PAGES, completed, copy_project, pairprobe, planned, snakemake, tiny_config, tiny_encoder

from pairprobe.io.tsv import read_tsv

CONFIG, RESULTS = "config/mine.yaml", "results/mine"
TEXTS = ["text\tanchor\tmatch\tgroup"] + [
    f"The {one} {thing} stood beside a {other} {thing} of the town.\t{one}\t{other}\t{one}"
    for one, other in (("old", "new"), ("large", "small"), ("hot", "cold"))
    for thing in ("house", "car", "pot")
]
ASKED = [
    {"question": f"who saw the {thing}?", "passage": f"Later {who} saw a {thing} in Rome.", "anchor": "who", "match": who}
    for thing, who in (("house", "Ann Lee"), ("car", "Bob"), ("pot", "Carla"))
]
PER_TASK = {"rank_pairs": 2, "draw_panel": 2}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project with two files of pairs, and a configuration of these alone."""
    folder = copy_project(tmp_path_factory.mktemp("project"), PAGES[:26])
    (folder / "texts.tsv").write_text("\n".join(TEXTS) + "\n")
    (folder / "asked.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ASKED))
    encoder = str(tiny_encoder(tmp_path_factory.mktemp("encoder")))
    checkpoints = {"pretrained": {"source": "path", "path": encoder}, "twin": {"source": "random", "start": "pretrained"}}
    tasks = [{"name": "opposites", "pairs": "texts.tsv"}, {"name": "asked", "pairs": "asked.jsonl"}]
    config = {"run": "mine", "tasks": tasks, "checkpoints": checkpoints, "figures": {"labels": {"opposites": "Opposite"}}}
    (folder / CONFIG).write_text(yaml.safe_dump(config))
    return folder


@pytest.mark.slow
def test_a_run_of_files_alone_plans_nothing_that_needs_data(project):
    jobs = planned(project, CONFIG)
    assert jobs["read_pair_file"] == 2
    assert jobs["extract_activations"] == jobs["measure_similarities"] == jobs["rank_pairs"] == 4
    told = "partition read_questions prepare_wordnet collect_gold score_baselines predict_answers build_probing_set train"
    assert not [name for name in jobs if name.startswith(tuple(told.split()))]


@pytest.mark.slow
def test_beside_data_files_of_pairs_add_their_own_jobs_alone(project):
    config = tiny_config(project)
    alone = project / "config" / "alone.yaml"
    alone.write_text(yaml.safe_dump(config))
    both = project / "config" / "both.yaml"
    both.write_text(yaml.safe_dump(config | {"tasks": [*config.get("tasks", []), {"name": "mine", "pairs": "texts.tsv"}]}))
    without = planned(project, "config/alone.yaml")
    more = planned(project, "config/both.yaml")
    added = {name: count - without.get(name, 0) for name, count in more.items() if count != without.get(name, 0)}
    assert added == {"read_pair_file": 1, "extract_activations": 2, "measure_similarities": 2, **PER_TASK}


@pytest.mark.slow
def test_a_bad_file_of_pairs_stops_with_its_faults(project):
    (project / "bad.tsv").write_text("\n".join([*TEXTS, "one two one\tone\ttwo\tx"]) + "\n")
    config = yaml.safe_load((project / CONFIG).read_text())
    (project / "config" / "bad.yaml").write_text(yaml.safe_dump(config | {"tasks": [{"name": "bad", "pairs": "bad.tsv"}]}))
    run = snakemake(project, "config/bad.yaml", "--", "results/mine/probing_sets/bad.jsonl")
    assert run.returncode
    assert "line 11, column anchor: 'one' occurs 2 times in text, at characters 0, 8." in run.stdout + run.stderr


@pytest.mark.slow
class TestTheWholeRun:
    """What a run of files alone makes."""

    @pytest.fixture(scope="class")
    def results(self, project):
        completed(project, CONFIG)
        return project / RESULTS

    def test_it_has_every_table_and_the_explorer(self, results):
        rows = read_tsv(results / "percentages.tsv")
        assert {(row["checkpoint"], row["task"], row["pairs"]) for row in rows} == {
            (name, task, pairs) for name in ("pretrained", "twin") for task, pairs in (("opposites", "9"), ("asked", "3"))
        }
        intervals = read_tsv(results / "tables" / "intervals.tsv")
        assert {row["pages"] for row in intervals if row["task"] == "opposites"} == {"3"}
        assert {row["view"] for row in read_tsv(results / "tables" / "activations.tsv")} == {"text", "paragraph"}
        assert "| Opposite " in (results / "tables" / "percentages.md").read_text()
        assert (results / "report" / "explorer.html").stat().st_size > 10**6
        assert (results / "figures" / "specific.svg").exists()

    def test_it_is_verified_and_explained_down_to_the_file(self, project, results):
        assert pairprobe(project, "verify", RESULTS)[0] == 0
        number = ["--task", "opposites", "--measure", "cosine", "--checkpoint", "twin", "--layer", "1", "--all"]
        status, said = pairprobe(project, "explain", RESULTS, *number)
        assert status == 0
        assert "texts.tsv" in said
        assert "hot -> cold" in said

    def test_a_changed_file_makes_its_own_chain_again_and_no_other(self, project, results):
        assert planned(project, CONFIG) == {}
        (project / "texts.tsv").write_text("\n".join(TEXTS[:-1]) + "\n")
        again = planned(project, CONFIG, "--", f"{RESULTS}/percentages.tsv")
        chain = {"read_pair_file": 1, "extract_activations": 2, "measure_similarities": 2, "rank_pairs": 2}
        assert again == {**chain, "summarise_percentages": 1}
