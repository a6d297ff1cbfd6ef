"""A YAML document with the line of each of its keys, read as Ray and Kubernetes read it.

Ray calls `yaml.safe_load`, so anchors and YAML 1.1's words stay allowed here; what is silently lost there, a key
that comes twice, is kept as a note for the linter.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml

Path: TypeAlias = tuple[str | int, ...]

MAX_BYTES = 1_000_000  # as etcd's limit for an object, and far above any launch file


@dataclass(frozen=True, slots=True)
class Document:
    """One mapping of a YAML file.

    Attributes:
        name: of the file, for messages.
        data: plain dicts, lists and values.
        lines: from the path of a key or list item to its line, counted from 1.
        twice: paths of keys that come twice, with the line of the second; YAML keeps the second alone.
        text: of the whole file.
    """

    name: str
    data: Mapping[str, Any]
    lines: Mapping[Path, int]
    twice: tuple[tuple[Path, int], ...] = ()
    text: str = ""

    def line(self, path: Path) -> int:
        """The line of the key at `path`, or of the nearest enclosing one that is written.

        >>> documents("a:\\n  b: 1", "x.yaml")[0].line(("a", "c"))
        1
        """
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def where(self, path: Path) -> str:
        """File, line and key, as errors begin.

        >>> documents("a:\\n  b: [7]", "x.yaml")[0].where(("a", "b", 0))
        'x.yaml:2 a.b[0]'
        """
        return f"{self.name}:{self.line(path)} {written(path)}".rstrip()


def written(path: Path) -> str:
    """A path as people write it: `provider.region`, `workerGroupSpecs[0].template`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def documents(text: str, name: str) -> tuple[Document, ...]:
    """The mappings of a YAML file, one each; empty documents are left out."""
    if len(text.encode()) > MAX_BYTES:
        raise ValueError(f"{name} has {len(text.encode())} bytes. Give a launch file; those have a few thousand.")
    try:
        return tuple(_documents(text, name))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        seen = ", ".join(part for part in (error.context, error.problem) if part)
        raise ValueError(f"{name}:{line} {seen}. Check the indentation, colons and quotes there.") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{name} is not YAML: {str(error).splitlines()[0]}. Save it as plain UTF-8 text.") from None


def _documents(text: str, name: str) -> Iterator[Document]:
    loader = yaml.SafeLoader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            if node is None or node.tag == "tag:yaml.org,2002:null":
                continue
            if not isinstance(node, yaml.MappingNode):
                line = node.start_mark.line + 1
                raise ValueError(f"{name}:{line} holds no mapping. Write `key: value` lines, as in a launch file.")
            lines: dict[Path, int] = {(): node.start_mark.line + 1}
            twice: list[tuple[Path, int]] = []
            _walk(node, (), lines, twice, set())
            yield Document(name, loader.construct_document(node), lines, tuple(twice), text)
    finally:
        loader.dispose()


def _walk(node: yaml.Node, path: Path, lines: dict[Path, int], twice: list[tuple[Path, int]], walked: set[int]) -> None:
    """Notes lines; an anchored node is walked where it stands first, so aliases cost nothing."""
    if id(node) in walked:
        return
    walked.add(id(node))
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            here = (*path, key.value)
            if key.value in seen and key.value != "<<":
                twice.append((here, key.start_mark.line + 1))
            seen.add(key.value)
            lines[here] = key.start_mark.line + 1
            _walk(value, here, lines, twice, walked)
    elif isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            here = (*path, position)
            lines[here] = item.start_mark.line + 1
            _walk(item, here, lines, twice, walked)
