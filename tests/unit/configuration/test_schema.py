"""The configuration against its schema: defaults, and errors that name key, value and the way out."""

from pathlib import Path

import pytest
import yaml

from pairprobe.configuration.schema import check, read_schema
from pairprobe.errors import InputError

ROOT = Path(__file__).parents[3]
DEMO = ROOT / "config" / "config.yaml"
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
HUB = {"source": "hub", "repository": "google-bert/bert-base-uncased", "revision": "0" * 40}


@pytest.fixture(scope="module")
def schema():
    return read_schema(SCHEMA)


@pytest.fixture
def config():
    return yaml.safe_load(DEMO.read_text(encoding="utf-8"))


@pytest.fixture
def smallest():
    return {"run": "a", "data": {"source": "bundled"}, "checkpoints": {"one": {"source": "path", "path": "x"}}}


def error_of(config, schema):
    with pytest.raises(InputError) as error:
        check(config, schema, "my.yaml")
    return str(error.value)


def described_parts(schema, where=""):
    for key, part in schema.get("properties", {}).items():
        yield f"{where}{key}", part
        yield from described_parts(part, f"{where}{key}.")
    for key, part in schema.get("$defs", {}).items():
        yield from described_parts(part, f"{key}.")


def test_every_key_is_described(schema):
    assert [key for key, part in described_parts(schema) if not part.get("description")] == []


def test_every_section_refuses_keys_that_it_does_not_know(schema):
    sections = [("", schema), *described_parts(schema), ("checkpoint", schema["$defs"]["checkpoint"])]
    assert [key for key, part in sections if "properties" in part and part.get("additionalProperties") is not False] == []


@pytest.mark.parametrize("file", sorted((ROOT / "config").rglob("*.yaml")), ids=lambda file: file.name)
def test_a_configuration_that_comes_with_the_project_is_good(file, schema):
    check(yaml.safe_load(file.read_text(encoding="utf-8")), schema)


def test_defaults_are_filled_in(smallest, schema):
    check(smallest, schema)
    assert smallest["seed"] == 13
    assert smallest["wordnet"] == "package"
    assert sum(smallest["partitions"].values()) == pytest.approx(1)
    assert smallest["tasks"] == ["synonyms", "abbreviation", "coreference", "answer_type", "boundary"]


def test_defaults_of_a_section_that_is_left_out_are_filled_in(smallest, schema):
    check(smallest, schema)
    assert smallest["words"] == {"punctuation": False}
    assert smallest["activations"]["max_length"] == 512
    assert smallest["boundary"]["train_examples"] is None


def test_defaults_stand_beside_the_keys_that_are_given(smallest, schema):
    smallest["activations"] = {"shards": 4}
    check(smallest, schema)
    assert smallest["activations"]["shards"] == 4
    assert smallest["activations"]["threads"] == 2


def test_what_is_given_stays_as_it_is(config, schema):
    before = yaml.safe_load(DEMO.read_text(encoding="utf-8"))
    check(config, schema)
    for key, value in before.items():
        assert config[key] == value or {**config[key], **value} == config[key]


def test_filling_in_twice_changes_nothing(smallest, schema):
    check(smallest, schema)
    once = yaml.safe_dump(smallest)
    check(smallest, schema)
    assert yaml.safe_dump(smallest) == once


def test_two_configurations_share_no_default(smallest, schema):
    other = {**smallest}
    check(smallest, schema)
    smallest["tasks"].append("mine")
    smallest["words"]["punctuation"] = True
    check(other, schema)
    assert "mine" not in other["tasks"]
    assert other["words"] == {"punctuation": False}


@pytest.mark.parametrize(
    ("section", "wrong", "right"),
    [
        ((), "activation", "activations"),
        ((), "checkpoint", "checkpoints"),
        (("activations",), "batchsize", "batch_size"),
        (("partitions",), "finetuned", "finetune"),
        (("checkpoints", "finetuned"), "strat", "start"),
    ],
)
def test_a_misspelt_key_is_named_with_the_key_that_was_meant(config, schema, section, wrong, right):
    place = config
    for key in section:
        place = place[key]
    place[wrong] = 1
    error = error_of(config, schema)
    assert f"{'.'.join([*section, wrong])}: there is no such key. Did you mean {right}? Allowed: " in error


def test_a_key_that_resembles_none_is_named_with_those_there_are(config, schema):
    config["words"] = {"zzz": 1}
    assert "words.zzz: there is no such key. Allowed: punctuation." in error_of(config, schema)


@pytest.mark.parametrize(
    ("section", "key", "value", "told"),
    [
        ("figures", "value", "percent", "found 'percent'. Did you mean percentage? Allowed: percentage, auc."),
        ("data", "source", "squat", "found 'squat'. Did you mean squad? Allowed: bundled, natural_questions, squad,"),
        ("activations", "storage", "bfloat16", "Allowed: float16, float32."),
    ],
)
def test_an_unknown_value_is_named_with_those_allowed(config, schema, section, key, value, told):
    config[section][key] = value
    error = error_of(config, schema)
    assert f"{section}.{key}: " in error
    assert told.split(". ")[0].removesuffix(".") in error


def test_an_unknown_task_is_named_where_the_schema_lists_them(config):
    schema = read_schema(SCHEMA)
    schema["properties"]["tasks"]["items"]["enum"] = ["synonyms", "boundary"]
    config["tasks"] = ["synonyms", "boundry"]
    assert "tasks.1: found 'boundry'. Did you mean boundary? Allowed: synonyms, boundary." in error_of(config, schema)


@pytest.mark.parametrize(
    ("section", "key", "value", "said"),
    [
        ("activations", "batch_size", 0, "0 is less than the minimum of 1"),
        ("evaluation", "batch_size", "some", "found 'some', not an integer"),
        ("evaluation", "batch_size", "1.5", "found 1.5, not an integer"),
        ("activations", "shards", True, "found True, not an integer or null"),
        ("figures", "title", 3, "found 3, not text"),
        ("finetuning", "learning_rate", 0, "0 is less than or equal to the minimum of 0"),
        ("partitions", "probe", 0, "0 is less than or equal to the minimum of 0"),
        ("partitions", "head", 1.5, "1.5 is greater than the maximum of 1"),
        ("data", "sample", 0, "0 is less than or equal to the minimum of 0"),
    ],
)
def test_a_value_out_of_range_or_of_the_wrong_type_is_named(config, schema, section, key, value, said):
    config[section][key] = value
    error = error_of(config, schema)
    assert f"\n  {section}.{key}: {said}. " in error
    assert f"Wanted: {schema['properties'][section]['properties'][key]['description']}" in error


@pytest.mark.parametrize("name", ["", "../elsewhere", "a b", ".hidden", "demo\n", "a" * 101])
def test_a_run_has_a_name_that_can_be_a_folder(config, schema, name):
    config["run"] = name
    assert f"\n  run: found {name!r}. Wanted: the name of the run, of letters, digits, " in error_of(config, schema)


def test_a_name_that_cannot_be_a_file_s_is_named(config, schema):
    config["checkpoints"]["a b"] = {"source": "path", "path": "x"}
    assert "\n  checkpoints: found 'a b'. Wanted: a name of letters, digits, " in error_of(config, schema)


@pytest.mark.parametrize(
    ("section", "key", "given", "read"),
    [
        ("finetuning", "learning_rate", "5e-5", 5e-5),
        ("activations", "batch_size", "16", 16),
        ("words", "punctuation", "True", True),
        ("activations", "shards", "null", None),
        ("figures", "title", "3", "3"),
    ],
)
def test_a_number_given_as_text_is_read_as_the_number_that_is_wanted(config, schema, section, key, given, read):
    # YAML takes 5e-5 for text, and a command line what stands inside a key.
    config.setdefault(section, {})[key] = given
    check(config, schema)
    assert config[section][key] == read
    assert type(config[section][key]) is type(read)


def test_numbers_of_a_list_that_are_given_as_text_are_read_too(smallest, schema):
    smallest["checkpoints"]["tuned"] = {"source": "finetune", "start": "a", "seeds": ["1", "2"]}
    check(smallest, schema)
    assert smallest["checkpoints"]["tuned"]["seeds"] == [1, 2]


def test_each_key_that_is_missing_is_named_once(schema):
    error = error_of({"seed": 1}, schema)
    assert [line.split(":")[0].strip() for line in error.splitlines()[1:]] == ["run", "checkpoints"]


@pytest.mark.parametrize("text", ["a</script>", "<SCRIPT>b", "c <!-- d"])
@pytest.mark.parametrize("changed", [lambda text: {"title": text}, lambda text: {"labels": {text: "a"}}])
def test_a_text_that_would_end_the_script_of_a_page_is_refused(config, schema, text, changed):
    config["figures"] = changed(text)
    error = error_of(config, schema)
    assert "which would end the script of a page" in error
    assert error.count("\n") == 0
    config["figures"] = changed("a <b> & {c}")
    check(config, schema)


@pytest.mark.parametrize("repository", ["../..", "a/../b", "/etc", "a/b/c", "a//b", "a/b\n", "https://x.y/a/b", ""])
def test_a_repository_is_a_name_and_no_path(config, schema, repository):
    config["checkpoints"]["other"] = {"source": "hub", "repository": repository, "revision": "0" * 40}
    assert "\n  checkpoints.other.repository: found " in error_of(config, schema)


@pytest.mark.parametrize("key", ["run", "checkpoints"])
def test_a_missing_key_is_named_with_what_it_is(smallest, schema, key):
    del smallest[key]
    assert f"\n  {key}: missing. Wanted: {schema['properties'][key]['description']}" in error_of(smallest, schema)


def test_a_missing_key_of_one_kind_of_checkpoint_is_named_with_what_it_is(config, schema):
    config["checkpoints"]["other"] = {"source": "hub", "repository": "a/b"}
    (said,) = error_of(config, schema).splitlines()[1:]
    assert said == "  checkpoints.other.revision: missing. Wanted: the commit, 40 hexadecimal digits (source hub, adapter)"


def test_a_checkpoint_without_a_source_is_asked_for_that_alone(config, schema):
    config["checkpoints"]["other"] = {"path": "models/mine"}
    (said,) = error_of(config, schema).splitlines()[1:]
    assert said.startswith("  checkpoints.other.source: missing. Wanted: package (of Python), path (a folder), ")


def test_a_missing_key_of_a_section_is_named(config, schema):
    del config["partitions"]["probe"]
    assert "\n  partitions.probe: missing. " in error_of(config, schema)


@pytest.mark.parametrize(
    ("checkpoint", "missing"),
    [
        ({"source": "package"}, "package"),
        ({"source": "path"}, "path"),
        ({"source": "finetune"}, "start"),
        ({"source": "hub", "repository": "a/b"}, "revision"),
    ],
)
def test_a_checkpoint_needs_what_its_source_needs(config, schema, checkpoint, missing):
    config["checkpoints"]["new"] = checkpoint
    assert f"\n  checkpoints.new.{missing}: missing." in error_of(config, schema)


@pytest.mark.parametrize("source", ["natural_questions", "squad", "squad_v2", "examples"])
def test_data_may_be_named_without_files_and_the_rest_filled_in(config, schema, source):
    config["data"] = {"source": source}
    check(config, schema)
    assert config["data"] == {"source": source, "sample": 1, "on_bad_input": "stop"}


@pytest.mark.parametrize("key", ["files", "splits"])
@pytest.mark.parametrize("value", [[], {}, {"probe": []}, "a.jsonl", {"test": ["a"]}, ["a", "a"], [3]])
def test_files_and_splits_are_a_list_or_a_list_for_each_partition(config, schema, key, value):
    for good in (["train", "validation"], {"finetune": ["train"], "probe": ["validation"]}):
        config["data"] = {"source": "squad", key: good}
        check(config, schema)
    config["data"] = {"source": "squad", key: value}
    assert f"\n  data.{key}" in error_of(config, schema)


def test_a_checkpoint_of_the_hub_is_a_commit(config, schema):
    config["checkpoints"]["bert"] = {**HUB}
    check(config, schema)
    config["checkpoints"]["bert"]["revision"] = "main"
    assert "checkpoints.bert.revision: found 'main'. Wanted: the commit, 40 hexadecimal digits" in error_of(config, schema)


def test_a_configuration_without_checkpoints_is_refused(smallest, schema):
    smallest["checkpoints"] = {}
    assert "\n  checkpoints: " in error_of(smallest, schema)


def test_the_error_names_the_file_and_everything_that_is_wrong(config, schema):
    config["seed"] = -1
    config["figures"]["titel"] = ""
    config["checkpoints"]["finetuned"]["colour"] = "red"
    first, *lines = error_of(config, schema).splitlines()
    assert first == "my.yaml cannot be used:"
    assert [line.split(":")[0].strip() for line in lines] == ["checkpoints.finetuned.colour", "figures.titel", "seed"]


@pytest.mark.parametrize("key", [2024, True, None, 1.5])
def test_a_key_that_yaml_reads_as_no_string_is_named(smallest, schema, key):
    smallest["checkpoints"][key] = {"source": "path", "path": "y"}
    with pytest.raises(InputError, match=rf"the key checkpoints\.{key} is no string\. Put it in quotation marks"):
        check(smallest, schema)


@pytest.mark.parametrize("number", [".nan", ".inf", "-.inf"])
def test_a_number_that_is_not_finite_is_refused_with_its_key(smallest, schema, number):
    found = yaml.safe_load(number)
    for part, key in (
        ({"data": {"source": "bundled", "sample": found}}, "data.sample"),
        ({"finetuning": {"learning_rate": found}}, "finetuning.learning_rate"),
        ({"figures": {"checkpoints": ["one", found]}}, "figures.checkpoints.1"),
    ):
        assert error_of({**smallest, **part}, schema) == f"my.yaml: {key}: found {found}, wanted a finite number."


KEYWORDS = set(
    "$schema $defs $ref title type description default enum const pattern minLength minimum maximum exclusiveMinimum "
    "exclusiveMaximum items minItems uniqueItems properties additionalProperties propertyNames minProperties required "
    "allOf if then".split()
)


def test_every_word_of_the_schema_is_one_of_json_schema_s(schema):
    """In YAML's flow style a comma in a description without quotation marks begins another key."""

    def check_part(part):
        assert part.keys() <= KEYWORDS, part.keys() - KEYWORDS
        for key in ("properties", "$defs"):
            for one in part.get(key, {}).values():
                check_part(one)
        for key in ("items", "additionalProperties", "propertyNames"):
            if isinstance(part.get(key), dict):
                check_part(part[key])

    check_part(schema)
