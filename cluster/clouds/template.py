"""Templates of launch files: `{{word}}` inside a line is a value, alone on a line it is a block of lines."""

import json
import re
from collections.abc import Mapping
from importlib.resources import files

_WORD = re.compile(r"\{\{(\w+)\}\}")
_PLAIN = re.compile(r"[A-Za-z/~][A-Za-z0-9_./@+=~-]*(:[A-Za-z0-9_./@+=~-]+)*")
_READ_OTHERWISE = re.compile(r"(?i)~|y|n|yes|no|on|off|true|false|null")


def fill(name: str, values: Mapping[str, str]) -> str:
    """The template of that name with its words replaced; blocks keep their line's indentation, empty ones go."""
    lines: list[str] = []
    for line in files("cluster.clouds").joinpath("templates", f"{name}.yaml").read_text(encoding="utf-8").splitlines():
        if (alone := _WORD.fullmatch(line.strip())) is not None:
            indent = line[: len(line) - len(line.lstrip())]
            lines.extend(f"{indent}{row}".rstrip() for row in values[alone[1]].splitlines())
        else:
            lines.append(_WORD.sub(lambda word: values[word[1]], line))
    return "\n".join(lines) + "\n"


def scalar(text: str) -> str:
    """A text as YAML reads it back: quoted where it could be read as something else.

    >>> scalar("eu-west-1"), scalar("1.20"), scalar("no")
    ('eu-west-1', '"1.20"', '"no"')
    """
    return (
        text if _PLAIN.fullmatch(text) and not _READ_OTHERWISE.fullmatch(text) else json.dumps(text, ensure_ascii=False)
    )
