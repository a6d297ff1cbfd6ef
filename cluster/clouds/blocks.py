"""Blocks that launch files have in common: what is ours in the metadata, how nodes are set up, how Ray is started."""

from cluster.amounts import SPOT
from cluster.clouds.options import Options
from cluster.clouds.template import scalar

TOKEN = "~/.ray/auth_token"  # noqa: S105 - the file's place, not its content

HEALTH = (
    "RAY_health_check_initial_delay_ms=1000 RAY_health_check_period_ms=1000 "
    "RAY_health_check_timeout_ms=2000 RAY_health_check_failure_threshold=3"
)
"""A silent node is given up after 8 s instead of a minute."""

STORE = "RAY_gcs_storage=rocksdb RAY_gcs_storage_path=$HOME/.ray/gcs"
"""Ray's own state on the head's disk, so that trials go on when the head's Ray is started again."""


def amount(number: float) -> str:
    """A number without needless zeros.

    >>> amount(5.0), amount(0.526)
    ('5', '0.526')
    """
    return f"{number:g}"


def metadata(options: Options, worker: str, spot: str = "", head: str = "head") -> str:
    """`metadata.a440`: prices, storage and patience, which have no place in Ray's schema."""
    prices = {head: options.head_price, worker: options.price}
    if spot:
        prices[spot] = options.price if options.spot_price is None else options.spot_price
    known = {name: price for name, price in prices.items() if price is not None}
    lines = ["metadata:", "  a440:"]
    if options.storage:
        lines.append(f"    storage: {scalar(options.storage)}  # where studies lie; every node reads and writes it")
    else:
        lines.append("    # storage: s3://bucket/studies  # where studies lie; every node must read and write it")
    if spot:
        lines.append(
            f"    spot_minutes: {amount(options.spot_minutes)}  # no spot machine for so long: an on-demand one"
        )
    if known:
        words = ", ".join(f"{name}: {amount(price)}" for name, price in known.items())
        lines.append(f"    prices: {{{words}}}  # of one node for an hour")
    else:
        lines.append(f"    # prices: {{{head}: 0.2, {worker}: 1.0}}  # of one node for an hour")
    return "\n".join(lines)


def priority(market: str, indent: str = "") -> list[str]:
    """The line by which Ray takes spot machines before the same ones on demand; none for those."""
    return [f"{indent}priority: 1  # before the same machine on demand"] if market == SPOT else []


def mounts(options: Options) -> str:
    """`file_mounts`: the token, and a wheel that has to travel."""
    lines = [
        "file_mounts:",
        f"  {TOKEN}: {TOKEN}  # `a440 cluster up` makes it; by hand: (umask 077; ray get-auth-token --generate)",
    ]
    if (wheel := options.wheel()) is not None:
        lines.append(f"  {scalar(f'~/{wheel.name}')}: {scalar(str(wheel))}")
    return "\n".join(lines)


def setup(options: Options) -> str:
    """`setup_commands`: a virtual environment with Ray and a440, first on the PATH of every login shell."""
    profile = "export PATH=$HOME/.a440/bin:$PATH RAY_AUTH_MODE=token"
    return f"""\
setup_commands:
  - chmod 600 {TOKEN}
  - >-
    test -x ~/.a440/bin/pip || python3 -m venv ~/.a440 ||
    (sudo apt-get -o DPkg::Lock::Timeout=300 update -q &&
    sudo apt-get -o DPkg::Lock::Timeout=300 install -yq python3-venv rsync && python3 -m venv ~/.a440)
  - ~/.a440/bin/pip install --quiet {options.packages()}
  - grep -qs a440/bin ~/.bashrc || echo '{profile}' >> ~/.bashrc"""


def starts(extra: str = "", declared: tuple[str, str] = ("", "")) -> str:
    """`head_start_ray_commands` and `worker_start_ray_commands`: token on, dashboard on loopback, quick detection."""
    head, worker = (f" {words}" if words else "" for words in declared)
    words = HEALTH.split()
    first = f"\n    export {extra};" if extra else ""
    return f"""\
head_start_ray_commands:
  - ~/.a440/bin/ray stop
  - >-  # the dashboard runs code for whoever reaches it: on loopback, and behind the token
    ulimit -n 65536;{first}
    export RAY_AUTH_MODE=token;
    export {STORE};
    export {" ".join(words[:2])};
    export {" ".join(words[2:])};
    ~/.a440/bin/ray start --head --port=6379 --object-manager-port=8076 --dashboard-host=127.0.0.1
    --autoscaling-config=~/ray_bootstrap_config.yaml{head}
  - >-  # a GCS that dies alone is started anew, and finds its state on the disk
    setsid --fork ~/.a440/bin/python -m cluster.keeper < /dev/null > ~/.ray/keeper.log 2>&1

worker_start_ray_commands:
  - ~/.a440/bin/ray stop
  - >-
    ulimit -n 65536;
    export RAY_AUTH_MODE=token;
    ~/.a440/bin/ray start --address=$RAY_HEAD_IP:6379 --object-manager-port=8076{worker}"""
