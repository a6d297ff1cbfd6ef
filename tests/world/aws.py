"""A day on AWS with spot machines, on the laptop of a world: `run.sh aws.py`. Ray's real provider asks moto.

What a user types is run as it stands, and its output is the transcript; each step says whether it did what it should.
"""

from pathlib import Path

from tests.world.cloud import BUCKET, IMAGE, REGION, Cloud
from tests.world.scene import on, project, run, say, trials_moved, until

STORAGE = f"s3://{BUCKET}/runs?region={REGION}"


def main(cloud):
    project()
    run(
        f"a440 cluster init aws --spot --region {REGION} --image {IMAGE} --user root --max-workers 2 --idle-minutes 1 "
        f"--spot-minutes 0.5 --price 1.006 --spot-price 0.4 --head-price 0.192 --storage '{STORAGE}' > cluster.yaml"
    )
    in_our_subnet(Path("cluster.yaml"), cloud.subnet)
    run("a440 cluster lint cluster.yaml")
    run("a440 check examples/digits.yaml -c cluster.yaml --set bundle='Bundle(gpus=1)' --epoch-seconds 1")

    run("a440 cluster up cluster.yaml", shown=12, seconds=500)
    [head] = cloud.running()
    assert (head.node_type, head.spot) == ("head", False)
    check_rights(cloud)

    say("# a first study: spot machines come")
    submit("first", "--trials 8", seconds=400)
    assert {(one.node_type, one.spot) for one in cloud.running()} == {("head", False), ("gpu_spot", True)}

    say("# one of them is taken back in the middle of a second")
    submit("second", "--trials 12 --detach --set strategy='Random() + FullLength(epochs=80)'")
    second = until("the second study", 100, lambda: len(studies()) == 2 and studies()[-1])
    until("a tenth of its epochs", 300, lambda: epochs(second) >= 96)
    cloud.reclaim(next(one for one in cloud.running() if one.spot))
    run("a440 watch second -c cluster.yaml", shown=40, seconds=500)
    assert trials_moved(second, 12)

    until("only the head left", 240, lambda: cloud.running() == [head])
    say("# idle machines are gone; now there is no spot capacity")
    cloud.no_spot = True
    said = submit("third", "--trials 4", seconds=400)
    assert "Spot machines (gpu_spot) have not come for 30 s: gpu is asked for instead, on demand." in said
    assert cloud.refused
    assert {(one.node_type, one.spot) for one in cloud.running()} == {("head", False), ("gpu", False)}

    run(f"a440 list '{STORAGE}'")
    run("a440 cluster down cluster.yaml", shown=12)
    until("no machine left", 60, lambda: cloud.running() == [])
    print("\nall as it should be")


def in_our_subnet(path, subnet):
    """The two lines that a network of one's own asks for."""
    text = path.read_text()
    text = text.replace("  type: aws\n", "  type: aws\n  use_internal_ips: true\n")
    path.write_text(text.replace("      ImageId:", f"      SubnetIds: [{subnet}]\n      ImageId:"))


def submit(name, options, seconds=240):
    return run(
        f"a440 submit examples/digits.yaml -c cluster.yaml --name {name} --set bundle='Bundle(gpus=1)' {options}",
        shown=40,
        seconds=seconds,
    )


def check_rights(cloud):
    """Ray made neither a role of its own nor a security group that is open to everyone."""
    roles = [role["RoleName"] for role in cloud.iam.list_roles()["Roles"]]
    groups = cloud.ec2.describe_security_groups()["SecurityGroups"]
    ranges = [ip["CidrIp"] for group in groups for rule in group["IpPermissions"] for ip in rule["IpRanges"]]
    assert roles == ["a440-node"], roles
    assert "0.0.0.0/0" not in ranges, groups


def studies():
    """The addresses of the studies, oldest first."""
    from orchestrator.screen import studies as found
    from trainables.uri import child

    return [child(STORAGE, name) for name in sorted(one["study"] for one in found(STORAGE))]


def epochs(study):
    from orchestrator import Results

    return sum(trial.epoch for trial in Results(study).record.trials.values())


if __name__ == "__main__":
    with Cloud() as cloud:
        try:
            main(cloud)
        except BaseException:
            for instance in cloud.running():
                if instance.node_type == "head":
                    print(on(instance.machine, "tail -n 60 /tmp/ray/session_latest/logs/monitor.*"))
            raise
