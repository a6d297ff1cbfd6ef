"""YAML without its traps: what is read is what a careful reader expects, or it is refused with its line.

Refused, because readers disagree on them or because they can do harm: duplicate and non-text keys, tags,
anchors and aliases, merge keys, directives, several documents, tabs, control characters, over 1 MB, over 50
levels, and the bare words that `core_schema` refuses. PyYAML's parser gives the events; no constructor runs.

>>> read("lr: 1e-3\\nuse: on").data
{'lr': 0.001, 'use': 'on'}
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias

import yaml

from orchestrator.core_schema import TroubleError, is_text, plain, shown

MAX_BYTES = 1_000_000
MAX_DEPTH = 50
MAX_PROBLEMS = 20

Path: TypeAlias = tuple[str | int, ...]

# \x85, U+2028 and U+2029 too: PyYAML breaks lines there, editors and YAML 1.2 do not.
_FORBIDDEN = re.compile("[^\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


class YamlError(ValueError):
    """What is wrong in the file, one line per problem: `file:line key: what was seen. Mend.`"""

    @property
    def problems(self) -> tuple[str, ...]:
        return self.args

    def __str__(self) -> str:
        return "\n".join(self.args)


@dataclass(frozen=True, slots=True)
class Document:
    """A mapping read from YAML, and where each of its keys stands.

    Attributes:
        data: plain dicts, lists, str, int, float, bool and None.
        lines: from the path of a key or list item to its line, counted from 1.
    """

    data: dict[str, Any]
    lines: Mapping[Path, int]

    def line(self, path: Path) -> int:
        """The line of the key at `path`, or of the nearest enclosing one that is written.

        >>> read("space:\\n  lr: 1").line(("space", "lr", "log"))
        2
        """
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read(text: str, name: str = "study.yaml") -> Document:
    """Reads one mapping; `name` is how the file is called in the errors."""
    return _Reader(name).document(text)


def write(data: Mapping[str, Any]) -> str:
    """YAML that `read` gives back equal; other readers, too.

    >>> write({"widths": [8, 16], "lr": "1e-3"})
    "widths: [8, 16]\\nlr: '1e-3'\\n"
    """
    return yaml.dump(
        dict(data), Dumper=_Dumper, sort_keys=False, default_flow_style=None, allow_unicode=True, width=100
    )


class _Dumper(yaml.SafeDumper):
    """PyYAML speaks YAML 1.1: it writes the text '1e-3' bare, and a list met twice as an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = '"' if _FORBIDDEN.search(text) else None if is_text(text) else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


@dataclass
class _Reader:
    """One pass over the events of PyYAML's parser; values and lines are put together here."""

    name: str
    problems: list[str] = field(default_factory=list)
    lines: dict[Path, int] = field(default_factory=dict)

    def document(self, text: str) -> Document:
        self._check_text(text)
        data: Any = None
        try:
            data = self._only_document(yaml.parse(text, Loader=yaml.SafeLoader))
        except YamlError:
            raise
        except yaml.MarkedYAMLError as error:
            self._tell(_line(error.problem_mark or error.context_mark), (), _syntax(error))
        except (yaml.YAMLError, ValueError, OverflowError):  # an escape such as "\UFFFFFFFF"
            self._tell(1, (), "there is a number or an escape that no character has. Write the character itself.")
        self._raise_problems()
        return Document(data, self.lines)

    def _check_text(self, text: str) -> None:
        """What must be known before the parser sees the text."""
        if len(text) > MAX_BYTES or len(text.encode(errors="replace")) > MAX_BYTES:
            self._stop(1, (), "the file has more than 1 MB. Keep data in files of their own and name their paths here.")
        for found in _FORBIDDEN.finditer(text):
            line = len(re.findall(r"\r\n|\r|\n", text[: found.start()])) + 1
            if found[0] == "\t":
                self._tell(line, (), 'there is a tab. Write spaces, or "\\t" inside double quotes.')
            else:
                code = f"U+{ord(found[0]):04X}"
                self._tell(line, (), f"there is the control character {code}. Remove it, or save as UTF-8.")
        self._raise_problems()

    def _only_document(self, events: Iterator[Any]) -> Any:
        data: Any = None
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._stop(_line(event.start_mark), (), "a second document begins. Keep one study in each file.")
                if event.version or event.tags:
                    self._tell(_line(event.start_mark), (), "there is a % directive. Remove that line.")
            elif isinstance(event, yaml.NodeEvent):
                data = self._top(event, events)
        if not documents:
            self._tell(1, (), "the file is empty. Write `key: value` lines.")
        return data

    def _top(self, event: Any, events: Iterator[Any]) -> Any:
        if isinstance(event, yaml.ScalarEvent) and not event.value and event.implicit[0]:
            self._stop(1, (), "the file is empty. Write `key: value` lines.")
        if not isinstance(event, yaml.MappingStartEvent):
            kind = "a list" if isinstance(event, yaml.SequenceStartEvent) else "a single value"
            self._stop(_line(event.start_mark), (), f"the file holds {kind}. Write `key: value` lines.")
        return self._node(event, events, ())

    def _node(self, event: Any, events: Iterator[Any], path: Path) -> Any:
        line = _line(event.start_mark)
        if isinstance(event, yaml.AliasEvent):
            self._tell(line, path, f"*{shown(str(event.anchor))} is an alias. Write the value out.")
            return None
        if event.anchor is not None:
            self._tell(line, path, f"&{shown(event.anchor)} is an anchor. Remove it, and write values out.")
        if event.tag is not None:
            self._tell(line, path, f"{shown(event.tag)} is a tag, and tags can run code. Remove it.")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, path)
        if len(path) >= MAX_DEPTH:
            self._stop(line, path, f"this is nested deeper than {MAX_DEPTH} levels. Flatten it.")
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(events, path)
        return self._dict(events, path)

    def _scalar(self, event: yaml.ScalarEvent, path: Path) -> Any:
        if _SURROGATE.search(event.value):
            self._tell(_line(event.start_mark), path, "there is half a character (\\uD800-\\uDFFF). Write it whole.")
        if event.style is not None:
            return event.value
        try:
            return plain(event.value)
        except TroubleError as trouble:
            self._tell(_line(event.start_mark), path, str(trouble))
            return None

    def _list(self, events: Iterator[Any], path: Path) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            here = (*path, len(items))
            self.lines[here] = _line(event.start_mark)
            items.append(self._node(event, events, here))
        return items

    def _dict(self, events: Iterator[Any], path: Path) -> dict[str, Any]:
        items: dict[str, Any] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            line, key = _line(event.start_mark), self._key(event, events, path)
            here = (*path, key)
            if key in items:
                first = self.lines[here]
                self._tell(line, here, f"this key is already in line {first}. Keep one of the two.")
            self.lines.setdefault(here, line)
            items[key] = self._node(next(events), events, here)
        return items

    def _key(self, event: Any, events: Iterator[Any], path: Path) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            self._stop(_line(event.start_mark), path, "a key is a list, a mapping or an alias. Write text as the key.")
        if event.style is None and event.value == "<<":
            self._tell(_line(event.start_mark), path, "<< merges another mapping. Write its keys out.")
            return "<<"
        told = len(self.problems)
        key = self._node(event, events, path)
        if not isinstance(key, str) and told == len(self.problems):
            seen = f"{shown(event.value)} is a key" if event.value else "a key is missing"
            quoted = f"'{shown(event.value)}'" if event.value else "its name"
            self._tell(_line(event.start_mark), path, f"{seen}, and keys are text. Write {quoted} before the colon.")
        return str(event.value)

    def _tell(self, line: int, path: Path, what: str) -> None:
        self.problems.append(f"{self.name}:{line}{_where(path)}: {what}")
        if len(self.problems) >= MAX_PROBLEMS:
            self._raise_problems()

    def _stop(self, line: int, path: Path, what: str) -> NoReturn:
        self._tell(line, path, what)
        raise YamlError(*self.problems)

    def _raise_problems(self) -> None:
        if self.problems:
            raise YamlError(*self.problems)


def _line(mark: Any) -> int:
    return 1 if mark is None else int(mark.line) + 1


def _where(path: Path) -> str:
    """The path as in the notation, with a space before it: ` space.layers[2]`."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{shown(part)}" for part in path]
    shortened = parts if len(parts) <= 8 else [*parts[:4], ".…", *parts[-3:]]
    return f" {''.join(shortened).removeprefix('.')}" if parts else ""


_MENDS = (
    ("found ']'", "Remove the bracket that nothing opened, or put the value in quotes."),
    ("found '}'", "Remove the bracket that nothing opened, or put the value in quotes."),
    ("tag", "Remove the tag, or put the value in quotes."),
    ("simple key", "Write `key: value`, with a space after the colon, and keys of one level in one column."),
    ("mapping values are not allowed", "Put the value in quotes, or the second key on a line of its own."),
    ("block mapping", "Check the indentation: keys of one level stand in one column."),
    ("block collection", "Check the indentation: the `-` of one list stand in one column."),
    ("quoted scalar", "Close the quotes; write backslashes in single quotes."),
    ("cannot start any token", "Put the value in quotes."),
    ("flow", "Close the bracket, and put a comma between its items."),
)


def _syntax(error: yaml.MarkedYAMLError) -> str:
    """PyYAML's words, with the line where the broken thing begins, and a mend."""
    seen = f"{error.context}, {error.problem}" if error.context else f"{error.problem}"
    if error.context and error.context_mark and error.problem_mark:
        begun = _line(error.context_mark)
        seen += f" (begun in line {begun})" if begun != _line(error.problem_mark) else ""
    mend = next((mend for sign, mend in _MENDS if sign in seen), "Check the quotes and the indentation there.")
    return f"{shown(seen, 200)}. {mend}"
