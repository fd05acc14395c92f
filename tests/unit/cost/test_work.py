"""The work and the cost of configurations: windows by brute force, published numbers, the demo's real counts."""

import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pairprobe.configuration.checks import resolve
from pairprobe.configuration.schema import read_schema
from pairprobe.configuration.sharding import ESTIMATES, QUESTION, SPECIAL, Estimates, count_windows
from pairprobe.cost import rates, report, work
from pairprobe.cost.rates import GPU, GPUS, REFERENCE, Encoder, Machine
from pairprobe.cost.work import ANSWERING, EXTRACTION, HEADS, RANKING, READING, STAGES, TUNING, Work, count_trained
from pairprobe.errors import InputError
from pairprobe.finetuning import frozen_features

CONFIGS = Path(__file__).parents[3] / "config"
SCHEMA = read_schema(str(report.SCHEMA))
NAMES = ("config", "controls", "nq-dev", "paper", "squad")
NQ = ESTIMATES["natural_questions"]
# Alberti et al. (2019): their settings, and the number of windows in the file of precomputed training windows that they
# published, of the whole train set.
JOINT_BASELINE, PUBLISHED = {"max_length": 512, "stride": 128, "unanswered": 0.02}, 494_670

# Whole titles are drawn: the shares of the demo's 767 questions that its partitions have, where 0.5, 0.2 and 0.3 are asked.
DRAWN = {"finetune": 378 / 767, "head": 184 / 767, "probe": 205 / 767}


def of(name, machine=REFERENCE, **changes):
    """Return the work of a configuration with other values; a key is ``section__key``."""
    config = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())
    for key, value in copy.deepcopy(changes).items():
        section, _, inner = key.partition("__")
        if inner:
            config.setdefault(section, {})[inner] = value
        else:
            config[section] = value
    return Work(resolve(config, SCHEMA), machine)


def seconds(found, stage):
    return sum(job.seconds for job in found.jobs if job.stage == stage)


def windows(page, room, stride):
    """Cut a page as it is defined: windows begin ``stride`` apart until one reaches the page's end."""
    cut = []
    for start in range(0, page, stride):
        cut.append(range(start, min(start + room, page)))
        if cut[-1].stop == page:
            break
    return cut


# Windows.


def test_a_page_has_as_many_windows_as_are_cut():
    for page in (*range(1, 30), 100):
        for room, stride in ((5, 1), (8, 3), (13, 5), (13, 13)):
            assert count_windows(page, room, stride) == len(windows(page, room, stride))


@pytest.mark.parametrize(("page", "stride"), [(400, 50), (160, 30), (90, 100), (1000, 128)])
def test_the_windows_with_the_answer_are_counted_over_all_its_places(page, stride):
    """A quarter of the answers are long; half of all are in the first paragraph, the others anywhere."""
    source, room = Estimates(1, 0.8, 1, 0.25, 0.5, (1, 1, 1), (1, 1), 1, (page, page), 1, 1), 200
    cut = windows(page, room, stride)

    def mean(length, end):
        places = range(max(1, end - length + 1))
        return sum(sum(w.start <= i and i + length <= w.stop for w in cut) for i in places) / len(places)

    held = 0.8 * sum(
        0.5 * share * mean(length, end)
        for length, share in ((work.SHORT_ANSWER, 0.75), (work.LONG_ANSWER, 0.25))
        for end in (min(work.LONG_ANSWER, page), page)
    )
    settings = {"max_length": room + QUESTION + SPECIAL, "stride": stride}
    assert count_trained(source, page, {**settings, "unanswered": 0}) == pytest.approx(held)
    assert count_trained(source, page, {**settings, "unanswered": 1}) == pytest.approx(len(cut))


def test_the_windows_are_those_that_the_joint_baseline_counts():
    assert count_windows(NQ.read[0], 512 - QUESTION - SPECIAL, 128) == 30
    assert 307373 * count_trained(NQ, NQ.read[0], JOINT_BASELINE) == pytest.approx(PUBLISHED, rel=0.12)


# Encoders and machines.


def test_the_shape_of_bert_base_is_that_of_the_model():
    import torch
    from transformers import BertConfig, BertModel

    with torch.device("meta"):  # shapes alone
        model, bert = BertModel(BertConfig()), Encoder()
    matrices = sum(each.numel() for name, each in model.encoder.named_parameters() if each.dim() == 2)
    assert bert.weights == matrices
    assert bert.size == pytest.approx(4 * sum(each.numel() for each in model.parameters()), rel=0.01)


def test_the_operations_of_a_forward_pass_are_those_of_its_matrix_products():
    """Counted from the shapes: four projections, the two layers of the feed-forward network, scores and sums."""
    layer = 2 * (4 * 768 * 768 + 2 * 768 * 4 * 768) + 2 * 2 * 512 * 768
    assert Encoder().flops(512) == 12 * layer


def test_the_shape_of_an_encoder_at_hand_is_read_and_others_are_bert_base():
    assert set(of("config").shapes.values()) == {Encoder(6, 384, 1536, 30522)}
    assert set(of("squad").shapes.values()) == {Encoder()}


def test_the_shape_of_distilbert_is_read_by_its_own_keys(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"n_layers": 6, "dim": 48, "hidden_dim": 96, "vocab_size": 119547}))
    assert Encoder.read(tmp_path) == Encoder(6, 48, 96, 119547)


@pytest.mark.parametrize("text", ["{", "[]", '{"hidden_size": "768"}', '{"dim": 0}'])
def test_a_broken_description_of_a_checkpoint_is_named(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InputError) as error:
        of("squad", checkpoints={"a": {"source": "path", "path": str(tmp_path)}})
    assert str(error.value).startswith(f"{tmp_path}/config.json: ")


@pytest.mark.parametrize("kind", rates.MEASURED)
def test_bert_base_is_as_fast_on_two_cores_as_was_measured(kind):
    rate, length = rates.MEASURED[kind]
    assert REFERENCE.flops(kind, "bfloat16", 2) / Encoder().flops(length) == pytest.approx(rate)
    assert REFERENCE.flops(kind, "auto", 2) == REFERENCE.flops(kind, "bfloat16", 2)
    assert REFERENCE.flops(kind, "auto", 1) == REFERENCE.flops(kind, "auto", 8) / 2


# Of a core that multiplied at these rates; one thread, in processor time. The model was fitted to the first three.
MINILM = Encoder(6, 384, 1536, 30522)
XEON = Machine("Xeon", "", 2, products=(("bfloat16", 1190e9), ("float32", 150e9)))


@pytest.mark.parametrize(
    ("shape", "windows", "length", "precision", "measured"),
    [
        (Encoder(), 2, 128, "bfloat16", 0.791),
        (Encoder(), 8, 128, "bfloat16", 1.773),
        (Encoder(), 8, 383, "bfloat16", 6.672),
        (Encoder(), 4, 383, "float32", 9.600),
        (MINILM, 8, 126, "bfloat16", 0.489),
        (MINILM, 8, 126, "float32", 0.872),
        (MINILM, 8, 456, "bfloat16", 2.660),
    ],
)
def test_a_step_of_training_takes_as_long_as_was_measured(shape, windows, length, precision, measured):
    assert XEON.training(shape, windows, length, 1, precision, 1) == pytest.approx(measured, rel=0.2)


def test_a_training_of_two_threads_takes_half_and_one_of_a_faster_core_less():
    work = Encoder(), 100, 384, 12.5, "bfloat16"
    assert XEON.training(*work, 2) == XEON.training(*work, 1) / 2 == XEON.training(*work, 8)
    faster = replace(XEON, products=(("bfloat16", 1190e9), ("float32", 300e9)))
    assert XEON.training(*work, 1) / 2 < faster.training(*work, 1) < XEON.training(*work, 1)
    assert GPU.training(*work, 2) == pytest.approx(3 * 100 * 384 * Encoder().flops(384) / (0.35 * 312e12))


def test_auto_is_the_faster_type():
    machine = Machine("slow in bfloat16", "", 2, speed=(("bfloat16", 0.2), ("float32", 0.4)))
    assert machine.flops("answering", "auto", 1) == machine.flops("answering", "float32", 1)


@pytest.mark.slow
def test_this_machine_is_measured():
    here = rates.this_machine()
    assert here.cores >= 1
    assert all(share > 0 for _, share in (*here.speed, *here.products))
    assert dict(here.products).keys() == dict(here.speed).keys() == dict(REFERENCE.speed).keys()


@pytest.mark.parametrize("name", NAMES)
def test_eight_gpus_are_never_slower_than_one_in_any_stage_or_in_all(name):
    one, eight = of(name, GPU), of(name, GPUS)
    for stage in (*STAGES, None):
        assert report.seconds_of(eight, stage) <= report.seconds_of(one, stage)


def test_a_gpu_is_faster_than_two_cores_wherever_a_model_runs():
    cpu, gpu = of("paper"), of("paper", GPU)
    assert all(seconds(gpu, stage) < seconds(cpu, stage) / 3 for stage in (TUNING, HEADS, EXTRACTION, ANSWERING))


# Configurations.


def test_the_disk_of_activations_is_words_times_layers_times_width_times_bytes():
    """The demo's stores hold 24,082 + 4,955 + 5,751 words for each of four checkpoints, in 187,118,804 bytes."""
    real = 24_082 + 4_955 + 5_751
    assert real * 7 * 384 * 2 == pytest.approx(187_118_804, rel=0.001)
    found = of("config", partitions=DRAWN)
    words = sum(words for *_, words in found.views.values())
    assert found.disk()[EXTRACTION] == pytest.approx(4 * words * 7 * 384 * 2)
    assert words == pytest.approx(real, rel=0.1)
    assert of("config", partitions=DRAWN, activations__storage="float32").disk()[EXTRACTION] == 2 * found.disk()[EXTRACTION]
    assert of("config", activations__keep="similarities").disk()[EXTRACTION] == 0


def test_a_last_layer_that_is_left_out_takes_no_disk():
    whole, short = of("config").disk(), of("config", activations__last_layer=False).disk()
    for stage in (EXTRACTION, RANKING):
        assert short[stage] == pytest.approx(whole[stage] * 6 / 7)


def test_extraction_on_a_gpu_is_bounded_by_what_a_job_writes():
    found = of("config", GPU)
    written = found.disk()[EXTRACTION] / rates.WRITTEN
    assert seconds(found, EXTRACTION) == pytest.approx(written + rates.START_MODEL * 3 * 4)


def test_the_disk_of_similarities_is_two_numbers_a_row_and_layer():
    """A pair's rows are its match and the words of question and paragraph, in float32; a boundary's are in float64.

    The demo's files have 2,502,955 and 517,379 bytes for each of four checkpoints.
    """
    real = 4 * (2_502_955 + 517_379)
    assert of("config", partitions=DRAWN).disk()[RANKING] == pytest.approx(real, rel=0.1)
    means, found, without = ESTIMATES["bundled"], of("config"), of("config", tasks=["synonyms"])
    rows = {each: each.pairs * (1 + means.words[0] + means.words[1]) for each in (found, without)}
    sentences = found.views["sentence", "probe"][0] * means.words[2]
    assert found.disk()[RANKING] == pytest.approx(4 * 7 * (8 * rows[found] + 16 * sentences))
    assert without.disk()[RANKING] == pytest.approx(4 * 7 * 8 * rows[without])


def test_the_counts_of_the_demo_are_near_its_real_ones():
    """Of its tables and logs: examples, pairs, windows to train on, questions and their windows."""
    found = of("config", partitions=DRAWN)
    assert found.examples == pytest.approx(193, rel=0.1)
    assert found.pairs == pytest.approx(39 + 73 + 66 + 167, rel=0.1)
    assert found.trained == pytest.approx(976, rel=0.2)
    assert found.asked == pytest.approx(205, rel=0.1)
    assert found.answered == pytest.approx(1123, rel=0.1)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.01, 1), st.floats(0.01, 1))
def test_more_questions_never_take_less(one, other):
    less, more = (of("squad", data={"source": "squad", "sample": share}) for share in sorted((one, other)))
    for stage in STAGES:
        assert seconds(less, stage) <= seconds(more, stage) + 1e-9
        assert less.disk()[stage] <= more.disk()[stage]


def test_twice_the_epochs_take_twice_the_training():
    once, twice = of("paper", finetuning__epochs=1), of("paper", finetuning__epochs=2)
    changed = {stage for stage in STAGES if seconds(once, stage) != seconds(twice, stage)}
    assert changed == {TUNING, HEADS}
    longest = [max(job.seconds for job in each.jobs if job.stage == TUNING) - rates.START_MODEL for each in (once, twice)]
    assert longest[1] == pytest.approx(2 * longest[0])


def test_what_a_frozen_encoder_gives_is_kept_where_it_fits_and_several_epochs_read_it():
    """(Subtokens + 1) x width x bytes for each window; read in each epoch, in place of another pass."""
    assert work.FROZEN_BYTES == frozen_features.MAX_BYTES
    once, twice, more = (of("config", finetuning__epochs=number) for number in (1, 2, 3))
    assert once.disk()[HEADS] == 0
    assert twice.disk()[HEADS] == more.disk()[HEADS] == pytest.approx(twice.trained * 129 * 384 * 2)
    assert of("config", finetuning__precision="float32").disk()[HEADS] == 2 * twice.disk()[HEADS]
    read = once.trained * 128 / rates.FROZEN
    assert seconds(twice, HEADS) - seconds(once, HEADS) == pytest.approx(2 * read)
    assert seconds(more, HEADS) - seconds(twice, HEADS) == pytest.approx(read)
    # Too large to be kept: another pass in each epoch.
    once, twice = (of("paper", finetuning__epochs=number) for number in (1, 2))
    longest = [max(job.seconds for job in each.jobs if job.stage == HEADS) - rates.START_MODEL for each in (once, twice)]
    assert longest[1] == pytest.approx(2 * longest[0])
    assert twice.disk()[HEADS] == 0


def test_without_training_there_is_no_stage_that_trains():
    found = of("nq-dev")
    assert TUNING not in found.memory()
    assert len([job for job in found.jobs if job.stage == HEADS]) == 2  # the boundary heads
    assert HEADS not in of("nq-dev", tasks=["synonyms"]).memory()


def test_seeds_are_trained_each_and_side_by_side_on_eight_gpus():
    checkpoints = yaml.safe_load((CONFIGS / "paper.yaml").read_text())["checkpoints"]
    checkpoints["finetuned"]["seeds"] = list(range(8))
    one, eight = of("paper", GPU, checkpoints=checkpoints), of("paper", GPUS, checkpoints=checkpoints)
    assert len(one.shapes) == 9
    assert report.seconds_of(one, TUNING) > 5 * report.seconds_of(eight, TUNING)


def test_windows_are_cut_once_for_each_tokenizer():
    """A fine-tuned checkpoint and a random twin have the tokenizer of what they are made from."""
    found = of("controls")
    assert len([job for job in found.jobs if job.stage == TUNING]) == found.run.shards["features",] + 1
    assert len(found.shapes) == 3


def test_a_training_that_starts_from_random_weights_has_the_shape_and_windows_of_the_fetched_checkpoint():
    checkpoints = yaml.safe_load((CONFIGS / "config.yaml").read_text())["checkpoints"]
    checkpoints["twin"] = {"source": "random", "start": "pretrained"}
    checkpoints["finetuned"] = {"source": "finetune", "start": "twin"}
    found = of("config", checkpoints=checkpoints)
    assert set(found.shapes.values()) == {Encoder(6, 384, 1536, 30522)}
    trained = [job for job in found.jobs if job.stage == TUNING]
    assert len(trained) == found.run.shards["features",] + 1
    # It waits for the random weights, and these for the fetched ones.
    (twin,) = (found.jobs[i] for i in trained[-1].needs if found.jobs[i].stage == READING)
    (fetched,) = (found.jobs[i] for i in twin.needs)
    assert fetched.needs == ()


@pytest.mark.parametrize("name", NAMES)
def test_there_is_a_job_for_each_shard(name):
    found = of(name)
    wanted = sum(found.run.shards["activations", *key] for key in found.views) * len(found.shapes)
    assert sum(job.stage == EXTRACTION for job in found.jobs) == wanted
    assert sum(job.stage == ANSWERING for job in found.jobs) == found.run.shards["predictions",] * len(found.shapes)
    assert sum(job.stage == READING for job in found.jobs) > len(found.files)


def test_files_at_hand_are_not_downloaded(tmp_path):
    file = tmp_path / "dev.json"
    file.write_bytes(bytes(3_450_000))
    found = of("squad", data={"source": "squad", "files": [str(file)]})
    assert sum(found.questions.values()) == pytest.approx(10_000)
    assert found.disk()[READING] < of("squad").disk()[READING] + 5e6


def test_the_memory_of_bert_base_is_that_of_its_jobs():
    """Measured: 1.6 GB where 16 windows of 512 subtokens are answered, 1 GB in extraction, 1.2 GB for heads."""
    found = of("paper").memory()
    assert found[HEADS] == pytest.approx(1.18e9, rel=0.05)
    assert found[ANSWERING] == pytest.approx(1.6e9, rel=0.05)
    assert found[EXTRACTION] == pytest.approx(1e9, rel=0.05)


@pytest.mark.parametrize(
    ("precision", "length", "measured"),
    [("bfloat16", 512, 5.09e9), ("bfloat16", 384, 4.25e9), ("bfloat16", 128, 3.03e9), ("float32", 384, 6.43e9)],
)
def test_the_memory_of_a_training_of_bert_base_is_that_of_a_process_with_two_threads(precision, length, measured):
    found = of("paper", finetuning__precision=precision, finetuning__max_length=length, finetuning__stride=100)
    assert found.memory()[TUNING] == pytest.approx(measured, rel=0.05)


def test_the_memory_of_a_training_follows_the_windows_at_once_and_the_threads():
    def memory(**changes):
        return of("paper", **{f"finetuning__{key}": value for key, value in changes.items()}).memory()[TUNING]

    assert memory(batch_size=16) > memory(batch_size=16, device_batch_size=8) > memory(batch_size=8)
    # With short windows the gradients are the most: another thread's are there besides.
    few = {"batch_size": 8, "max_length": 64, "stride": 40}
    bert = Encoder()
    assert memory(**few, threads=3) - memory(**few, threads=2) == pytest.approx(2 * bert.weights + 4 * bert.embeddings)


@pytest.mark.parametrize(("precision", "measured"), [("bfloat16", 1.12e9), ("float32", 1.17e9)])
def test_the_memory_of_the_demos_training_is_that_of_a_process_with_one_thread(precision, measured):
    assert of("config", finetuning__precision=precision).memory()[TUNING] == pytest.approx(measured, rel=0.07)


def test_the_papers_run_is_on_the_dev_set_and_trains_on_the_train_set():
    found = of("paper")
    assert {name: round(number) for name, number in found.questions.items()} == {
        "finetune": round(307_373 * 6 / 7),
        "head": round(307_373 / 7),
        "probe": 7_830,
    }
    assert {file.partitions for file in found.run.files.values()} == {("finetune", "head"), ("probe",)}


def test_heads_on_each_layer_take_a_pass_an_epoch_for_each_checkpoint_and_answers_once_more():
    shared = {"finetuning__epochs": 3, "tasks": ["synonyms"]}
    plain, found = of("config", **shared), of("config", **shared, functional=["early_exit"])
    assert len(found.jobs) == len(plain.jobs) + 2 * 4
    assert seconds(found, ANSWERING) == pytest.approx(2 * seconds(plain, ANSWERING))
    # The pre-trained checkpoint's own heads read what one pass has made; those of four checkpoints make three passes.
    read = plain.trained * plain.train_length * 3 / rates.FROZEN
    one = seconds(plain, HEADS) - rates.START_MODEL - read
    assert seconds(found, HEADS) - seconds(plain, HEADS) == pytest.approx(4 * (rates.START_MODEL + 3 * one))


def test_grafts_take_half_an_evaluation_for_each_layer_and_way_of_each_checkpoint_that_was_made_of_another():
    plain, both, reset = (of("config", functional=ways) for ways in ([], ["graft", "reset"], ["reset"]))
    one = seconds(plain, ANSWERING) / 4 - rates.START_MODEL
    for found, ways in ((both, 3), (reset, 1)):
        assert seconds(found, ANSWERING) - seconds(plain, ANSWERING) == pytest.approx(
            3 * (rates.START_MODEL + ways * 6 * one / 2)
        )
        assert len(found.jobs) == len(plain.jobs) + 3
    # Each waits for its own checkpoint and for the one before.
    grafts = [job for job in both.jobs if job.stage == ANSWERING and len(job.needs) == 3]
    made = [{both.jobs[i].stage for i in job.needs} for job in grafts]
    assert made.count({READING, TUNING}) == 3


@pytest.mark.slow
def test_a_step_that_is_kept_is_made_probed_and_answers_but_step_0_which_is_probed_already():
    """Of five points the last is the trained checkpoint."""
    plain, found = of("config"), of("config", finetuning__keep_steps=5)
    trained, probed, answering = 3, 3 * 3, 3 * 4
    assert seconds(found, TUNING) - seconds(plain, TUNING) == pytest.approx(answering * rates.START_MODEL)
    assert seconds(found, EXTRACTION) == pytest.approx(seconds(plain, EXTRACTION) * (4 + probed) / 4)
    assert seconds(found, RANKING) == pytest.approx(seconds(plain, RANKING) * (4 + probed) / 4)
    assert seconds(found, ANSWERING) == pytest.approx(seconds(plain, ANSWERING) * (4 + answering) / 4)
    assert found.disk()[TUNING] - plain.disk()[TUNING] == pytest.approx(answering * Encoder(6, 384, 1536, 30522).size)
    assert found.disk()[EXTRACTION] == pytest.approx(plain.disk()[EXTRACTION] * (1 + trained + probed) / 4)
    assert "4 checkpoints and 12 steps that are kept (" in report.summary(found)[1]


def test_what_is_trained_to_do_other_than_answer_gets_heads_of_its_own(tmp_path):
    checkpoints = yaml.safe_load((CONFIGS / "config.yaml").read_text())["checkpoints"]
    masked = {"source": "finetune", "start": "pretrained", "objective": "masked_language_model"}
    shuffled = {**masked, "objective": "shuffled_answers"}
    plain, control, other = (
        of("config", tasks=["synonyms"], checkpoints={**checkpoints, **more})
        for more in ({}, {"control": shuffled}, {"masked": masked})
    )
    assert seconds(control, HEADS) == seconds(plain, HEADS)
    assert seconds(other, HEADS) == pytest.approx(2 * seconds(plain, HEADS))


def test_a_classifier_trains_on_the_texts_of_its_table_and_labels_some(tmp_path):
    checkpoints = yaml.safe_load((CONFIGS / "config.yaml").read_text())["checkpoints"]
    labelled = {"source": "finetune", "start": "pretrained", "objective": "sequence_classification"}

    def cost(texts):
        table = tmp_path / f"{texts}.tsv"
        table.write_text("text\tlabel\n" + ("x" * 237 + "\ta\n") * texts)
        return of("config", checkpoints={**checkpoints, "labelled": {**labelled, "table": str(table)}})

    plain, few, many = of("config"), cost(1000), cost(3000)
    starts, one, three = rates.START_MODEL, *(seconds(found, TUNING) - seconds(plain, TUNING) for found in (few, many))
    assert (three - starts) / (one - starts) == pytest.approx(3, rel=0.01)
    assert sum(job.stage == ANSWERING for job in few.jobs) == 4 + 2
    assert report.summary(few)[1] == "Files of pairs and tables: a pair or text of 240 characters is assumed"
