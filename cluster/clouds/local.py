"""A launch file for this one machine: Ray's fake provider, whose nodes are processes.

Chosen before `provider: local` on 127.0.0.1, which needs an SSH server and never scales: this one starts and ends nodes
with made-up GPUs, so that a study, its bundles, spot fallback and idle ends can be tried before any money is spent.
"""

from cluster.amounts import ACCELERATOR, MARKET, ON_DEMAND, SPOT
from cluster.clouds import blocks, choice
from cluster.clouds.options import Options
from cluster.clouds.template import fill
from cluster.installed_ray import version
from cluster.launch_file import SIMULATION

CPUS = 2
HEAD = "ray.head.default"
HEAD_ID = "f" * 51 + "00000"  # Ray's fake provider knows the head by it


def launch_text(options: Options) -> str:
    """A launch file whose GPU nodes are processes of this machine."""
    kind = choice.kind_of_gpu("local", options)
    worker = "gpu" if options.gpus else "cpu"
    spot = f"{worker}_spot" if options.spot else ""
    types = [_type(options, spot, kind, SPOT, options.min_workers)] if spot else []
    types.append(_type(options, worker, kind, ON_DEMAND, 0 if spot else options.min_workers))
    return fill(
        "local",
        {
            "name": options.name,
            "ray": version(),
            "max_workers": str(options.max_workers),
            "idle": blocks.amount(options.idle_minutes),
            "module": SIMULATION,
            "head": HEAD,
            "head_id": HEAD_ID,
            "metadata": blocks.metadata(options, worker, spot, HEAD),
            "types": "\n".join(types),
        },
    )


def _type(options: Options, name: str, kind: str, market: str, least: int) -> str:
    labels = ", ".join([*([f"{ACCELERATOR}: {kind}"] if kind else []), f"{MARKET}: {market}"])
    resources = f"CPU: {options.cpus or CPUS}" + (f", GPU: {options.gpus}" if options.gpus else "")
    lines = [
        f"  {name}:",
        f"    min_workers: {least}",
        f"    max_workers: {options.max_workers}",
        f"    resources: {{{resources}}}",
        f"    labels: {{{labels}}}",
        *blocks.priority(market, "    "),
        "    node_config: {}",
    ]
    return "\n".join(lines)
