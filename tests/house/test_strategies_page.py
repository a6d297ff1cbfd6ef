"""The page of strategies names everything, and what it says of each is so."""

import re
from pathlib import Path

import pytest

from search import PB2, PBT, Goal, Space, check_agreement, strategy_of, uniform
from search.notation import STRATEGIES, parse
from search.schedulers import needs_checkpoints

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "strategies.md"
ROWS = [
    (match[1], match[2])
    for match in re.finditer(r"^\| `(.+?)` \|.*\| ([^|]*) \|$", PAGE.read_text(), flags=re.MULTILINE)
]
SPACE = Space({"x": uniform(0, 1)})


def test_everything_that_can_be_written_is_on_the_page():
    named = {name for text, _ in ROWS for name in re.findall(r"([A-Z]\w+)\(", text)}

    assert named == set(STRATEGIES)


def agrees(strategy, *goal: str) -> bool:
    try:
        check_agreement(strategy, Goal.parse(list(goal)), SPACE)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(("text", "said"), ROWS, ids=[text for text, _ in ROWS])
def test_what_the_page_says_of_a_strategy_is_so(text, said):
    strategy = strategy_of(parse(text, STRATEGIES))

    assert agrees(strategy, "min loss")
    if "as its parts" not in said:
        assert agrees(strategy, "min loss", "max speed") == ("any goal" in said)
    if "every sampler; one objective" in said:
        assert agrees(strategy, "min loss per second") == ("per second" in said)
    if not said.startswith("all but") and "every sampler" not in said:
        return
    for mutating in (PBT(max_epochs=9), PB2(max_epochs=9)):
        if said.startswith("all but PBT"):
            with pytest.raises(ValueError, match="do not agree"):
                strategy.sampler + mutating
    assert needs_checkpoints(strategy.scheduler) == ("checkpoints" in said)
