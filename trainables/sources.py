"""Where data lie: bundled sets, tables, files, arrays and torch Datasets, read as rows in their own order."""

from pathlib import Path
from typing import Any

from trainables.rows import Rows
from trainables.spelling import nearest

BUNDLED = ("iris", "digits", "wine", "breast_cancer", "diabetes")
_ENDINGS = (".parquet", ".csv")


def check_source(source: Any, target: str | None) -> None:
    """What can be told without reading: whether there is such a set or file, and its target is named."""
    if not isinstance(source, str | Path):
        return
    name = str(source)
    if name in BUNDLED:
        return
    if name.startswith("<"):
        raise ValueError(
            f"the study's data were given in Python, as {name.strip('<>')}, and are not in its folder. "
            f"Go on from Python, with the same data: study.resume(folder)"
        )
    if not name.endswith(_ENDINGS):
        raise ValueError(
            f"no data are called {name!r}. {nearest(name, BUNDLED)} Files end in .parquet or .csv."
            if "/" not in name
            else f"{name!r} is read as no table. Give a .parquet or a .csv file."
        )
    if target is None:
        raise ValueError(f"of {name!r} it is not said what to predict. Name the column: Data({name!r}, target='price')")
    if not Path(name).expanduser().exists():
        raise ValueError(f"there is no file {name!r} in {Path.cwd()}. Give its path from there, or from the root.")


def read_rows(source: Any, target: str | None, groups: Any) -> Rows:
    """All rows of a source.

    Raises:
        ValueError, TypeError: a column is missing, or it is no source.
    """
    if isinstance(source, str | Path):
        name = str(source)
        if name in BUNDLED:
            from sklearn import datasets

            inputs, targets = getattr(datasets, f"load_{name}")(return_X_y=True)
            return Rows(inputs, targets, groups)
        import pandas as pd

        path = Path(name).expanduser()
        frame = pd.read_parquet(path) if name.endswith(".parquet") else pd.read_csv(path)
        return _of_frame(frame, target, groups)
    if hasattr(source, "iloc") and hasattr(source, "columns"):
        return _of_frame(source, target, groups)
    if isinstance(source, tuple):
        if len(source) != 2 or any(part is None for part in source):
            raise ValueError(
                f"the data are {_kinds(source)}, and inputs with their targets are wanted. Write Data((x, y))."
            )
        return Rows(_array(source[0]), _flat(_array(source[1])), None if groups is None else _array(groups))
    if hasattr(source, "shape"):
        raise ValueError("the data are inputs without targets. Write Data((x, y)), or Data(frame, target='price').")
    if hasattr(source, "__getitem__") and hasattr(source, "__len__") and not isinstance(source, list | dict | str):
        return _of_dataset(source, groups)
    raise TypeError(
        f"data are given as {type(source).__name__}. "
        f"Give Data('digits'), Data('rows.parquet', target=...), Data(frame, target=...), Data((x, y)) or a Dataset."
    )


def _of_frame(frame: Any, target: Any, groups: Any) -> Rows:
    if target is None:
        raise ValueError("of a DataFrame it is not said what to predict. Name the column: Data(frame, target='price')")
    columns = {str(column): column for column in frame.columns}
    beside = groups if isinstance(groups, str | int) else None
    for role, name in (("target", target), ("groups", beside)):
        if name is not None and str(name) not in columns:
            raise ValueError(f"{role} {name!r} is no column. {nearest(str(name), columns)}")
    taken = [columns[str(name)] for name in (target, beside) if name is not None]
    if beside is not None:
        groups = frame[taken[1]].to_numpy()
    return Rows(frame.drop(columns=taken), frame[taken[0]].to_numpy(), groups)


def _of_dataset(dataset: Any, groups: Any) -> Rows:
    """A map-style torch Dataset of `(input, target)`, stacked."""
    import numpy as np

    if len(getattr(dataset, "tensors", ())) == 2:  # a TensorDataset: nothing to stack
        return Rows(_array(dataset.tensors[0]), _flat(_array(dataset.tensors[1])), groups)
    pairs = [dataset[k] for k in range(len(dataset))]
    if not pairs or not isinstance(pairs[0], tuple | list) or len(pairs[0]) != 2:
        raise ValueError("the Dataset does not give pairs. Let its __getitem__ return (input, target).")
    inputs, targets = zip(*pairs, strict=True)
    return Rows(np.stack([_array(one) for one in inputs]), _flat(np.stack([_array(one) for one in targets])), groups)


def _kinds(parts: tuple[Any, ...]) -> str:
    return f"({', '.join('None' if part is None else type(part).__name__ for part in parts)})"


def _array(value: Any) -> Any:
    """numpy from arrays, tensors and lists; tables as they are, sparse matrices by rows."""
    import numpy as np

    if hasattr(value, "tocsr") and hasattr(value, "shape"):
        return value.tocsr()
    if hasattr(value, "iloc"):
        return value.to_numpy() if getattr(value, "ndim", 2) == 1 else value
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    return np.asarray(value)


def _flat(targets: Any) -> Any:
    """One column of targets as `[N]`."""
    if getattr(targets, "ndim", 1) == 2 and targets.shape[1] == 1:
        return (targets.to_numpy() if hasattr(targets, "iloc") else targets).reshape(-1)
    return targets
