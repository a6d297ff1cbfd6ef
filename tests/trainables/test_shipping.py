"""Code on its way to the workers: what cannot be found or sent is named, what can be is whole on arrival."""

import functools
import importlib
import os
import pickle
import socket
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest

from trainables.parcel import own_folders, own_sources, unwrap
from trainables.shipping import pack, resolve

ROOF = Path(importlib.util.find_spec("trainables").origin).parents[1]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Writes a project's files, and forgets its modules afterwards."""
    before, path = set(sys.modules), list(sys.path)

    def write(**files):
        for name, text in files.items():
            file = tmp_path / (name.replace("__dot__", "/") + ".py")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(textwrap.dedent(text))
        return tmp_path

    yield write
    sys.path[:] = path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def elsewhere(packed, say, tmp_path):
    """What a process says of `things` that has a440 on its path, and nothing of the project."""
    (tmp_path / "packed").write_bytes(packed)
    place = tmp_path / "elsewhere"
    place.mkdir(exist_ok=True)
    script = f"import pickle, sys; things = pickle.load(open(sys.argv[1], 'rb')); {say}"
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "packed")],
        capture_output=True,
        text=True,
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOF), "PYTHONSAFEPATH": "1"},
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def shipped(packed, folder, say="print(things[0]({'x': 2}))"):
    """As `elsewhere`, with the project's folder moved away."""
    away = folder.with_name(folder.name + "-away")
    folder.rename(away)
    try:
        return elsewhere(packed, say, away)
    finally:
        away.rename(folder)


# -- packed whole ----------------------------------------------------------------------------------


def test_a_module_arrives_with_the_sibling_that_it_imports(project):
    folder = project(
        shipped_a="""
            import shipped_b
            from shipped_b import scale
            def train(params): return scale(params['x']) + shipped_b.ONE
        """,
        shipped_b="ONE = 1\ndef scale(x): return 10 * x",
    )
    train = resolve("shipped_a:train", folder)

    packed = pack(train)

    assert shipped(packed, folder) == "21"


def test_a_package_arrives_with_its_relative_imports_wherever_they_stand(project):
    folder = project(
        shipped_pkg__dot____init__="from .helper import ONE",
        shipped_pkg__dot__helper="import shipped_pkg.deep.more\nONE = 1\ndef one(): return shipped_pkg.deep.more.ONE",
        shipped_pkg__dot__deep__dot__more="from ..constants import ONE",
        shipped_pkg__dot__constants="ONE = 1",
        shipped_pkg__dot__train="""
            from . import helper, ONE
            def train(params):
                from .helper import one
                from shipped_pkg.constants import ONE as again
                return params['x'] + helper.one() + one() + ONE + again
        """,
    )
    train = resolve("shipped_pkg.train:train", folder)

    assert shipped(pack(train), folder) == "6"


def test_what_only_a_modules_own_import_can_make_is_made_on_arrival(project):
    folder = project(
        shipped_state="""
            import enum, functools, logging, threading
            LOCK, LOG = threading.Lock(), logging.getLogger(__name__)
            class Act(enum.Enum):
                RELU = 1
            @functools.cache
            def data(): return object()
            def train(params):
                with LOCK:
                    return data() is data() and Act(1) is Act.RELU
        """
    )

    assert shipped(pack(resolve("shipped_state:train", folder)), folder) == "True"


def test_a_class_and_what_travels_beside_it_arrive(project):
    folder = project(
        shipped_class="""
            from trainables import Trainable
            class Model(Trainable):
                def setup(self, params): self.x = params['x']
                def step(self): return {'loss': self.x}
                def save(self, folder): ...
                def load(self, folder): ...
            class Option:
                value = 5
        """
    )
    model = resolve("shipped_class:Model", folder)
    option = sys.modules["shipped_class"].Option()
    say = (
        "from trainables.contract import Brief; from trainables.start import kind_of, starter;"
        "print(kind_of(things[0]), starter(things[0], Brief('loss'))({'x': 2}, 0).step(), things[1].value, len(things))"
    )

    assert shipped(pack(model, option), folder, say) == "class {'loss': 2} 5 2"


def test_a_traceback_on_a_worker_shows_the_users_line(project):
    folder = project(shipped_wrong="def train(params):\n    return 1 / 0  # here\n")
    say = "import traceback\ntry: things[0]({})\nexcept ZeroDivisionError: print(traceback.format_exc())"
    packed = pack(resolve("shipped_wrong:train", folder))

    assert "return 1 / 0  # here" in shipped(packed, folder, f"exec({say!r})")


def test_the_drivers_code_wins_over_an_older_copy_on_the_worker(project, tmp_path):
    folder = project(shipped_new="def train(params): return 'new'")
    packed = pack(resolve("shipped_new:train", folder))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "shipped_new.py").write_text("def train(params): return 'old'")

    out = elsewhere(packed, "print(things[0]({}))", tmp_path)

    assert out == "new"


def test_a_function_of_the_main_script_arrives_with_all_that_it_uses(project, tmp_path):
    folder = project(
        shipped_main="""
            import functools, sys
            from pathlib import Path
            import shipped_beside
            from shipped_beside import twice
            from trainables.shipping import pack
            @functools.cache
            def data(): return [3]
            @functools.lru_cache(maxsize=2)
            def more(n): return n
            def inner(x): return twice(x) + data()[0] + more(1) + shipped_beside.ONE
            def train(params): return inner(params['x']) if data() is data() else None
            if __name__ == '__main__':
                Path(sys.argv[1]).write_bytes(pack(train))
        """,
        shipped_beside="ONE = 1\ndef twice(x): return 2 * x",
    )
    script = [sys.executable, str(folder / "shipped_main.py"), str(tmp_path / "main.pickle")]
    subprocess.run(script, check=True, env={**os.environ, "PYTHONPATH": str(ROOF)}, cwd="/")
    packed = (tmp_path / "main.pickle").read_bytes()

    assert shipped(packed, folder) == "9"


def test_lambdas_closures_partials_and_bound_methods_arrive(tmp_path):
    offset = np.arange(3)

    @functools.cache
    def cached():
        return 1

    def train(params, scale=1):
        return int(offset.sum()) * scale * params["x"] + cached()

    class Model:
        def __init__(self, y):
            self.y = y

        def fit(self, params):
            return self.y + params["x"]

    packed = pack(lambda params: params["x"], train, functools.partial(train, scale=2), Model(5).fit)

    say = "print([thing({'x': 2}) for thing in things])"
    assert elsewhere(packed, say, tmp_path) == "[2, 7, 13, 7]"


def test_modules_that_are_installed_or_ours_do_not_travel():
    names = own_sources()

    assert not {name.split(".")[0] for name in names} & {"numpy", "pytest", "trainables", "search", "json", "__main__"}
    assert __name__ in names
    assert len(pack(lambda params: 1)) < 2**20


def test_folders_of_libraries_do_not_travel_but_the_users_do(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path), str(tmp_path / "gone")])

    folders = own_folders()

    assert str(tmp_path) in folders
    assert str(tmp_path / "gone") not in folders
    assert not [folder for folder in folders if "site-packages" in folder or folder.endswith("lib-dynload")]


def test_an_import_that_only_runs_later_finds_the_folder_where_the_host_has_it(project, monkeypatch):
    folder = project(
        shipped_late="def train(params):\n    import shipped_later\n    return shipped_later.ONE",
        shipped_later="ONE = 1",
    )
    packed = pack(resolve("shipped_late:train", folder))

    assert elsewhere(packed, "print(things[0]({}))", folder) == "1"


def test_unpacking_where_everything_is_loaded_changes_nothing():
    finders, path = list(sys.meta_path), list(sys.path)

    train, more = pickle.loads(pack(resolve, {"a": 1}))

    assert (train, more) == (resolve, {"a": 1})
    assert (sys.meta_path, sys.path) == (finders, path)
    assert unwrap({}, [], pickle.dumps((1, 2))) == (1, 2)


# -- what is wrong with it -------------------------------------------------------------------------


def test_a_large_array_in_a_closure_is_named_with_its_size():
    table = np.zeros(60 * 2**17)
    small = np.zeros(10)

    def train(params):
        return table.sum() + small.sum()

    message = (
        r"the trainable '.*train' carries 'table' of 60 MiB to every worker\. "
        r"Load it inside the function from a file, once per process \(functools\.cache\)\."
    )
    with pytest.raises(ValueError, match=message):
        pack(train)
    with pytest.raises(ValueError, match="carries 'table' of 60 MiB"):
        pack(functools.partial(train, 3), {"more": 1})


def test_a_large_array_is_named_wherever_it_hides():
    table = np.zeros(60 * 2**17)

    class Model:
        def __init__(self, weights):
            self.weights = weights

        def train(self, params):
            return 1

    class Held:
        weights = table

        def __call__(self, params):
            return 1

    def train(params, default=table):
        return 1

    for source, name in (
        (Model(table).train, "weights"),
        (Held, "weights"),
        (Held(), "weights"),
        (train, "default"),
        (functools.partial(lambda params, data: 1, data=table), "data"),
    ):
        with pytest.raises(ValueError, match=f"carries '{name}' of 60 MiB"):
            pack(source)


@pytest.fixture
def unsendable(tmp_path):
    with (tmp_path / "log").open("w") as file, socket.socket() as connection:
        yield {
            "lock": (threading.Lock(), "lock"),
            "file": (file, "TextIOWrapper"),
            "socket": (connection, "socket"),
            "generator": ((n for n in range(3)), "generator"),
            "thread": (threading.Thread(), r"\w*"),
        }


@pytest.mark.parametrize("kind", ["lock", "file", "socket", "generator", "thread"])
def test_a_captured_object_that_cannot_be_sent_is_named(unsendable, kind):
    captured, type_name = unsendable[kind]

    def helper():
        return captured

    def train(params):
        return [helper() for _ in range(3)]

    class Model:
        def __init__(self):
            self.captured = captured

        def train(self, params):
            return 1

    message = (
        rf"the trainable '.*' cannot be sent to workers: '\w*' \({type_name}\): .*\. "
        rf"Make that object inside the function, from params\."
    )
    for source in (train, Model().train, functools.partial(train, captured)):
        with pytest.raises(ValueError, match=message):
            pack(source)
    if kind != "thread":
        with pytest.raises(ValueError, match=r"'captured' \("):
            pack(train)


def test_what_travels_beside_the_trainable_is_checked_too():
    with pytest.raises(ValueError, match=r"cannot be sent to workers: 'gate' \(lock\)"):
        pack(lambda params: 1, {"gate": threading.Lock()})


# -- found by name ---------------------------------------------------------------------------------


def test_a_name_resolves_to_its_object_and_a_file_written_a_moment_ago_is_found(project):
    folder = project(found_a="def train(params): return 1", found_pkg__dot__b="class Model: ...")

    assert resolve("found_a:train", folder)({}) == 1
    assert resolve("found_pkg.b:Model", folder).__name__ == "Model"
    project(found_c="def train(params): return 3")
    assert resolve("found_c:train", folder)({}) == 3


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("found_a", "examples.digits:DigitsMLP"),
        ("found_a.train", "found_a:train"),
        ("pkg/found_a.py:train", "pkg.found_a:train"),
        ("./found_a.py:train", "found_a:train"),
        (":train", "examples.digits:DigitsMLP"),
        ("found_a:", "examples.digits:DigitsMLP"),
        ("found_a:b:c", "examples.digits:DigitsMLP"),
        (".found_a:train", "found_a:train"),
        ("", "examples.digits:DigitsMLP"),
        ("os; print(1):x", "examples.digits:DigitsMLP"),
    ],
)
def test_a_name_of_another_form_is_refused_with_what_was_meant(name, meant, tmp_path):
    with pytest.raises(ValueError) as caught:
        resolve(name, tmp_path)

    assert str(caught.value) == f"train is {name!r}. Write module:name, such as train: {meant}."


BROKEN = {
    "broken_syntax": "def train(params)\n    return 1\n",
    "broken_third": "import no_such_package.inner\n",
    "broken_from": "from json import no_such_name\n",
    "broken_value": "x = 1\nraise ValueError('no data\\nhere')\n",
    "broken_exit": "import sys\nsys.exit(2)\n",
    "broken_inner": "import broken_syntax\n",
    "found_model": "class DigitsMLP: ...\ndef train(params): ...\n",
}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "found_modle:train",
            r"names the module 'found_modle', which is .*\. Did you mean 'found_model'\?",
        ),
        ("nowhere.at_all:train", r"names the module 'nowhere', which is not found from .*\. Run from the folder"),
        ("found_model:DigitMLP", r"found_model has no 'DigitMLP'\. Did you mean 'DigitsMLP'\?"),
        ("found_model:zzz", r"found_model has no 'zzz'\. It has: DigitsMLP, train\."),
        ("found_model.deeper:train", r"names the module 'found_model\.deeper', which is not found|is not a package"),
        ("broken_syntax:train", r"syntax error in .*broken_syntax\.py:1 \(expected ':'\)\. Mend that line\."),
        ("broken_inner:train", r"syntax error in .*broken_syntax\.py:1 .*\. Mend that line\."),
        ("broken_third:train", r"imports 'no_such_package' in broken_third\.py:1, which .*\. Run: pip install no_such"),
        ("broken_from:train", r"fails when imported \(ImportError: cannot import name.*\) in broken_from\.py:1\. Mend"),
        (
            "broken_value:train",
            r"fails when imported \(ValueError: no data here\) in broken_value\.py:2\. Mend",
        ),
        (
            "broken_exit:train",
            r"calls sys\.exit\(2\) when it is imported in broken_exit\.py:2\. Put",
        ),
    ],
)
def test_what_cannot_be_found_or_imported_is_refused_with_the_part_that_is_wrong(project, name, message):
    folder = project(**BROKEN)

    with pytest.raises(ValueError, match=message) as caught:
        resolve(name, folder)

    assert str(caught.value).startswith("train: ")
    assert "\n" not in str(caught.value)
