import pytest

from search import FullLength, Random, Space, uniform
from tests.kit.simulation import World
from trainables.secrets import redact


@pytest.mark.parametrize(
    ("text", "environment"),
    [
        ("no access with hunter22", {"AWS_SECRET_ACCESS_KEY": "hunter22"}),
        ("https://me:hunter22@example.org/x", {}),
        ("WANDB_API_KEY=hunter22 was refused", {}),
        ("password: 'hunter22'", {}),
    ],
)
def test_secrets_are_blotted_out(text, environment):
    assert "hunter22" not in redact(text, environment)


def test_ordinary_words_stay():
    text = "KeyError: 'width' (train.py:3) at s3://bucket/path, token_count 12"

    assert redact(text, {"HOME": "/root/somewhere", "MY_KEY": "abc"}) == text


def test_a_failure_with_a_secret_in_it_reaches_the_ledger_without_it(monkeypatch):
    monkeypatch.setenv("MY_API_TOKEN", "hunter22hunter22")
    world = World(Space({"x": uniform(0, 1)}), Random() + FullLength(epochs=1), trials=2)
    [leg] = world.conductor.ask("lane", "a")
    world.conductor.begin(leg["trial"])

    world.conductor.note("began with hunter22hunter22")
    world.conductor.end(leg["trial"], "failed", "401 for hunter22hunter22", "Traceback ... hunter22hunter22")

    assert "hunter22" not in str(world.book.events)
