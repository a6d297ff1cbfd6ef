import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from cluster.clouds import KINDS
from orchestrator.cli import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments):
    return CliRunner().invoke(main, ["cluster", *map(str, arguments)])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "onprem"])
def test_what_init_prints_lints_without_an_error(kind, home):
    (home / "cluster.yaml").write_text(call("init", kind, "--storage", "s3://b/s", "--project", "p1", "--spot").output)

    linted = call("lint", "cluster.yaml")

    assert (linted.exit_code, linted.stdout) == (0, "")
    assert linted.stderr == "cluster.yaml: nothing to mend\n"


def test_init_takes_the_options_of_a_cluster(home):
    from cluster.launch_file import parse

    done = call(
        "init", "aws", "--name", "gpus", "--gpus", 4, "--accelerator", "T4", "--min-workers", 1, "--max-workers", 2,
        "--spot", "--spot-minutes", 3, "--price", 3.9, "--spot-price", 1.2, "--head-price", 0.2,
        "--region", "eu-west-1",
    )  # fmt: skip

    found = parse(done.output)
    assert done.exit_code == 0
    assert (found.name, found.spot_minutes, found.spec["provider"]["region"]) == ("gpus", 3, "eu-west-1")
    assert [(kind.kind, kind.least, kind.most, kind.price) for kind in found.workers] == [
        ("g4dn.12xlarge", 1, 2, 1.2),
        ("g4dn.12xlarge", 0, 2, 3.9),
    ]


def test_submit_stands_among_the_commands_of_a_cluster(home, monkeypatch):
    seen = {}
    monkeypatch.setattr(main.commands["submit"], "callback", lambda **given: seen.update(given))

    done = call("submit", "cluster.yaml", "study.yaml", "--trials", "12", "--set", "seed=3", "--detach")

    assert done.exit_code == 0, done.output
    assert (seen["study"], seen["cluster"], seen["trials"]) == ("study.yaml", "cluster.yaml", "12")
    assert (seen["settings"], seen["detach"], seen["address"]) == (("seed=3",), True, None)


def test_lint_ends_with_2_where_there_are_errors_and_with_0_for_warnings(home):
    text = call("init", "aws").output
    (home / "warned.yaml").write_text(text)
    (home / "broken.yaml").write_text(text.replace("  region:", "  regoin:"))

    warned, broken = call("lint", "warned.yaml"), call("lint", "warned.yaml", "broken.yaml")

    assert warned.exit_code == 0
    assert "warning metadata.a440.storage: nothing says where studies lie" in warned.stdout
    assert warned.stderr == "warned.yaml: 0 errors, 1 warning\n"
    assert broken.exit_code == 2
    assert "error provider.regoin: aws reads no such key" in broken.stdout
    assert broken.stderr == "warned.yaml, broken.yaml: 1 error, 2 warnings\n"


def test_json_is_one_object_per_finding(home):
    (home / "cluster.yaml").write_text(call("init", "gcp").output)

    done = call("lint", "--json", "cluster.yaml")

    findings = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["file"], one["severity"], one["place"]) for one in findings] == [
        ("cluster.yaml", "warning", "provider.project_id"),
        ("cluster.yaml", "warning", "metadata.a440.storage"),
    ]
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lint", "none.yaml"], "there is no file none.yaml. Write one: a440 cluster init aws > cluster.yaml"),
        (["init", "awz"], "no kind of cluster is called 'awz'. Write one of aws, gcp"),
        (["init", "aws", "--gpus", "3"], "Write --gpus 1"),
        (["lnit", "x"], "Did you mean 'lint'?"),
    ],
)
def test_mistakes_of_the_command_line_end_with_2_and_a_mend(arguments, message):
    done = call(*arguments)

    assert done.exit_code == 2
    assert message in done.output
    assert "Traceback" not in done.output


def test_what_a_file_says_cannot_write_to_the_terminal(home):
    (home / "cluster.yaml").write_text(call("init", "aws").output.replace("  region:", '  "re\\e[31mgion":'))

    done = call("lint", "cluster.yaml")

    assert "\x1b" not in done.output
    assert "\\x1b[31m" in done.output


def test_init_and_lint_load_neither_ray_nor_torch(home):
    (home / "cluster.yaml").write_text(call("init", "kuberay").output)
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from click.testing import CliRunner\n"
        "from orchestrator.cli import main\n"
        "for words in (['init', 'aws'], ['lint', 'cluster.yaml']):\n"
        "    assert CliRunner().invoke(main, ['cluster', *words]).exit_code == 0\n"
        "print(sorted({'ray', 'torch', 'pandas', 'pyarrow'} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert done.stdout.strip() == "[]", done.stderr
