"""Where a study runs: the bundle that each trial asks for, the machines that offer it, and the way to Ray.

`bundle` and `machine` are values and arithmetic; `auth_token` and `address` are files and sockets;
`to_ray` is the only door to Ray. Importing the room loads no Ray: write `from cluster.to_ray import connect`.
"""

from cluster.bundle import Bundle
from cluster.machine import Fit, Machine, fit

__all__ = ["Bundle", "Fit", "Machine", "fit"]
