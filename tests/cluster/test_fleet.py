"""What an autoscaler may still start."""

from cluster import Bundle, Fleet, Machine, NodeType

HEAD = Machine(name="head", cpus=2)
SPOT = NodeType(name="spot", machine=Machine(name="spot", cpus=4, gpus=1), most=3, spot=True, price=0.4)
WIDE = NodeType(name="wide", machine=Machine(name="wide", cpus=32), most=2)
TYPES = (NodeType(name="head", machine=HEAD, least=1, most=0), WIDE, SPOT)


def alive(name, kind, group=None):
    machine = kind.machine
    labels = {"ray.io/node-group": group} if group else {}
    return Machine(name=name, cpus=machine.cpus, gpus=machine.gpus, labels=labels)


def test_a_fleet_counts_what_there_is_and_what_may_come():
    fleet = Fleet((HEAD,), TYPES, most=4)

    assert [machine.name for machine in fleet.at_most()] == ["head", "spot", "spot", "spot", "wide"]
    assert fleet.scales
    assert Bundle(gpus=1).fit(fleet).at_once == 0
    assert Bundle(gpus=1).fit(fleet.at_most()).at_once == 3


def test_machines_that_are_alive_count_for_their_type():
    by_label = Fleet((HEAD, alive("x", SPOT, "spot")), TYPES, most=4)
    by_shape = Fleet((HEAD, alive("x", SPOT)), TYPES, most=4)

    assert [kind.name for kind in by_label.to_start()] == ["spot", "spot", "wide"]
    assert by_label.to_start() == by_shape.to_start()


def test_a_fleet_without_types_does_not_scale():
    assert not Fleet((HEAD,)).scales
    assert not Fleet((HEAD,), TYPES, most=0).scales
