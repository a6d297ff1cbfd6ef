"""Pictures of what the runs say, for docs/guide/search-quality.md."""

from pathlib import Path

import numpy as np

from benchmarks.quality.early import BASE, Job, Progress, reached, workers_of
from benchmarks.quality.figures import LEAST
from benchmarks.quality.runs import EVALUATIONS, Run
from benchmarks.quality.runs import Job as SearchJob


def plot_search(found: dict[SearchJob, Run], entrants: list[str], into: Path) -> None:
    """Regret of the best so far, geometric means over tasks and seeds, against evaluations."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 4.6), layout="constrained")
    for name in entrants:
        paths = np.maximum([run.regrets for job, run in found.items() if job.entrant == name], LEAST)
        width = 2.5 if name == "Auto()" else 1.5
        axes.plot(range(1, EVALUATIONS + 1), np.exp(np.log(paths).mean(axis=0)), label=name, linewidth=width)
    axes.set(yscale="log", xlabel="evaluations", ylabel="normalised regret (geometric mean)")
    axes.set_title("The best so far: 0 is the best there is, 1 the median of random points")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(into, dpi=110)
    plt.close(figure)


def plot_early(found: dict[Job, Progress], strategies: list[str], into: Path) -> None:
    """Mean regret over datasets and seeds against time, a panel for each number of workers."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    counts = sorted({job.workers for job in found})
    figure, panels = plt.subplots(1, len(counts), figsize=(4.2 * len(counts), 4.2), sharey=True, layout="constrained")
    shares = np.linspace(0.02, 1, 50)
    for axes, count in zip(np.atleast_1d(panels), counts, strict=True):
        for text in strategies:
            paths = [path for job, path in found.items() if job.strategy == text and job.workers == count]
            means = [np.mean([min(reached(path, share), 30.0) for path in paths]) for share in shares]
            axes.plot(shares, means, label=text, linewidth=2.5 if text == BASE else 1.5)
        axes.set(xlabel="share of the time", title=workers_of(count), ylim=(-2, 12))
        axes.grid(alpha=0.3)
    np.atleast_1d(panels)[0].set_ylabel("percent of accuracy behind the best known")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    figure.savefig(into, dpi=110)
    plt.close(figure)
