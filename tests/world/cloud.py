"""AWS without AWS: moto answers Ray's real provider, and every instance that runs is a machine of this world.

An instance is switched on at its private address, with an SSH server that knows the key pairs made so far, and loses
its power when it is terminated. The same server keeps S3.
"""

import contextlib
import logging
import os
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from tests.world.scene import SOURCES, WORLD, say

HOST, PORT, REGION = "10.44.0.1", 5000, "us-west-2"
BUCKET = "studies"
IMAGE = "ami-03cf127a"  # one of those that moto knows
VARIABLES = {
    "AWS_ENDPOINT_URL": f"http://{HOST}:{PORT}",
    "AWS_ACCESS_KEY_ID": "testing-key-id",
    "AWS_SECRET_ACCESS_KEY": "testing-secret",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
    "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
}


@dataclass(frozen=True)
class Instance:
    """An instance that runs: its id, name as a machine, Ray's node type, and whether it is of the spot market."""

    id: str
    machine: str
    node_type: str
    spot: bool


class Cloud:
    """EC2, IAM, SSM and S3 for as long as a `with` block lasts.

    Attributes:
        no_spot: whether there is no capacity for spot machines at the moment.
        refused: how often spot machines were refused.
        subnet: in which instances have addresses of this world.
    """

    def __init__(self):
        os.environ.update(VARIABLES)
        profile = "".join(f"export {name}={value}\n" for name, value in VARIABLES.items())
        os.environ["MACHINE_PROFILE"] = profile + os.environ.get("MACHINE_PROFILE", "")
        import boto3
        from moto.ec2.exceptions import EC2ClientError
        from moto.ec2.models.instances import InstanceBackend
        from moto.server import ThreadedMotoServer

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.no_spot, self.refused = False, 0
        self._machines, self._closing = {}, threading.Event()
        given = InstanceBackend.run_instances

        def run_instances(backend, *words, **options):
            if self.no_spot and options.get("instance_market_options"):
                self.refused += 1
                raise EC2ClientError("InsufficientInstanceCapacity", "There is no Spot capacity available.")
            return given(backend, *words, **options)

        InstanceBackend.run_instances = run_instances
        self._server = ThreadedMotoServer(ip_address=HOST, port=PORT, verbose=False)
        self._server.start()
        self.ec2, self.iam = boto3.client("ec2"), boto3.client("iam")
        vpc = self.ec2.create_vpc(CidrBlock="10.44.0.0/16")["Vpc"]["VpcId"]
        subnet = self.ec2.create_subnet(VpcId=vpc, CidrBlock="10.44.0.128/25", AvailabilityZone=f"{REGION}a")
        self.subnet = subnet["Subnet"]["SubnetId"]
        self._account(vpc)
        boto3.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._closing.set()
        self._thread.join()
        self._server.stop()

    def running(self):
        """The instances that run and have been switched on."""
        return [
            Instance(one["InstanceId"], name, _tag(one, "ray-user-node-type"), one.get("InstanceLifecycle") == "spot")
            for one in self._instances()
            if one["State"]["Name"] == "running" and (name := self._machines.get(one["InstanceId"]))
        ]

    def reclaim(self, instance):
        """Takes an instance away without notice."""
        say(f"# {instance.machine}, a spot machine, is taken back")
        self.ec2.terminate_instances(InstanceIds=[instance.id])

    def _account(self, vpc):
        """What the launch file's first lines say is made once: a role, and a security group."""
        trust = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole"}]}'
        self.iam.create_role(RoleName="a440-node", AssumeRolePolicyDocument=trust)
        self.iam.create_instance_profile(InstanceProfileName="a440-node")
        self.iam.add_role_to_instance_profile(InstanceProfileName="a440-node", RoleName="a440-node")
        group = self.ec2.create_security_group(GroupName="a440", Description="SSH, and all among members", VpcId=vpc)
        rules = [
            {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "203.0.113.0/24"}]},
            {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group["GroupId"]}]},
        ]
        self.ec2.authorize_security_group_ingress(GroupId=group["GroupId"], IpPermissions=rules)

    def _instances(self):
        return [one for group in self.ec2.describe_instances()["Reservations"] for one in group["Instances"]]

    def _follow(self):
        while not self._closing.wait(0.3):
            with contextlib.suppress(ConnectionError):
                for one in self._instances():
                    known = one["InstanceId"] in self._machines
                    if one["State"]["Name"] == "running" and not known:
                        self._switch_on(one)
                    elif one["State"]["Name"] in ("terminated", "stopped") and self._machines.get(one["InstanceId"]):
                        self._switch_off(one)

    def _switch_on(self, one):
        name = f"i{len(self._machines)}"
        keys = [
            subprocess.run(["ssh-keygen", "-y", "-f", pem], capture_output=True, text=True, check=True).stdout
            for pem in (Path.home() / ".ssh").glob("*.pem")
        ]
        (WORLD / "authorized_keys").write_text("".join(keys))
        with (WORLD / "hosts").open("a") as hosts:
            hosts.write(f"{one['PrivateIpAddress']} {name}\n")
        subprocess.run(["bash", SOURCES / "tests" / "world" / "boot.sh", name, one["PrivateIpAddress"]], check=True)
        self._machines[one["InstanceId"]] = name
        market = one.get("InstanceLifecycle", "on demand")
        say(f"# {name} is on: {one['InstanceType']} as {_tag(one, 'ray-user-node-type')}, {market}")

    def _switch_off(self, one):
        name = self._machines[one["InstanceId"]]
        self._machines[one["InstanceId"]] = ""
        os.kill(int((WORLD / "machines" / f"{name}.pid").read_text()), 9)
        time.sleep(0.2)
        subprocess.run(["ip", "link", "del", f"v-{name}"], check=False)
        subprocess.run(["ip", "netns", "del", name], check=False)
        say(f"# {name} is off")


def _tag(instance, name):
    return next((tag["Value"] for tag in instance.get("Tags", []) if tag["Key"] == name), "")
