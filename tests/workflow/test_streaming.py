"""Two small runs of the same, one that keeps activations and one that keeps similarities: the same numbers."""

import project as projects
import pytest
import yaml

pytestmark = pytest.mark.slow
SAME = (
    "percentages.tsv", "rankings/pretrained/answer_type.tsv", "rankings/pretrained/coreference.tsv",
    "rankings/pretrained/boundary.tsv",
)  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project after both runs; their folders below results are their names."""
    folder = projects.copy_project(tmp_path_factory.mktemp("project"), projects.PAGES[:26])
    config = projects.tiny_config(projects.tiny_encoder(tmp_path_factory.mktemp("encoder")))
    del config["checkpoints"]["finetuned"]
    config["tasks"] = ["coreference", "answer_type", "boundary"]
    for keep in ("all", "similarities"):
        of_run = {**config, "run": keep, "activations": {**config.get("activations", {}), "keep": keep}}
        (folder / f"config/{keep}.yaml").write_text(yaml.safe_dump(of_run))
        projects.completed(folder, f"config/{keep}.yaml")
    return folder


def test_rankings_and_percentages_are_the_same_byte_for_byte(project):
    for name in SAME:
        stored, streamed = (project / "results" / keep / name for keep in ("all", "similarities"))
        assert streamed.read_bytes() == stored.read_bytes()
        assert streamed.read_text().count("\n") > 10


def test_the_same_examples_are_counted(project):
    stored, streamed = (project / "results" / keep / "tables/activations.tsv" for keep in ("all", "similarities"))
    assert streamed.read_bytes() == stored.read_bytes()


def test_the_explorer_shows_the_same(project):
    pages = []
    for keep in ("all", "similarities"):
        page = (project / "results" / keep / "report/explorer.html").read_text()
        for place in (f"<title>{keep} ", f'"run":"{keep}"', f"<strong>{keep}</strong>"):
            assert place in page
            page = page.replace(place, "")
        pages.append(page)
    assert pages[0] == pages[1]


def test_no_activations_are_left_and_far_less_is_kept(project):
    sizes = {
        keep: sum(path.stat().st_size for path in (project / "results" / keep).rglob("*.h5"))
        for keep in ("all", "similarities")
    }
    assert not list((project / "results/similarities/activations").rglob("*.h5"))
    assert 0 < sizes["similarities"] < sizes["all"] / 3


def test_there_is_nothing_to_do_afterwards_and_the_run_can_be_verified(project):
    assert projects.planned(project, "config/similarities.yaml") == {}
    code, said = projects.pairprobe(project, "verify", "results/similarities")
    assert code == 0, said


def planned_with(project, **changes):
    """What a dry run plans with another configuration, beside what always follows from rankings."""
    path = project / "config/similarities.yaml"
    before = path.read_text()
    path.write_text(yaml.safe_dump({**yaml.safe_load(before), **changes}))
    try:
        return projects.planned(project, "config/similarities.yaml")
    finally:
        path.write_text(before)


def test_other_words_of_paragraphs_are_measured_and_ranked_anew_and_train_no_heads(project):
    jobs = planned_with(project, words={"punctuation": True})
    assert (jobs["extract_activations"], jobs["measure_similarities"], jobs["rank_pairs"]) == (1, 1, 2)
    assert not jobs.keys() & {"train_span_heads", "rank_boundaries"}


def test_heads_are_trained_before_the_sentences_that_they_measure_are_extracted(project):
    """So that no shard is on disk longer than one is extracted and measured."""
    started = {}
    for rule in ("train_span_heads", "extract_activations"):
        for log in (project / "results/similarities/logs" / rule).glob("*.log"):
            started[log.stem] = log.stat().st_mtime
    assert started["pretrained"] < started["pretrained.sentence.probe-1of1"]


def test_a_changed_set_needs_its_view_s_activations_again_and_trains_no_heads(project):
    module = project / "workflow/pairprobe/probing_sets/tasks/coreference.py"
    before = module.read_text()
    module.write_text(before + "\nEDITED = True\n")
    try:
        jobs = projects.planned(project, "config/similarities.yaml")
    finally:
        module.write_text(before)
    assert (jobs["build_probing_set"], jobs["extract_activations"], jobs["measure_similarities"]) == (1, 1, 1)
    assert jobs["rank_pairs"] == 2
    assert not jobs.keys() & {"train_span_heads", "rank_boundaries"}
