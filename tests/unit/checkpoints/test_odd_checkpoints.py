"""Checkpoints as other programs write them: refused by name, or loaded with the numbers that transformers computes."""

import json
import re
import shutil
from pathlib import Path

import decoders
import families
import pytest
import safetensors.torch
import torch
import transformers
from safetensors.torch import load_file, save_file

from pairprobe.checkpoints import fetching, loading
from pairprobe.errors import InputError

WORDS = ["who built the castle".split(), "the king built it in 1912 for Queen Mary".split()]
# Files that are never opened: where one is, the process ends.
PICKLE = b"\x80\x04cbuiltins\nexit\n)R."
BEFORE = r"Take the weights as they were before, in float32, float16 or bfloat16"


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A sound checkpoint of each family that is asked for."""
    made = {}

    def make(family):
        if family not in made:
            kind = decoders if family in decoders.DECODERS else families
            made[family] = kind.make(family, tmp_path_factory.mktemp(family))
        return made[family]

    return make


@pytest.fixture
def bert(whole, tmp_path):
    """A copy of a BERT to change."""
    return Path(shutil.copytree(whole("bert"), tmp_path / "checkpoint"))


def refused(folder, match):
    """Check that a folder is refused in one line, and that nothing is left."""
    target = folder.parent / "out" / "target"
    target.parent.mkdir()
    with pytest.raises(InputError, match=match) as caught:
        fetching.fetch({"source": "path", "path": str(folder)}, str(target))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"checkpoint {folder}: ")
    assert list(target.parent.iterdir()) == []


def states(model, folder):
    inputs = loading.load_tokenizer(folder)(*WORDS, is_split_into_words=True, return_tensors="pt")
    with torch.inference_mode():
        return model(**inputs, output_hidden_states=True).hidden_states


def loaded(folder, wanted):
    """Fetch a folder, and check that its hidden states are bit by bit those of a model that was loaded by hand."""
    target = folder.parent / "target"
    fetching.fetch({"source": "path", "path": str(folder)}, str(target))
    found = states(loading.load_encoder(target), target)
    for layer, other in zip(found, states(wanted.float().eval(), target), strict=True):
        assert torch.equal(layer, other)
    return target


def edit(folder, **changed):
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changed))


def retensor(folder, change):
    weights = change(load_file(folder / "model.safetensors"))
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def each_matrix(parts):
    """Put parts in the place of each matrix of the layers; parts: from its name without ".weight", and the matrix."""

    def change(weights):
        new = {}
        for name, tensor in weights.items():
            inner = ".layer." in name and name.endswith(".weight") and tensor.ndim == 2
            new |= parts(name.removesuffix(".weight"), tensor) if inner else {name: tensor}
        return new

    return change


# Quantised: what the tools write into config.json, and what they make of a matrix.


def packed(name, matrix, scales="scales"):
    rows, columns = matrix.shape
    return {f"{name}.qweight": torch.zeros(columns // 8, rows, dtype=torch.int32), f"{name}.{scales}": torch.ones(1, rows)}


def four_bits(name, matrix):
    state = f"{name}.weight.quant_state.bitsandbytes__nf4"
    return {
        f"{name}.weight": torch.zeros(matrix.numel() // 2, 1, dtype=torch.uint8),
        f"{name}.weight.absmax": torch.ones(matrix.numel() // 64 + 1),
        f"{name}.weight.quant_map": torch.ones(16),
        state: torch.zeros(80, dtype=torch.uint8),
    }


def eight_bits(name, matrix):
    return {f"{name}.weight": torch.zeros_like(matrix, dtype=torch.int8), f"{name}.SCB": torch.ones(len(matrix))}


def fp8(scale):
    return lambda name, matrix: {
        f"{name}.weight": matrix.to(torch.float8_e4m3fn),
        f"{name}.{scale}": torch.ones(len(matrix), 1),
    }


def blocks(name, matrix):
    return {
        f"{name}.proj_blocks": torch.zeros(len(matrix), 2, 16, dtype=torch.uint8),
        f"{name}.proj_scales": torch.zeros(len(matrix), 2, dtype=torch.uint8),
    }


QUANTISED = {
    "GPTQ": ({"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": False}, packed, "gptq, 4 bits", "GPTQ"),
    "AWQ": ({"quant_method": "awq", "bits": 4, "version": "gemm", "zero_point": True}, packed, "awq, 4 bits", "AWQ"),
    "bitsandbytes, 4 bits": (
        {"quant_method": "bitsandbytes", "load_in_4bit": True, "load_in_8bit": False, "bnb_4bit_quant_type": "nf4"},
        four_bits,
        "bitsandbytes, 4 bits",
        "bitsandbytes, 4 bits",
    ),
    "bitsandbytes, 8 bits": (
        {"load_in_4bit": False, "load_in_8bit": True, "llm_int8_threshold": 6.0},
        eight_bits,
        "bitsandbytes, 8 bits",
        "bitsandbytes, 8 bits",
    ),
    "fp8": (
        {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [128, 128]},
        fp8("weight_scale_inv"),
        "fp8, e4m3",
        "fp8 or int8 with scales",
    ),
    "compressed-tensors": (
        {"quant_method": "compressed-tensors", "format": "float-quantized", "config_groups": {"group_0": {}}},
        fp8("weight_scale"),
        "compressed-tensors, float-quantized",
        "fp8 or int8 with scales",
    ),
    "compressed-tensors, packed": (
        {"quant_method": "compressed-tensors", "format": "pack-quantized", "config_groups": {"group_0": {}}},
        lambda name, matrix: {f"{name}.weight_packed": torch.zeros(len(matrix), 4, dtype=torch.int32)},
        "compressed-tensors, pack-quantized",
        "compressed-tensors",
    ),
    "MXFP4": ({"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]}, blocks, "mxfp4", "MXFP4"),
    "torchao": (
        {"quant_method": "torchao", "quant_type": {"default": {"_type": "Int4WeightOnlyConfig"}}},
        lambda name, matrix: {f"{name}.weight_qdata": matrix.to(torch.int8), f"{name}.weight_scale": torch.ones(1)},
        "torchao",
        "fp8 or int8 with scales",
    ),
    "HQQ": (
        {"quant_method": "hqq", "quant_config": {"weight_quant_params": {"nbits": 4, "group_size": 64}}},
        lambda name, matrix: {f"{name}.W_q": torch.zeros(len(matrix), 8, dtype=torch.uint8)},
        "hqq",
        "HQQ",
    ),
    "EXL2": (
        {"quant_method": "exl2", "bits": 4.0},
        lambda name, matrix: {f"{name}.q_weight": torch.zeros(4, len(matrix), dtype=torch.int32)},
        "exl2",
        "EXL2",
    ),
}


@pytest.mark.parametrize("method", QUANTISED)
def test_quantised_weights_are_refused_by_the_name_that_config_json_gives_them(method, bert):
    settings, _, by_config, _ = QUANTISED[method]
    edit(bert, quantization_config=settings)
    refused(bert, rf"key quantization_config: the weights are quantised \({re.escape(by_config)}\)\. {BEFORE}")


@pytest.mark.parametrize("method", QUANTISED)
def test_quantised_weights_of_which_config_json_says_nothing_are_refused_by_their_tensors(method, bert):
    _, parts, _, by_tensors = QUANTISED[method]
    retensor(bert, each_matrix(parts))
    refused(bert, rf"model\.safetensors, tensor \S+: the weights are quantised \(.*{re.escape(by_tensors)}.*\)\. {BEFORE}")


def test_weights_that_were_cast_to_eight_bits_are_refused_by_their_type(bert):
    retensor(bert, each_matrix(lambda name, matrix: {f"{name}.weight": matrix.to(torch.float8_e4m3fn)}))
    refused(bert, rf"tensor \S+: found weights of the type F8_E4M3, which are quantised; .* {BEFORE}")


@pytest.mark.parametrize("settings", ["quantize_config.json", "quant_config.json"])
def test_weights_under_their_quantiser_s_name_are_not_said_to_be_renamed(settings, bert):
    (bert / "model.safetensors").rename(bert / "gptq_model-4bit-128g.safetensors")
    (bert / settings).write_text('{"bits": 4}')
    refused(bert, rf"it has gptq_model-4bit-128g\.safetensors, and by {settings} the weights are quantised\. {BEFORE}")


def test_plain_weights_whose_config_still_says_that_they_are_quantised_are_loaded_without_the_key(bert):
    edit(bert, quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True})
    refused(bert, r"or, if they are plain, as after an adapter was merged, remove the key\.$")
    edit(bert, quantization_config=None)
    loaded(bert, transformers.AutoModel.from_pretrained(bert))


def test_weights_of_mlx_are_refused_by_name_where_they_are_quantised(bert):
    edit(bert, quantization={"group_size": 64, "bits": 4})
    refused(bert, r"key quantization: the weights are quantised \(4 bits\)")


# Other programs' folders.


def files(*names):
    """Lay files down: what ends in a slash is a folder. None of them may be opened."""

    def lay(folder):
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir() if name.endswith("/") else path.write_bytes(PICKLE)

    return lay


TRAINER = (
    *("optimizer.pt", "rng_state.pth", "scheduler.pt", "training_args.bin", "trainer_state.json", "scaler.pt"),
    *("optimizer.bin", "scheduler.bin", "sampler.bin", "random_states_0.pkl"),  # accelerate's
)
DEEPSPEED = ("global_step500/mp_rank_00_model_states.pt", "zero_to_fp32.py", "latest", "rng_state_0.pth")
FSDP = ("pytorch_model_fsdp_0/__0_0.distcp", "pytorch_model_fsdp_0/.metadata", "optimizer_0/__0_0.distcp")
# name: (what stands in the place of the weights, what is said of it with config.json, and without)
OTHERS = {
    "GGUF": (["model-Q4_K_M.gguf", "model-Q8_0.gguf"], r"another format \(GGUF: model-Q4_K_M\.gguf, model-Q8_0\.gguf\)"),
    "ONNX": (["onnx/model.onnx", "onnx/model_quantized.onnx"], r"another format \(ONNX: onnx/model\.onnx, "),
    "OpenVINO": (["openvino_model.xml", "openvino_model.bin"], r"another format \(OpenVINO: openvino_model\.xml\)"),
    "TensorFlow": (["tf_model.h5"], r"another format \(TensorFlow: tf_model\.h5\)"),
    "TensorFlow 1": (
        ["bert_model.ckpt.index", "bert_model.ckpt.data-00000-of-00001"],
        r"another format \(TensorFlow: bert_model\.ckpt\.index\)",
    ),
    "Flax": (["flax_model.msgpack"], r"another format \(Flax: flax_model\.msgpack\)"),
    "Core ML": (["coreml/model.mlpackage/Manifest.json"], r"another format \(Core ML: coreml/model\.mlpackage\)"),
    "a Trainer's checkpoint with pickled weights": (
        ["pytorch_model.bin", *TRAINER],
        r"pickled only \(pytorch_model\.bin\)",
    ),
    "Llama of its makers": (["consolidated.00.pth", "params.json"], r"pickled only \(consolidated\.00\.pth\)"),
    "DeepSpeed": ([*DEEPSPEED, *TRAINER], r"parts, as DeepSpeed saves .*python zero_to_fp32\.py \. joined --safe"),
    "FSDP": (
        [*FSDP, *TRAINER],
        r"parts, as FSDP saves .*accelerate merge-weights \S+/checkpoint/pytorch_model_fsdp_0 joined",
    ),
}


@pytest.mark.parametrize("config", [True, False], ids=["config.json", "no config.json"])
@pytest.mark.parametrize("kind", OTHERS)
def test_weights_in_other_formats_are_named_whether_there_is_a_config_or_not(kind, config, bert):
    laid, said = OTHERS[kind]
    (bert / "model.safetensors").unlink()
    files(*laid)(bert)
    if not config:
        (bert / "config.json").unlink()
    refused(bert, f"{'' if config else r'config.json is missing.* And '}its weights are .*{said}")


def test_a_state_of_a_training_without_weights_is_no_pickled_weights(bert):
    (bert / "model.safetensors").unlink()
    files(*TRAINER)(bert)
    refused(bert, r"it has no weights; wanted model\.safetensors\.$")


def test_what_a_trainer_of_transformers_leaves_is_listed_and_loaded(bert, tmp_path):
    output = tmp_path / "output"
    model = transformers.AutoModelForMaskedLM.from_pretrained(bert)
    options = {"max_steps": 2, "save_steps": 1, "report_to": [], "use_cpu": True, "disable_tqdm": True}
    text = {"input_ids": list(range(5, 15)), "labels": list(range(5, 15))}
    training = transformers.Trainer(
        model,
        transformers.TrainingArguments(output_dir=str(output), **options),
        train_dataset=[text] * 2,
        processing_class=transformers.AutoTokenizer.from_pretrained(bert),
    )
    training.train()
    assert (output / "checkpoint-2" / "optimizer.pt").is_file()
    refused(output, r"There is one in checkpoint-1, checkpoint-2: which is meant\?$")
    loaded(output / "checkpoint-2", model.base_model)


def test_parts_without_numbers_are_refused(bert):
    retensor(bert, each_matrix(lambda name, matrix: {f"{name}.weight": torch.empty(0)}))
    refused(bert, r"tensor \S+: it has no numbers \(12 such tensors\), as DeepSpeed \(ZeRO-3\) .*stage3_gather_16bit")


@pytest.mark.parametrize("inner", [["config.json"], ["adapter_config.json"], ["pytorch_model_fsdp_0/.metadata"]])
def test_the_checkpoints_in_a_training_s_output_are_listed_in_the_order_of_their_steps(inner, tmp_path):
    output = tmp_path / "output"
    for steps in (1000, 500, 1500):
        for name in inner:
            path = output / f"checkpoint-{steps}" / name
            path.parent.mkdir(parents=True)
            path.write_text('{"model_type": "bert"}')
    (output / "runs").mkdir()
    which = "checkpoint-500, checkpoint-1000, checkpoint-1500: which is meant"
    if inner == ["adapter_config.json"]:
        refused(output, rf"There is an adapter in {which}\? Write source: adapter for it, and base: NAME\.$")
    else:
        refused(output, rf"There is one in {which}\?$")


def sentence_transformers(folder, inner):
    modules = [
        {"idx": 0, "name": "0", "path": inner, "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ]
    if inner:
        content = list(folder.iterdir())
        (folder / inner).mkdir()
        for file in content:
            file.rename(folder / inner / file.name)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"word_embedding_dimension": 32, "pooling_mode_mean_tokens": true}')
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "config_sentence_transformers.json").write_text('{"__version__": {"sentence_transformers": "2.0.0"}}')
    (folder / inner / "sentence_bert_config.json").write_text('{"max_seq_length": 128, "do_lower_case": false}')


def test_of_a_folder_of_sentence_transformers_that_of_the_encoder_is_named_and_not_the_pooling_s(bert):
    sentence_transformers(bert, "0_Transformer")
    refused(bert, r"config\.json is missing\. .* There is one in 0_Transformer: is that the folder\?$")
    loaded(bert / "0_Transformer", transformers.AutoModel.from_pretrained(bert / "0_Transformer"))


def test_a_folder_of_sentence_transformers_with_the_encoder_at_its_top_is_loaded(bert):
    sentence_transformers(bert, "")
    loaded(bert, transformers.AutoModel.from_pretrained(bert))


# Loaded exactly.


def test_what_lies_beside_the_weights_is_never_opened(bert):
    files(*TRAINER, "pytorch_model.bin", "onnx/model.onnx", "tf_model.h5", "runs/events.out", "checkpoint-500/")(bert)
    target = loaded(bert, transformers.AutoModel.from_pretrained(bert, use_safetensors=True))
    assert {file.name for file in target.iterdir()} <= {"config.json", "model.safetensors", "SHA256SUMS"} | {
        file.name for file in target.glob("*token*")
    }


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("family", ["bert", "roberta", "modernbert"])
def test_weights_of_other_precisions_have_the_numbers_that_transformers_gives_them(family, dtype, whole, tmp_path):
    folder = tmp_path / "checkpoint"
    model = transformers.AutoModelForMaskedLM.from_pretrained(whole(family))
    for weights in model.parameters():  # not what is computed from the config, such as rotations
        weights.data = weights.data.to(dtype)
    shutil.copytree(whole(family), folder, ignore=lambda *_: ["model.safetensors"])
    model.save_pretrained(folder)
    kind = {torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64"}[dtype]
    with safetensors.safe_open(folder / "model.safetensors", "pt") as tensors:
        assert {tensors.get_slice(name).get_dtype() for name in tensors.keys()} == {kind}  # noqa: SIM118
    loaded(folder, model.base_model)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "electra", "mpnet", "albert", "modernbert"])
def test_an_encoder_saved_without_its_head_has_the_same_numbers_with_and_without_its_prefix(family, whole, tmp_path):
    model = transformers.AutoModel.from_pretrained(whole(family))
    for name, prefix in (("bare", ""), ("prefixed", f"{model.base_model_prefix}.")):
        folder = tmp_path / name / "checkpoint"
        shutil.copytree(whole(family), folder)
        weights = {prefix + key: tensor.contiguous() for key, tensor in model.state_dict().items()}
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
        loaded(folder, model)


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "xlm-roberta", "modernbert", "gpt2", "gemma"])
def test_shared_tensors_that_were_saved_once_are_loaded_by_either_name(family, whole, tmp_path):
    folder = tmp_path / "checkpoint"
    shutil.copytree(whole(family), folder)
    auto = transformers.AutoModelForCausalLM if family in decoders.DECODERS else transformers.AutoModelForMaskedLM
    model = auto.from_pretrained(whole(family))
    words = model.get_input_embeddings().weight
    assert words.data_ptr() == model.get_output_embeddings().weight.data_ptr()
    safetensors.torch.save_model(model, folder / "model.safetensors", {"format": "pt"})
    target = loaded(folder, model.base_model)
    assert torch.equal(loading.load_encoder(target).get_input_embeddings().weight, words)
    head, _ = loading.load_model(auto, target, "float32")
    assert torch.equal(head.get_output_embeddings().weight, words)


@pytest.mark.parametrize("shards", ["1GB", "100KB"])
@pytest.mark.parametrize("wrapper", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "inside"])
def test_what_wrappers_put_into_names_is_taken_out_and_no_number_changes(wrapper, shards, whole, bert, caplog):
    transformers.AutoModel.from_pretrained(bert).save_pretrained(bert, max_shard_size=shards)
    if shards != "1GB":
        (bert / "model.safetensors").unlink(missing_ok=True)
    wanted = transformers.AutoModel.from_pretrained(bert)

    def wrapped(key):
        if wrapper == "inside":
            return re.sub(r"layer\.(\d)\.", r"layer.\1._fsdp_wrapped_module._checkpoint_wrapped_module.", key)
        return wrapper + key

    for file in bert.glob("model*.safetensors"):
        save_file({wrapped(key): tensor for key, tensor in load_file(file).items()}, file, {"format": "pt"})
    if (index := bert / "model.safetensors.index.json").is_file():
        content = json.loads(index.read_text())
        content["weight_map"] = {wrapped(key): file for key, file in content["weight_map"].items()}
        index.write_text(json.dumps(content))
    before = {file.name: file.read_bytes() for file in bert.iterdir()}
    loaded(bert, wanted)
    assert {file.name: file.read_bytes() for file in bert.iterdir()} == before
    assert re.search(r"\d+ tensors are given the names that save_pretrained gives", caplog.text)


def test_weights_without_metadata_are_loaded(bert):
    wanted = transformers.AutoModel.from_pretrained(bert)
    save_file(load_file(bert / "model.safetensors"), bert / "model.safetensors")
    loaded(bert, wanted)


HUB = (
    *("README.md", ".gitattributes", "LICENSE", "USE_POLICY.md", "chat_template.jinja", "tokenizer.model"),
    *("onnx/model.onnx", "flax_model.msgpack", "pytorch_model.bin", "consolidated.safetensors", "modeling_own.py"),
    *("original/consolidated.00.pth", "original/params.json", "original/tokenizer.model", "generation_config.json"),
)


@pytest.mark.parametrize("kind", ["TokenizersBackend", "PreTrainedTokenizerFast", "NobodyKnowsIt"])
@pytest.mark.parametrize("family", ["bert", "roberta", "gpt2", "llama", "gemma"])
def test_a_folder_as_the_hub_has_it_is_loaded_whatever_else_is_in_it(family, kind, whole, tmp_path):
    folder = Path(shutil.copytree(whole(family), tmp_path / "checkpoint"))
    wanted = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32)
    files(*HUB)(folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"tokenizer_class": kind}))
    edit(folder, dtype="bfloat16", torch_dtype="bfloat16", transformers_version="4.10.0", architectures=["NoSuchModel"])
    target = loaded(folder, wanted)
    assert [file.name for file in target.glob("*.safetensors")] == ["model.safetensors"]


@pytest.mark.parametrize("family", ["bert", "gpt2", "llama", "qwen2", "qwen3", "mistral"])
def test_a_model_with_a_head_for_answers_is_loaded_whatever_config_json_and_its_weights_call_it(family, whole, tmp_path):
    folder = Path(shutil.copytree(whole(family), tmp_path / "checkpoint"))
    torch.manual_seed(1)
    auto = transformers.AutoModelForQuestionAnswering
    model = auto.from_pretrained(folder)
    model.save_pretrained(folder)
    edit(folder, architectures=["LlamaForCausalLM"])
    target = loaded(folder, model.base_model)
    weights = load_file(target / "model.safetensors")
    assert torch.equal(weights["qa_outputs.weight"], model.qa_outputs.weight)
    if family in ("bert", "gpt2", "mistral"):  # transformers' classes for the others ask for names that only they have
        found, lacking = loading.load_model(auto, target, "float32")
        assert lacking == []
        assert torch.equal(found.qa_outputs.weight, model.qa_outputs.weight)


# Models of pictures and text.


SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
PICTURES = {
    "gemma3": lambda text: transformers.Gemma3ForConditionalGeneration(
        transformers.Gemma3Config(
            text_config={"head_dim": 16, **text},
            vision_config={**SMALL, "image_size": 28, "patch_size": 14},
            mm_tokens_per_image=4,
        )
    ),
    "qwen2_vl": lambda text: transformers.Qwen2VLForConditionalGeneration(
        transformers.Qwen2VLConfig(
            text_config={**text, "rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3], "rope_type": "default"}},
            vision_config={"depth": 1, "embed_dim": 32, "num_heads": 2, "hidden_size": 32, "patch_size": 14},
        )
    ),
}


@pytest.mark.parametrize("family", PICTURES)
def test_a_model_of_pictures_and_text_is_refused_and_the_advice_gives_its_language_model(family, whole, tmp_path):
    torch.manual_seed(0)
    text = {**SMALL, "num_key_value_heads": 2, "vocab_size": 600, "bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}
    old, new = tmp_path / "old", tmp_path / "new"
    PICTURES[family](text).save_pretrained(old)
    for file in whole("bert").glob("*token*"):
        shutil.copy(file, old)
    with pytest.raises(InputError, match=rf"{family} is no encoder of text alone\. Save its language model") as said:
        fetching.fetch({"source": "path", "path": str(old)}, str(tmp_path / "target"))
    assert "AutoModel.from_pretrained(OLD).language_model.save_pretrained(NEW)" in str(said.value)
    model = transformers.AutoModel.from_pretrained(old).eval()
    model.language_model.save_pretrained(new)
    ids = torch.arange(5, 20)[None]
    with torch.inference_mode():
        found, wanted = (
            one(input_ids=ids, output_hidden_states=True).hidden_states for one in (loading.load_encoder(new), model)
        )
    assert len(found) == 3
    assert all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))
