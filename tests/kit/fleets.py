"""A small fleet for tests: a head, a spot type and the same machine on demand."""

from cluster import Machine, NodeType

HEAD = NodeType(name="head", machine=Machine(name="head", cpus=2), price=0.1)
SPOT = NodeType(
    name="spot",
    machine=Machine(name="spot", cpus=2, gpus=1, labels={"ray.io/market-type": "spot"}),
    most=3,
    spot=True,
    priority=1,
    price=0.4,
)
STEADY = NodeType(
    name="steady",
    machine=Machine(name="steady", cpus=2, gpus=1, labels={"ray.io/market-type": "on-demand"}),
    most=3,
    price=1.25,
)
