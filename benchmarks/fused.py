"""Networks that are trained together, against the same trials one after another, and against Ray Tune.

`steps`: steps of training a second by the number of members, against plain PyTorch, interleaved, medians of five; one
thread, as a trial on one CPU has. `noise`: how far apart curves come out in float32. `studies`: whole TPE + ASHA
studies, against Ray Tune with its best settings and with its defaults. `plot`: trials a second against the number of
members, from what `steps` wrote.

Run: python benchmarks/fused.py steps|noise|studies|plot [--quick] [--device cuda]
"""

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from networks import NETWORKS, SMALL, training

from trainables.fused.draws import Draws, rates_of
from trainables.fused.pace import measured
from trainables.fused.parity import agreed
from trainables.fused.stack import Rows, Stack
from trainables.fused.stacks import Stacks
from trainables.seeds import sow

HERE = Path(__file__).resolve().parent
FOUND = HERE / "fused.json"  # of the last run of `steps`
ROUNDS = 5
ENOUGH_S = 0.15  # of steps, for one figure


def alone(one: Any) -> Callable[[int], None]:
    """Steps of a trial in plain PyTorch, as its user would write them."""
    model, optimizer = copy.deepcopy((one.learner.model, one.learner.optimizer))
    inputs, targets, size = one.train.inputs, one.train.targets, one.train.batch_size

    def steps(count: int) -> None:
        model.train()
        order = torch.randperm(len(inputs)).to(inputs.device)
        for step in range(count):
            start = step * size % (len(inputs) - size + 1)
            rows = order[start : start + size]
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(inputs[rows]), targets[rows])
            loss.backward()
            optimizer.step()

    return steps


def together(members: list[Any], forward: Any) -> Callable[[int], None]:
    """Steps of a stack."""
    stack, rows = Stack([one.learner for one in members], forward), Rows([one.train for one in members])
    rates = rates_of([one.learner.model for one in members])

    def steps(count: int) -> None:
        while count > 0:
            draws = Draws([(row, 1) for row in range(len(members))], rates)
            batches = (batch for batch, _ in zip(rows.batches(draws.generators), range(count), strict=False))
            stack.train(batches, draws)
            count -= len(members[0].train)

    return steps


def seconds(steps: Callable[[int], None], device: str) -> float:
    """Of one step."""

    def timed(count: int) -> float:
        began = time.perf_counter()
        steps(count)
        if device == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - began) / count

    return timed(max(3, int(ENOUGH_S / max(timed(2), 1e-6))))


def measure(network: str, optimizer: str, batch: int, sizes: list[int], device: str, rounds: int) -> dict[str, Any]:
    """Medians of steps a second, alone and of stacks."""
    members = [training(number, network=network, optimizer=optimizer, batch=batch) for number in range(max(sizes))]
    forward = agreed(members[:2])
    entries = {0: alone(members[0])} | {size: together(members[:size], forward) for size in sizes}
    took: dict[int, list[float]] = {size: [] for size in entries}
    for _ in range(rounds):
        for size, steps in entries.items():
            took[size].append(seconds(steps, device))
    pace = measured(members[0], forward)
    middle = {size: statistics.median(times) for size, times in took.items()}
    return {
        "network": network, "optimizer": optimizer, "batch": batch, "device": device, "forward": type(forward).__name__,
        "alone_us": middle[0] * 1e6, "steps_an_epoch": len(members[0].train),
        "gains": {size: middle[0] * size / middle[size] for size in sizes}, "auto": pace.best,
    }  # fmt: skip


def table(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    sizes = [1, 8, 32, 128] + ([512] if options.device == "cuda" else [])
    names = [name for name in NETWORKS if options.device == "cuda" or not name.startswith("ResNet")]
    batches, rounds = ([32], 2) if options.quick else (options.batch, ROUNDS)
    heads = " | ".join(f"K = {size}" for size in sizes)
    print(f"| network | optimizer | batch | alone, us a step | {heads} | `auto` |\n|{'---|' * (5 + len(sizes))}")
    found = []
    for network in names if not options.quick else names[:3]:
        for optimizer in ("SGD", "AdamW"):
            for batch in batches:
                one = measure(network, optimizer, batch, sizes, options.device, rounds)
                found.append(one)
                gains = " | ".join(f"{gain:.1f}x" for gain in one["gains"].values())
                print(f"| {network} | {optimizer} | {batch} | {one['alone_us']:.0f} | {gains} | {one['auto']} |",
                      flush=True)  # fmt: skip
    FOUND.write_text(json.dumps(found, indent=1))
    judge(found)


def judge(found: list[dict[str, Any]]) -> None:
    """Says of each bar whether it was reached."""
    small = [one["gains"][32] for one in found if one["network"] in SMALL]
    middle = [one["gains"][32] for one in found if one["network"] == "64-128-64-10" and one["batch"] == 32]
    print(
        f"\nsmall MLPs at K = 32: {min(small):.1f}x at least, {statistics.median(small):.1f}x in the middle (bar 10x)"
    )
    print(f"64-128-64-10, batch 32, K = 32: {min(middle):.1f}x at least (bar 2.5x)")
    chosen = [one["gains"][size] for one in found for size in one["gains"] if 1 < size <= one["auto"]]
    at_all = [one for one in found if one["auto"] > 1]
    print(f"`auto` fuses {len(at_all)} of {len(found)}; stacks no larger than it chose: {min(chosen):.2f}x at least")


def curve(members: int, threads: int, network: str) -> list[float]:
    """Validation losses of ten epochs of one trial, alone or with neighbours."""
    torch.set_num_threads(threads)
    runs = {str(n): training(n, network=network, optimizer="AdamW", batch=32) for n in range(members)}
    stacks, found = Stacks(measures=False), []
    for epoch in range(1, 11):
        for group in stacks.groups(runs):
            stacks.train([(runs[name], int(name), epoch) for name in group])
        for name, run in runs.items():
            sow(int(name), epoch)
            row = run.step()
            found += [row["loss"]] if name == "0" else []
    return found


def noise() -> None:
    """How far apart the same trial comes out in float32: together with seven others, and alone on two threads."""
    print("| network | together against alone | alone, two threads against one |\n|---|---|---|")
    for network in [name for name in NETWORKS if not name.startswith("ResNet")]:
        alone = torch.tensor(curve(1, 1, network))
        off = [(torch.tensor(other) - alone).abs().max() / alone.max()
               for other in (curve(8, 1, network), curve(1, 2, network))]  # fmt: skip
        print(f"| {network} | {off[0]:.1e} | {off[1]:.1e} |", flush=True)


def plot(path: Path) -> None:
    """Trials of 20 epochs a second against the number of members."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot, ticker

    figure, axes = pyplot.subplots(figsize=(8, 4.8), layout="constrained")
    found = sorted(json.loads(FOUND.read_text()), key=lambda one: one["alone_us"] / one["gains"]["128"])
    for one in found:
        is_variant = one["network"].endswith(("dropouts", "by vmap"))
        if one["optimizer"] == "AdamW" and one["batch"] == 32 and one["device"] == "cpu" and not is_variant:
            alone_s = 20 * one["steps_an_epoch"] * one["alone_us"] / 1e6
            rates = {1: 1 / alone_s} | {int(size): gain / alone_s for size, gain in one["gains"].items() if size != "1"}
            axes.plot(list(rates), list(rates.values()), marker="o", label=one["network"])
    axes.set(xscale="log", yscale="log", xlabel="trials that are trained together", ylabel="trials per second")
    axes.set_xticks([1, 8, 32, 128], ["1 (plain PyTorch)", "8", "32", "128"])
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.yaxis.set_major_locator(ticker.LogLocator(10, (1, 3)))
    axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(ticker.NullLocator())
    axes.set_title("Trials of 20 epochs of digits, batch 32, AdamW, on one CPU core", fontsize=11)
    axes.grid(alpha=0.3, which="both")
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(path, dpi=130)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["steps", "noise", "studies", "plot"])
    parser.add_argument("--quick", action="store_true", help="fewer networks, batches and rounds")
    parser.add_argument("--batch", type=int, nargs="+", default=[8, 32, 128], help="of `steps`")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--into", type=Path, default=HERE.parent / "docs" / "guide" / "fusion.png")
    options = parser.parse_args()
    if options.what == "steps":
        table(options)
    elif options.what == "noise":
        noise()
    elif options.what == "plot":
        plot(options.into)
    else:
        from fused_studies import compare

        compare(options.quick)


if __name__ == "__main__":
    main()
