"""Digests of code: what changes them, what does not, and which modules they cover."""

import json
import os
import re
import shutil
import subprocess

import pytest

from pairprobe.errors import InputError
from pairprobe.io.digests import file_digest, folder_digest
from pairprobe.provenance.code import LIBRARY as LIBRARY_FOLDER
from pairprobe.provenance.code import SCRIPTS, code_of

LIBRARY = {
    "__init__": '"""A library."""\n',
    "near": "from pairprobe.far import f\n\n\ndef g(x):\n    return f(x) + 1\n",
    "far": '"""Far."""\n\nimport json\n\n\ndef f(x):\n    """Say x."""\n    return json.dumps(x)  # quickly\n',
    "aside": "def h():\n    return 2\n",
    "rooms/__init__": "from pairprobe.aside import h\n",
    "rooms/one": "ONE = 1\n",
    "rooms/two": "TWO = 2\n",
}
SCRIPT = "from pairprobe.near import g\n\nprint(g(1))\n"

# All that Python 3.11 can say, also what its successors parse in other ways: strings put together, f-strings, empty lists.
SAMPLE = r'''"""A docstring."""
import os.path as p, sys
from x import y as z, w
async def f(a, /, b: int = 1, *c, d, e=None, **g) -> "str":
    """A docstring."""
    async with a as b, c: pass
    async for i in b: await i
    return [j async for j in d if j if not e]
@f
@f(1)
class C(B, metaclass=M):
    x: int
    (y): "int" = -1
    def m(self): "a docstring and nothing else"
t = (1, 1.0, 1e999, 2j, True, None, ..., b"\xff\n", 0x10, 1_000, 10**30)
s = "a" 'b' """c
d""" u"e" r"\d" "\N{BULLET} é 🫨 \ud800"
q = f"", f"a{{b}}", f"{x!r:>{w}.{n}}", f"{x=}", f"{x = !s}", f"{x:}", "a" f"b{x}" "c" f"{y}" "" f"d", f"{x:{y}{z}}"
q = f'{x:%H:%M}{{{y}}}' rf"\{x}\d", f"{x:{'a'}b}", f"{(lambda: 1)()}{ {1: 2}[1] }", f"\N{BULLET}{x}\t", f"{x!a}" f"{x:,}"
q = f"""{
x}
b"""
match v:
    case {"a": 1, **rest} if rest: pass
    case [1, *_, None] | (C(x=1) as k) | -1 | "s" | True: pass
    case _: pass
try: pass
except* (A, B) as g: pass
try: pass
except: pass
else: pass
finally: pass
with (a as b, c as d): pass
x = y = z[1:2, ::3, ...]; x @= 2; del x, (y), z[0]
if (n := 1) and not n or n is not None: assert x, "m"
while x < y <= z != 1 in u: break
else: pass
g = lambda *a, k=1, **kw: {**a, "b": 1}, (i for i in y), {k: v for k, v in z}, {*a, 1}, print(*a, **b, sep="")
def gen():
    global h
    x = yield; yield from x; raise E from None
a if b else c; ~a; a // b ** -c >> d; a.b.c; é = ﬁ = 1
'''
# Its digest, and those of every script of the project, for a Python without any package.
DIGESTS = """
import json, pathlib, sys
sys.path.insert(0, sys.argv[1])
from pairprobe.provenance.code import SCRIPTS, code_of
own = {script.stem: code_of(script.stem) for script in SCRIPTS.glob("*.py")}
print(json.dumps([code_of("sample", scripts=pathlib.Path(sys.argv[2])), own]))
"""


@pytest.fixture
def digests(tmp_path):
    """Give code_of of the script in a house of its own; ``far=...`` replaces a module, ``script=`` the script."""
    houses = iter(range(100))

    def build(*modules, script=SCRIPT, **changed):
        # A new folder each time: the library remembers files by the time they were changed at.
        house = tmp_path / str(next(houses))
        for name, code in {**LIBRARY, **changed}.items():
            (house / "pairprobe" / name).parent.mkdir(parents=True, exist_ok=True)
            (house / "pairprobe" / f"{name}.py").write_text(code, encoding="utf-8")
        (house / "scripts").mkdir()
        (house / "scripts" / "run.py").write_text(script, encoding="utf-8")
        return code_of("run", *modules, scripts=house / "scripts", library=house / "pairprobe")

    return build


def changed(before, after):
    return {name for name in before | after if before.get(name) != after.get(name)}


def test_the_script_and_the_modules_that_it_reaches_are_there_and_no_others(digests):
    assert list(digests()) == ["far", "near", "scripts/run"]


@pytest.mark.parametrize(
    "far",
    [
        LIBRARY["far"].replace("  # quickly", "  # slowly"),
        LIBRARY["far"].replace('"""Far."""', '"""Another docstring."""'),
        LIBRARY["far"].replace('    """Say x."""\n', ""),
        LIBRARY["far"].replace("(x)", "( x )").replace("\n\n\n", "\n\n\n\n\n# a line\n"),
        LIBRARY["far"].replace("return json.dumps(x)", "return (\n        json.dumps(\n            x,\n        )\n    )"),
    ],
    ids=["comment", "module docstring", "function docstring", "blanks", "layout"],
)
def test_a_comment_a_docstring_or_formatting_changes_no_digest(digests, far):
    assert far != LIBRARY["far"]
    assert digests(far=far) == digests()


@pytest.mark.parametrize(
    "far",
    [
        LIBRARY["far"].replace("dumps", "loads"),
        LIBRARY["far"].replace("(x)", "(y)"),
        LIBRARY["far"] + "\nSAID = 'a string that is no docstring'\n",
        LIBRARY["far"].replace("    return", "    x = 1\n    return"),
    ],
    ids=["call", "names", "string", "statement"],
)
def test_a_change_of_code_changes_the_digest_of_that_module_alone(digests, far):
    assert changed(digests(), digests(far=far)) == {"far"}


def test_a_string_that_is_no_docstring_is_code(digests):
    before, after = (
        digests(aside="X = 'a'\n", script="import pairprobe.aside"),
        digests(aside="X = 'b'\n", script="import pairprobe.aside"),
    )
    assert changed(before, after) == {"aside"}


def test_a_change_of_the_script_changes_its_digest_alone(digests):
    assert changed(digests(), digests(script=SCRIPT.replace("g(1)", "g(2)"))) == {"scripts/run"}


@pytest.mark.parametrize("code", ["", '"""Rooms."""\n', "# nothing\n"], ids=["empty", "docstring", "comment"])
def test_a_package_without_code_is_not_listed(digests, code):
    assert list(digests(script="from pairprobe.rooms import one", **{"rooms/__init__": code})) == [
        "rooms.one",
        "scripts/run",
    ]


def test_a_change_of_a_module_that_is_not_reached_changes_nothing(digests):
    assert digests(aside="def h():\n    return 3\n") == digests()


@pytest.mark.parametrize(
    "script",
    [
        "import pairprobe.far",
        "import os, pairprobe.far as other",
        "from pairprobe import far",
        "from pairprobe.far import f",
        "def late():\n    from pairprobe import far",
        "if False:\n    import pairprobe.far",
    ],
)
def test_an_import_is_followed_in_whatever_form_and_place(digests, script):
    assert list(digests(script=script)) == ["far", "scripts/run"]


def test_an_import_for_the_type_checker_alone_is_not_followed(digests):
    code = "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from pairprobe.aside import h\n"
    assert list(digests(far=code)) == ["far", "near", "scripts/run"]


def test_what_runs_beside_an_import_for_the_type_checker_is_code(digests):
    code = "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    X = 1\nelse:\n    from pairprobe.aside import {}\n"
    before, after = (digests(far=code.format(name)) for name in ("h", "h as other"))
    assert list(before) == ["aside", "far", "near", "scripts/run"]
    assert changed(before, after) == {"far"}


@pytest.mark.parametrize(
    "script", ["import json", "from pathlib import far", "import notpairprobe.far", "pairprobe = 'far'"]
)
def test_other_libraries_are_not_followed(digests, script):
    assert list(digests(script=script)) == ["scripts/run"]


@pytest.mark.parametrize(
    "script",
    ["from pairprobe.rooms import one", "from pairprobe.rooms.one import ONE", "import pairprobe.rooms.one"],
)
def test_importing_a_module_of_a_package_reaches_its_init_and_what_that_imports(digests, script):
    assert list(digests(script=script)) == ["aside", "rooms.__init__", "rooms.one", "scripts/run"]


@pytest.mark.parametrize(
    ("module", "code", "reached"),
    [
        ("far", "from . import aside", ["aside"]),
        ("far", "from .aside import h", ["aside"]),
        ("rooms/one", "from .two import TWO", ["rooms.two"]),
        ("rooms/one", "from . import two", ["rooms.two"]),
        ("rooms/one", "from ..far import f", ["far"]),
        ("rooms/one", "from .. import far", ["far"]),
    ],
)
def test_a_relative_import_is_followed(digests, module, code, reached):
    name = module.replace("/", ".")
    found = digests(script=f"import pairprobe.{name}", **{module: code, "rooms/__init__": ""})
    assert set(found) - {"scripts/run", "rooms.__init__"} == {name, *reached}


def test_the_digest_of_a_relatively_imported_module_counts(digests):
    before, after = (digests(far="from .aside import h\n", aside=f"def h():\n    return {i}\n") for i in (1, 2))
    assert changed(before, after) == {"aside"}


@pytest.mark.parametrize(("module", "code"), [("far", "from ..x import y"), ("rooms/one", "from ... import z")])
def test_a_relative_import_that_leaves_the_library_is_refused(digests, module, code):
    with pytest.raises(InputError, match=r"py:1: the relative import leaves the library"):
        digests(script=f"import pairprobe.{module.replace('/', '.')}", **{module: code})


def test_a_relative_import_in_a_script_is_refused(digests):
    with pytest.raises(InputError, match=r"run.py:1: the relative import leaves the library"):
        digests(script="from .far import f")


@pytest.mark.parametrize("module", ["nothing", "rooms.three", "near.far", "resources/nothing"])
def test_a_module_that_does_not_exist_is_refused(digests, module):
    with pytest.raises(InputError, match=f"there is no module {module}"):
        digests(module)


def test_importing_a_package_reaches_none_of_its_modules(digests):
    assert list(digests(script="from pairprobe import rooms")) == ["aside", "rooms.__init__", "scripts/run"]


def test_a_module_that_the_script_loads_by_name_is_reached_with_its_package(digests):
    assert set(digests("rooms.two")) - set(digests()) == {"rooms.two", "rooms.__init__", "aside"}


@pytest.mark.parametrize("part", ["pages", "pages/a.yaml"])
def test_a_file_or_folder_that_the_script_reads_counts_by_what_it_says(digests, tmp_path, part):
    library, name = tmp_path / "pairprobe", f"resources/{part}"
    file = tmp_path / "resources" / "pages" / "a.yaml"
    file.parent.mkdir(parents=True)
    (tmp_path / "run.py").touch()
    found = []
    for text, time in (("a", 1), ("a", 2), ("b", 2)):
        file.write_text(text)
        os.utime(file, (time, time))
        found.append(code_of("run", name, scripts=tmp_path, library=library))
    assert found[0] == found[1]
    assert changed(found[1], found[2]) == {name}


def test_modules_that_import_each_other_are_each_there_once(digests):
    assert list(digests(far="import pairprobe.near")) == ["far", "near", "scripts/run"]


def test_the_digest_of_all_that_can_be_said_is_the_one_that_it_was(tmp_path):
    """An update of Python that is not seen here would run everything again, and verify would blame the code."""
    (tmp_path / "sample.py").write_text(SAMPLE, encoding="utf-8")
    assert code_of("sample", scripts=tmp_path) == {"scripts/sample": "783184a7292d592f"}


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_every_version_of_python_finds_the_same_digests(tmp_path, version):
    python = shutil.which(f"python{version}")
    # One of PATH may be a name alone, of a version that is not chosen.
    if python is None or subprocess.run([python, "-V"], capture_output=True, check=False).returncode:
        pytest.skip(f"no python{version} in PATH")
    (tmp_path / "sample.py").write_text(SAMPLE, encoding="utf-8")
    environment = {"PYTHONHASHSEED": "7", "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C", "TZ": "Asia/Tokyo"}
    command = [python, "-S", "-c", DIGESTS, str(LIBRARY_FOLDER.parent), str(tmp_path)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    sample, own = json.loads(run.stdout)
    assert sample == code_of("sample", scripts=tmp_path)
    assert own == {script: code_of(script) for script in own}
    assert own.keys() == {path.stem for path in SCRIPTS.glob("*.py")}


@pytest.mark.parametrize(
    ("code", "same"),
    [
        ('X = "a" "b"\n', "X = 'ab'\n"),
        ('X = f"a{1}" "b"\n', "X = f'a{1}b'\n"),
        ('X = u"a"\n', "X = 'a'\n"),
        ("with (a as b, c as d): pass\n", "with a as b, c as d:\n    pass\n"),
        ("def f() -> int: 'doc'\n", "def f() -> int:\n    pass\n"),
        ("import typing\nif typing.TYPE_CHECKING:\n    import json\n", "import typing\n"),
    ],
)
def test_another_way_to_write_the_same_changes_no_digest(digests, code, same):
    assert digests(far=code) == digests(far=same)


@pytest.mark.parametrize(
    ("code", "other"),
    [
        ("X = 1\n", "X = True\n"),
        ("X = 1\n", "X = 1.0\n"),
        ("X = 'a'\n", "X = b'a'\n"),
        ("X = None\n", "X = ...\n"),
        ("X = {**a, 1: 2}\n", "X = {1: 2, **a}\n"),
        ("X = f'{x}'\n", "X = f'{x!r}'\n"),
        ("X = f'{x}y'\n", "X = f'y{x}'\n"),
        ("X = [[1], 2]\n", "X = [[1, 2]]\n"),
        ("def f(*, a=1, b): pass\n", "def f(*, a, b=1): pass\n"),
        ("a - (b - c)\n", "a - b - c\n"),
    ],
)
def test_what_runs_otherwise_has_another_digest(digests, code, other):
    assert changed(digests(far=code), digests(far=other)) == {"far"}


def test_a_digest_depends_on_the_code_and_not_on_where_it_lies(digests):
    assert digests() == digests()


def test_a_module_that_is_edited_gets_a_new_digest_in_the_same_process(tmp_path):
    (tmp_path / "run.py").write_text("a = 1\n")
    before = code_of("run", scripts=tmp_path, library=tmp_path)
    (tmp_path / "run.py").write_text("a = 2\n")
    os.utime(tmp_path / "run.py", (0, 0))  # a clock may be too coarse to tell the two apart
    assert code_of("run", scripts=tmp_path, library=tmp_path) != before


@pytest.mark.parametrize("room", ["figures", "probing_sets", "rankings", "tables", "evidence", "provenance"])
def test_no_forward_pass_depends_on_probing_sets_rankings_or_figures(room):
    reached = code_of("extract_activations")
    assert {"activations.extraction", "activations.store", "data.examples"} <= set(reached)
    assert [name for name in reached if name.split(".")[0] == room] == []


@pytest.mark.parametrize("script", ["extract_activations", "train_answer_heads", "finetune_checkpoint", "predict_answers"])
def test_a_forward_pass_depends_on_what_decides_its_type(script):
    assert {"checkpoints.devices", "checkpoints.processor"} <= set(code_of(script))


@pytest.mark.parametrize("rule", ["finetune_checkpoint", "train_answer_heads"])
def test_a_training_depends_on_the_module_that_its_processes_start(rule):
    rules = (LIBRARY_FOLDER.parent / "rules" / "finetuning.smk").read_text(encoding="utf-8")
    script, *modules = re.findall(r'"([\w.]+)"', re.search(rf"code=code_of\((.*{rule}.*)\)", rules)[1])
    assert "finetuning.worker" in code_of(script, *modules)


def test_a_probing_set_depends_on_its_own_task_alone():
    reached = code_of("build_probing_set", "probing_sets.tasks.synonyms")
    assert "probing_sets.tasks.synonyms" in reached
    assert "probing_sets.tasks.answer_type" not in reached


def test_a_files_digest_is_its_sha_256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert file_digest(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.fixture
def folder(tmp_path):
    for name in ("b", "a", "sub/c"):
        (tmp_path / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / name).write_text(name)
    return tmp_path / "folder"


def test_a_folders_digest_is_the_same_for_a_copy_made_in_another_order(folder, tmp_path):
    for name in ("sub/c", "a", "b"):
        (tmp_path / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "copy" / name).write_text(name)
    assert folder_digest(folder) == folder_digest(tmp_path / "copy")


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "sub" / "c").write_text("other"),
        lambda folder: (folder / "a").rename(folder / "d"),
        lambda folder: (folder / "a").unlink(),
        lambda folder: (folder / "sub" / "new").touch(),
    ],
    ids=["bytes", "name", "one less", "one more"],
)
def test_a_folders_digest_changes_with_its_names_and_bytes(folder, change):
    before = folder_digest(folder)
    change(folder)
    assert folder_digest(folder) != before


def test_what_watches_a_job_is_no_part_of_its_code(digests):
    script = "from pairprobe.provenance.jobs import job\nfrom pairprobe.near import g\n"
    watched = {"provenance/jobs": "from pairprobe.aside import h\n", "io/progress": "X = 1\n"}
    assert list(digests(script=script, **watched)) == ["far", "near", "scripts/run"]
