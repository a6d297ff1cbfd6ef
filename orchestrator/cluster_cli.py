"""`a440 cluster`: what one does with launch files and the clusters that they describe.

No command here that only reads or writes files loads ray or torch.
"""

import sys
from collections.abc import Sequence
from typing import Any

import click

from orchestrator.mends import Commands, Mends, printable


@click.group(cls=Commands)
def cluster() -> None:
    """Write, check and use launch files of clusters."""


@cluster.command()
@click.argument("kind", metavar="aws|gcp|azure|kuberay|onprem|local")
@click.option("--name", default="a440", show_default=True, help="Of the cluster.")
@click.option("--gpus", type=int, default=1, show_default=True, help="Of each worker; 0 for CPU workers.")
@click.option("--accelerator", default="", help="The kind of GPU in Ray's words: T4, L4, A10G, A100, H100.")
@click.option("--cpus", type=int, help="Of each worker, for kuberay, onprem and local; machine types say it elsewhere.")
@click.option("--min-workers", type=int, default=0, show_default=True, help="That are always up.")
@click.option("--max-workers", type=int, default=4, show_default=True, help="That there are at most.")
@click.option("--spot", is_flag=True, help="Spot machines first, on-demand ones where none come.")
@click.option("--spot-minutes", type=float, default=5, show_default=True, help="How long to wait for spot machines.")
@click.option("--idle-minutes", type=float, default=5, show_default=True, help="After which an idle worker is ended.")
@click.option("--region", default="", help="Of the cloud.  [us-east-1, us-central1, westus2]")
@click.option("--zone", default="", help="Of Google Cloud.  [REGION-a]")
@click.option("--price", type=float, help="Of a worker for an hour.")
@click.option("--spot-price", type=float, help="Of a spot worker for an hour.  [--price]")
@click.option("--head-price", type=float, help="Of the head for an hour.")
@click.option("--storage", default="", help="Where studies lie: s3://bucket/studies, or a folder that all nodes mount.")
@click.option("--package", default="", help="What pip installs: a440==0.1.0, a wheel, git+https://...  [the a440 here]")
@click.option("--image", default="", help="Of the machines or pods, in the provider's words.")
@click.option("--allow", default="", metavar="CIDR", help="Who may reach SSH: 203.0.113.0/24.")
@click.option("--profile", default="a440-node", show_default=True, help="The machines' instance profile on AWS.")
@click.option("--project", default="", help="Of Google Cloud.")
@click.option("--resource-group", default="", help="Of Azure.  [--name]")
@click.option("--kubernetes", default="gke", show_default=True, help="Whose node labels: gke, eks, aks, karpenter.")
@click.option("--head-ip", default="", help="The head, for onprem.")
@click.option("--worker-ip", "worker_ips", multiple=True, help="A worker, for onprem; once for each.")
@click.option("--user", default="ubuntu", show_default=True, help="The SSH user of the machines' image.")
@click.option("--key", default="~/.ssh/id_ed25519", show_default=True, help="The private SSH key, for onprem.")
def init(kind: str, **options: Any) -> None:
    """Print a launch file: a440 cluster init aws --spot > cluster.yaml."""
    with Mends():
        from cluster.clouds import Options, launch_text

        click.echo(launch_text(kind, Options(**options)), nl=False)


@cluster.command()
@click.argument("files", nargs=-1, required=True, type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="One JSON object per finding.")
def lint(files: Sequence[str], as_json: bool) -> None:
    """Check launch files: Ray's and KubeRay's schemas, and what they miss.

    Exit code 2 where something cannot work or is dangerous, 0 otherwise.
    """
    with Mends():
        from cluster.lint import lint as found_in

        findings = [(file, finding) for file in files for finding in found_in(file)]
        for file, finding in findings:
            click.echo(finding.as_json(file) if as_json else printable(finding.line_of(file)))
        errors = sum(finding.severity == "error" for _, finding in findings)
        if not as_json:
            warnings = len(findings) - errors
            counts = f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}"
            click.echo(f"{', '.join(files)}: {counts if findings else 'nothing to mend'}", err=True)
        if errors:
            sys.exit(2)
