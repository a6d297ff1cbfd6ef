"""What is wrong with a machine beside the driver's."""

from dataclasses import replace

import pytest

from cluster.checkup import Checkup, examine, findings

WELL = Checkup({"python": "3.11.7", "ray": "2.60.0"}, 1000.0, 100.0, 8.0, 0.001, 0o600, 65536)


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (
            {"versions": {"python": "3.12.1", "ray": "2.60.0"}},
            r"n has python 3\.12\.1, and the driver 3\.11\.7\. On it: uv",
        ),
        ({"versions": {"python": "3.11.7"}}, r"n has ray not at all, and the driver 2\.60\.0\. On it: pip install"),
        ({"at": 1012.0}, r"n's clock is 12 s ahead of the driver's\. On it: sudo timedatectl"),
        ({"at": 990.0}, r"n's clock is 10 s behind the driver's\."),
        ({"free_gib": 1.26}, r"n has 1\.3 GiB of disk left\. Free some"),
        ({"shm_gib": 0.0625}, r"n has 0\.06 GiB of shared memory.* In Docker: --shm-size=8g"),
        ({"dns_s": 5.0}, r"n takes 5\.0 s to look up its own name.* Add it to /etc/hosts"),
        ({"token": 0o644}, r"n's token file can be read by others\. On it: chmod 600"),
        ({"files": 1024}, r"n may open 1024 files\. Before ray start: ulimit -n 65536"),
    ],
)
def test_each_thing_that_is_wrong_is_told_alone(there, said):
    import re

    [told] = findings("n", replace(WELL, **there), WELL, 0.5)

    assert re.search(said, told)


def test_nothing_is_told_of_a_machine_that_is_well_or_of_a_clock_that_the_answer_explains():
    assert findings("n", WELL, WELL, 0.5) == []
    assert findings("n", replace(WELL, at=1003.0, token=None), WELL, 1.5) == []


def test_this_machine_can_be_examined():
    found = examine()

    assert findings("here", replace(found, free_gib=9, shm_gib=9, dns_s=0, files=99999, token=None), found, 1.0) == []
    assert found.free_gib > 0
    assert found.versions["ray"] is not None
