"""Where a study runs: the bundle that each trial asks for, the machines that offer it, and the way to Ray.

`bundle`, `machine`, `fleet` and `fit` are values and arithmetic; `launch_file` reads what a cluster would be, `lint`
says what is wrong with it, `clouds` writes it; `auth_token` and `address` are files and sockets. The doors to Ray are
`to_ray` (a connection), `autoscaler`, `jobs`, `launcher`, `simulation` and `keeper`. Importing the room loads no Ray:
write `from cluster.to_ray import connect`.
"""

from cluster.bundle import Bundle
from cluster.fit import Fit
from cluster.fleet import Fleet, NodeType
from cluster.machine import Machine

__all__ = ["Bundle", "Fit", "Fleet", "Machine", "NodeType"]
