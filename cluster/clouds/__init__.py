"""Launch files that are complete and commented: one template per kind of cluster, filled from a few options.

`launch_text` is what `a440 cluster init` prints. What no template can know (a bucket, a project, addresses) is an
option; where it is left out the file says so, and the linter asks for it.
"""

from cluster.clouds import kuberay, local, virtual_machines
from cluster.clouds.options import KINDS, Options

__all__ = ["KINDS", "Options", "launch_text"]


def launch_text(kind: str, options: Options) -> str:
    """The launch file of that kind: aws, gcp, azure, kuberay, onprem or local."""
    options.check(kind)
    if kind == "kuberay":
        return kuberay.launch_text(options)
    if kind == "local":
        return local.launch_text(options)
    return virtual_machines.launch_text(kind, options)
