"""The notation: what is read, and that nothing else is, however it is asked."""

import contextlib
import inspect
import math
import warnings

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from search import (
    ASHA,
    PBT,
    TPE,
    FullLength,
    Grid,
    Random,
    Space,
    Strategy,
    choice,
    integer,
    logint,
    loguniform,
    uniform,
)
from search.notation import BELIEFS, DOMAINS, LONGEST, STRATEGIES, parse
from tests.kit.spaces import spaces


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("uniform(0, 1)", uniform(0, 1)),
        ("uniform(low=-1e-3, high=+0.5)".replace("+", ""), uniform(-1e-3, 0.5)),
        ("  loguniform( 1e-5 ,1e-1 )\n", loguniform(1e-5, 1e-1)),
        ("uniform(0, 1, step=.25)", uniform(0, 1, step=0.25)),
        ("integer(-4, 4, 2)", integer(-4, 4, step=2)),
        ("logint(1, 1_000)", logint(1, 1000)),
        ("choice('relu', \"gelu\")", choice("relu", "gelu")),
        ("choice(['relu', 'gelu'])", choice("relu", "gelu")),
        ("choice(True, 1, 1.0, None, -2)", choice(True, 1, 1.0, None, -2)),
        (
            "choice([1, 2], [3], {'a': [-1]}, (1, 2), {-1: 'x', (1, 2): 'y'})",
            choice([1, 2], [3], {"a": [-1]}, (1, 2), {-1: "x", (1, 2): "y"}),
        ),
        ("choice(1.0, inf, -inf)", choice(1.0, math.inf, -math.inf)),
        ("choice(sgd={'momentum': uniform(0, 0.99)}, adam={})", choice(sgd={"momentum": uniform(0, 0.99)}, adam={})),
        (
            "choice('none', sgd={'m': choice(a={'b': [1, 2]}, c={}), 'g': {'h': integer(1, 2)}})",
            choice("none", sgd={"m": choice(a={"b": [1, 2]}, c={}), "g": {"h": integer(1, 2)}}),
        ),
        ("-1e-3", -1e-3),
        ("5", 5),
        ("'text'", "text"),
        ("[1, 'a', None]", [1, "a", None]),
    ],
)
def test_domains_are_read(text, value):
    read = parse(text, DOMAINS)

    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("TPE", TPE()),
        ("TPE()", TPE()),
        ("TPE(startup=5)", TPE(startup=5)),
        ("Grid", Grid()),
        ("Grid(5)", Grid(points=5)),
        ("Random()+ASHA(27)", Random() + ASHA(max_epochs=27)),
        ("TPE + ASHA(max_epochs=27, promote=True)", TPE() + ASHA(max_epochs=27, promote=True)),
        ("(TPE() + ASHA(max_epochs=27))", TPE() + ASHA(max_epochs=27)),
        ("Random() + PBT(max_epochs=9, mutate=['lr'])", Random() + PBT(max_epochs=9, mutate=("lr",))),
        ("Random() + FullLength", Strategy(Random())),
        ("FullLength(epochs=3)", FullLength(epochs=3)),
    ],
)
def test_strategies_are_read(text, value):
    assert parse(text, STRATEGIES) == value


@given(spaces)
def test_a_space_is_read_as_it_is_written(space):
    if len(str(space)) <= LONGEST:
        assert Space(parse(str(space), DOMAINS)) == space


@pytest.mark.parametrize(
    ("text", "names", "match"),
    [
        ("uniforn(0, 1)", DOMAINS, r"'uniforn' is unknown\. Did you mean 'uniform'\?"),
        ("asha(9)", STRATEGIES, r"'asha' is unknown\. Did you mean 'ASHA'\?"),
        ("tpe", STRATEGIES, r"'tpe' is unknown\. Did you mean 'TPE'\?"),
        ("Hyperion()", STRATEGIES, r"'Hyperion' is unknown\. Did you mean 'Hyperband'\?"),
        ("ASHA(max_epoch=9)", STRATEGIES, r"ASHA\(max_epoch=\.\.\.\) is unknown\. Did you mean 'max_epochs'\?"),
        ("TPE(start=9)", STRATEGIES, r"TPE\(start=\.\.\.\) is unknown\. Did you mean 'startup'\?"),
        ("uniform(0, 1, steps=1)", DOMAINS, r"uniform\(steps=\.\.\.\) is unknown\. Did you mean 'step'\?"),
        ("uniform(0)", DOMAINS, r"missing a required argument: 'high'\. Write uniform\(0, 1\)\."),
        ("uniform(0, 1, 2, 3)", DOMAINS, r"too many positional arguments\. Write uniform\(0, 1\)\."),
        ("uniform", DOMAINS, r"missing a required argument: 'low'\. Write uniform\(0, 1\)\."),
        ("ASHA()", STRATEGIES, r"missing a required argument: 'max_epochs'\. Write ASHA\(max_epochs=27\)\."),
        ("ASHA(9, max_epochs=9)", STRATEGIES, r"multiple values for argument 'max_epochs'\. Write"),
        ("uniform('a', 1)", DOMAINS, r"has the bound 'a'\. Use two finite numbers\."),
        ("uniform(0, 1e400)", DOMAINS, r"has the bound inf\. Use two finite numbers\."),
        ("uniform(nan, 1)", DOMAINS, r"has the bound nan\. Use two finite numbers\."),
        ("TPE(startup=3, startup=4)", STRATEGIES, r"'startup' is given twice in .*\. Keep one of the two\."),
        ("choice(a={}, a={'x': uniform(0, 1)})", DOMAINS, r"'a' is given twice in .*\. Keep one of the two\."),
        ("choice(a={'x': [1, 2], 'x': [3, 4]})", DOMAINS, r"'x' is given twice in .*\. Keep one of the two\."),
        ("choice({[1]: 2}, 3)", DOMAINS, r"\[1\] in .* cannot be a name\. Write \{'momentum'"),
        ("choice(sgd={'m': unifrom(0, 1)})", DOMAINS, r"'unifrom' is unknown\. Did you mean 'uniform'\?"),
        ("ASHA(max_epochs=9) + TPE()", STRATEGIES, r"wrong order\. Put the sampler first"),
        ("TPE() + TPE()", STRATEGIES, r"is no strategy\. Add a scheduler"),
        ("TPE() + 5", STRATEGIES, r"TPE\(\) \+ 5 is no strategy\. Add a scheduler"),
        ("5 + TPE()", STRATEGIES, r"5 \+ TPE\(\) cannot be added\. Add a sampler and a scheduler"),
        ("TPE() + ASHA(9) + ASHA(9)", STRATEGIES, r"cannot be added\. Add a sampler"),
        ("TPE() + PBT(9)", STRATEGIES, r"do not agree\. Use Random\(\)"),
        ("TPE() - ASHA(9)", STRATEGIES, r"'TPE\(\) - ASHA\(9\)' in .* is no value of ours\. Write a sampler"),
        ("uniform(0, 1", DOMAINS, r"'uniform\(0, 1' cannot be read at column 8\. Write a domain such as"),
        ("", DOMAINS, r"'' cannot be read.*\. Write a domain"),
        ("uniform(0, 1)\nuniform(0, 1)", DOMAINS, r"cannot be read.*\. Write a domain"),
        ("uniform(0, 1)\0", DOMAINS, r"cannot be read\. Write a domain"),
        ("'\ud800'", DOMAINS, r"cannot be read\. Write a domain"),
        (5, DOMAINS, r"5 \(int\) is no text\. Write a domain"),
        (None, STRATEGIES, r"None \(NoneType\) is no text\. Write a sampler"),
        ("x" * 2001, DOMAINS, r"a value of 2001 characters was given\. Keep it under 2000"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_was_seen_and_a_mend(text, names, match):
    with pytest.raises(ValueError, match=match):
        parse(text, names)


EVIL = [
    "__import__('os').system('true')",
    "__import__('os')",
    "uniform.__globals__",
    "().__class__.__bases__[0].__subclasses__()",
    "choice(*[1, 2])",
    "choice(**{'a': {}})",
    "choice({**{'a': 1}}, 2)",
    "choice([*'ab'])",
    "[x for x in (1, 2)]",
    "{x: x for x in (1, 2)}",
    "choice(x for x in (1, 2))",
    "lambda: 0",
    "(lambda: uniform(0, 1))()",
    "uniform(0, 1)(2)",
    "choice([1, 2])[0]",
    "(x := 5)",
    "f'{uniform}'",
    "b'bytes'",
    "...",
    "1j",
    "9 ** 9 ** 9",
    "10 * [0]",
    "'a' + 'b'",
    "[1] + [2]",
    "1 if True else 2",
    "1 < 2",
    "True and 1",
    "not 1",
    "~1",
    "-True",
    "-'a'",
    "--1",
    "{1, 2}",
    "await x",
    "yield",
    "import os",
    "x = 5",
    "parse",
    "open('/etc/passwd')",
    "print(1)",
    "inf()",
    "uniform(low=uniform, high=1)",
]


@pytest.mark.parametrize("text", EVIL)
@pytest.mark.parametrize("names", [DOMAINS, STRATEGIES])
def test_nothing_else_is_ever_evaluated(text, names):
    with pytest.raises(ValueError, match=r"(?s)^.+\. [A-Z].+[.?]$"):
        parse(text, names)


BOMBS = [
    "(" * 1000 + "1" + ")" * 999,
    "(" * 500,
    "[" * 999 + "]" * 999,
    "[" * 90 + "]" * 90,
    "{1:" * 400 + "1" + "}" * 400,
    "-" * 1999 + "1",
    "not " * 400 + "1",
    "~" * 1999 + "1",
    "+".join(["1"] * 1000),
    "+".join(["TPE"] * 400),
    "choice(" * 280,
    "choice(" * 180 + "1" + ")" * 180,
    "choice(a={'a': " * 60 + "[1]" + "})" * 60,
    "lambda:" * 250 + "1",
    "x if x else " * 160 + "x",
    "x" + ".x" * 990,
    "x" + "[0]" * 660,
    "x" + "()" * 990,
    "9" * 2000,
    "1e" + "9" * 1900,
]


@pytest.mark.parametrize("text", BOMBS, ids=range(len(BOMBS)))
@pytest.mark.filterwarnings("ignore:.*leaves nothing to choose")
def test_bombs_are_refused_or_read_but_never_explode(text, benchmark_s):
    def read() -> None:
        for names in (DOMAINS, STRATEGIES):
            try:
                parse(text, names)
            except ValueError as error:
                assert len(str(error)) < 3000  # noqa: PT017

    assert benchmark_s(read) < 2


@given(st.text(max_size=60))
@example("'\\d' is 1")
@example("1is 2")
@example("(1)(2)")
@example("'\\N{nothing}'")
@example("# just a comment")
def test_any_text_is_read_or_refused_and_python_warns_of_nothing_in_it(text):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*leaves nothing to choose")
        for names in (DOMAINS, STRATEGIES):
            with contextlib.suppress(ValueError):
                parse(text, names)


@pytest.mark.filterwarnings("ignore:.*leaves nothing to choose")
@given(
    st.lists(
        st.sampled_from([*"()[]{}',:=+-.*1e\n ", "uniform", "choice", "TPE", "ASHA", "max_epochs", "**", "inf"]),
        max_size=25,
    )
)
def test_any_heap_of_words_is_read_or_refused(words):
    for names in (DOMAINS, STRATEGIES):
        with contextlib.suppress(ValueError):
            parse("".join(words), names)


EVERYTHING = {**DOMAINS, **STRATEGIES, **BELIEFS}


def takes_anything(function):
    return any(p.kind is p.VAR_POSITIONAL for p in inspect.signature(function).parameters.values())


@pytest.mark.parametrize("name", [name for name, function in EVERYTHING.items() if not takes_anything(function)])
def test_what_is_written_for_wrong_arguments_can_be_pasted(name):
    with pytest.raises(ValueError, match="Write ") as refused:
        parse(f"{name}(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)", EVERYTHING)

    mend = str(refused.value).rpartition("Write ")[2].rstrip(".")
    assert parse(mend, EVERYTHING) is not None


def test_a_text_without_quotes_is_told_as_one():
    with pytest.raises(ValueError, match=r"'optuna' in .* is unknown\. Quote it if it is a text: 'optuna'\."):
        parse("TPE(engine=optuna)", STRATEGIES)
