"""Study files: what is read, what is refused, and that nothing else can come out."""

import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core_schema import is_text
from orchestrator.strict_yaml import MAX_DEPTH, MAX_PROBLEMS, YamlError, read, write

JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
MAPPINGS = st.dictionaries(st.text(), JSON_LIKE, min_size=1, max_size=5)
WORDS = r"a b [ ] { } , &x *x !!str !t ' \ \U FFFFFFFF ? << | > # %YAML --- ... 010 1e9 .nan @ - :"
YAML_CRUMBS = st.sampled_from([*WORDS.split(" "), '"', ": ", "- ", "? ", "\n", "  ", "\t", "\x85"])


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(YamlError) as caught:
        read(text)
    return caught.value.problems


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 100000.0),
        (".5", 0.5),
        ("-3", -3),
        ("+4", 4),
        ("0", 0),
        ("0x1f", 31),
        ("0o17", 15),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("no", "no"),
        ("y", "y"),
        ("1:30", "1:30"),
        ("2026-01-01", "2026-01-01"),
        ("nan", "nan"),
        ("=", "="),
        ("'010'", "010"),
        ('"1e-3"', "1e-3"),
    ],
)
def test_a_bare_word_means_what_it_looks_like(word, value):
    document = read(f"key: {word}")

    assert document.data == {"key": value}
    assert type(document.data["key"]) is type(value)


@pytest.mark.parametrize(
    ("word", "mend"),
    [
        ("010", "Write 10, or '010' in quotes for text."),
        ("-007", "Write -7, or '-007' in quotes for text."),
        ("1_000", "Write 1000, or '1_000' in quotes for text."),
        ("0b101", "Write 5, or '0b101' in quotes for text."),
        (".nan", "Write a number, or null for none."),
        ("-.inf", "Write a number, or null for none."),
        ("1e999", "Write a smaller number, or null for none."),
        ("9" * 5000, "Write a shorter number, or quotes for text."),
        ("0x" + "f" * 5000, "Write a shorter number, or quotes for text."),
    ],
)
def test_a_number_that_readers_disagree_on_is_refused_with_its_mend(word, mend):
    (problem,) = problems(f"space:\n  lr: {word}")

    assert problem.startswith("study.yaml:2 space.lr: ")
    assert problem.endswith(mend)


def test_every_duplicate_key_is_told_with_both_lines():
    text = "goal: min loss\nspace:\n  lr: 1\n  lr: 2\ngoal: max acc\n"

    assert problems(text) == (
        "study.yaml:4 space.lr: this key is already in line 3. Keep one of the two.",
        "study.yaml:5 goal: this key is already in line 1. Keep one of the two.",
    )


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a: !!python/object/apply:os.system [echo]", "study.yaml:1 a: tag:yaml.org,2002:python/object/apply"),
        ("a: 1\nb: !x 5", "study.yaml:2 b: !x is a tag, and tags can run code. Remove it."),
        ("a: !u!x 5", "undefined tag handle"),
        ("a: &x 1", "&x is an anchor. Remove it"),
        ("a: 1\nb: *x", "study.yaml:2 b: *x is an alias. Write the value out."),
        ("<<: {a: 1}", "<< merges another mapping. Write its keys out."),
        ("1: a", "1 is a key, and keys are text. Write '1' before the colon."),
        ("true: a", "true is a key, and keys are text."),
        ("? \n: a", "a key is missing, and keys are text."),
        ("? [a]\n: b", "a key is a list, a mapping or an alias."),
        ("%YAML 1.1\n---\na: 1", "there is a % directive."),
        ("%YAML 1." + "9" * 5000 + "\n---\na: 1", "study.yaml:1: "),
        ("a: 1\n---\nb: 2", "study.yaml:2: a second document begins."),
        ("- a", "the file holds a list. Write `key: value` lines."),
        ("just text", "the file holds a single value."),
        ("", "the file is empty. Write `key: value` lines."),
        ("# nothing but a comment\n", "the file is empty."),
        ("---\n", "the file is empty."),
        ("a: 1\nb: [1, 2", "Close the bracket"),
        ("a: 1\nb: {c: 2", "Close the bracket"),
        ("a: [1, 2]]", "Remove the bracket that nothing opened"),
        ("a: 'open", "Close the quotes"),
        ("a: b: c", "Put the value in quotes"),
        ("a:\n  b: 1\n c: 2", "study.yaml:3: "),
        ("a: 1\n\tb: 2", "study.yaml:2: there is a tab. Write spaces"),
        ("a: \x1b[31m", "there is the control character U+001B."),
        ("a: x\u2028y", "there is the control character U+2028."),
        ("a: \ud800", "there is the control character U+D800."),
        ('a: "\\ud800"', "there is half a character"),
        ('a: "\\UFFFFFFFF"', "an escape that no character has."),
        ("a: " + "x" * 1_000_001, "the file has more than 1 MB."),
        ("a: " + "é" * 600_000, "the file has more than 1 MB."),
    ],
)
def test_what_is_no_plain_mapping_is_refused_with_its_line_and_mend(text, seen):
    (problem,) = problems(text)

    assert seen in problem
    assert problem.startswith("study.yaml:")
    assert len(problem) < 400


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_deep_nesting_is_refused_at_once(opening):
    text = "a:\n  " + opening * 20_000
    start = time.monotonic()

    (problem,) = problems(text)

    assert f"this is nested deeper than {MAX_DEPTH} levels." in problem or "key is a" in problem
    assert time.monotonic() - start < 3


def test_an_alias_bomb_is_never_multiplied_out():
    levels = [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, 40)]

    told = problems("l0: &l0 [lol]\n" + "\n".join(levels))

    assert len(told) == MAX_PROBLEMS
    assert "&l0 is an anchor" in told[0]


def test_nesting_up_to_the_bound_is_read():
    text = "a: " + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)

    assert read(text).data["a"] == yaml.safe_load(text)["a"]


def test_a_path_leads_to_the_line_of_its_key_or_of_the_nearest_around_it():
    document = read("train: x\nspace:\n  lr: 1\n  act:\n    - relu\n    - gelu\n")

    assert document.line(("space", "lr")) == 3
    assert document.line(("space", "act", 1)) == 6
    assert document.line(("space", "act", 7, "typo")) == 4
    assert document.line(("space", "typo")) == 2
    assert document.line(("typo",)) == document.line(()) == 1


def test_the_message_begins_with_the_files_own_name():
    with pytest.raises(YamlError, match=r"^conf/my\.yaml:2 b: "):
        read("a: 1\nb: 010", name="conf/my.yaml")


def test_control_characters_in_a_key_are_shown_escaped_and_cut():
    (problem,) = problems('"' + "\\e[31m" + "k" * 5000 + '": 010')

    assert "\x1b" not in problem
    assert len(problem) < 300


def test_windows_line_ends_and_a_byte_order_mark_are_read():
    document = read("\ufeffa: 1\r\nb: 2\r\n")

    assert document.data == {"a": 1, "b": 2}
    assert document.line(("b",)) == 2


@given(st.text() | st.lists(YAML_CRUMBS, max_size=30).map("".join))
def test_whatever_text_comes_only_a_document_or_a_yaml_error_comes_out(text):
    try:
        outcome = read(text)
    except YamlError as error:
        outcome = error

    told = outcome.problems if isinstance(outcome, YamlError) else ("study.yaml:",)
    assert told
    assert all(problem.startswith("study.yaml:") for problem in told)
    assert isinstance(outcome, YamlError) or isinstance(outcome.data, dict)


def texts(value):
    match value:
        case str():
            yield value
        case list():
            for item in value:
                yield from texts(item)
        case dict():
            for key, item in value.items():
                yield key
                yield from texts(item)


def speaks_the_same_in_yaml_1_1(word: str) -> bool:
    """PyYAML writes text like `1e-3` and `0o7` bare, for they are text in YAML 1.1; `write` quotes them."""
    return is_text(word) or yaml.safe_dump(word).startswith(("'", '"'))


@given(MAPPINGS)
def test_what_pyyaml_writes_reads_back_equal(data):
    if all(speaks_the_same_in_yaml_1_1(word) for word in texts(data)):
        assert read(yaml.safe_dump(data)).data == data


@given(MAPPINGS)
def test_what_we_write_reads_back_equal_here_and_in_pyyaml(data):
    text = write(data)

    assert read(text).data == data
    assert yaml.safe_load(text) == data


def test_a_list_met_twice_is_written_twice():
    shared = [1, 2]

    text = write({"a": shared, "b": shared, "c": "1e-3", "d": "x\x85y\tz"})

    assert read(text).data == {"a": [1, 2], "b": [1, 2], "c": "1e-3", "d": "x\x85y\tz"}
