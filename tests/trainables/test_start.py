"""What can be trained, what cannot and how that is mended, and that generators are sown alike everywhere."""

import functools
import random
import subprocess
import sys
from abc import abstractmethod

import numpy as np
import pytest
import torch

from trainables import TorchTrainable, Trainable
from trainables.contract import Brief
from trainables.start import can_save, ends_by_itself, kind_of, starter


class Steps(Trainable):
    def setup(self, params):
        self.params, self.draws = params, [random.random(), np.random.random(), float(torch.rand(()))]

    def step(self):
        return {"loss": random.random() + np.random.random() + float(torch.rand(()))}

    def save(self, folder):
        (folder / "state").write_text("x")

    def load(self, folder):
        pass


class Model(TorchTrainable):
    def model(self, params): ...
    def optimizer(self, params, parameters): ...
    def data(self, params): ...
    def loss(self, output, target): ...
    def metrics(self, output, target): ...


class Half(Trainable):
    def setup(self, params):
        pass

    @abstractmethod
    def step(self):
        pass


class Needy(Steps):
    def __init__(self, path):
        self.path = path


class Stranger:
    pass


def plain(params): ...
def reports(params, report): ...
def takes_nothing(): ...
def takes_names(lr, width): ...
def takes_keywords(**params): ...
async def waits(params): ...
async def waits_and_yields(params):
    yield {}


def yields_and_reports(params, report):
    yield {}


def test_each_kind_is_known_with_what_it_can_do():
    assert (kind_of(plain), can_save(plain), ends_by_itself(plain)) == ("function", False, True)
    assert (kind_of(Steps), can_save(Steps), ends_by_itself(Steps)) == ("class", True, True)
    assert (kind_of(Model), can_save(Model), ends_by_itself(Model)) == ("torch", True, False)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (takes_nothing, r"takes_nothing takes no params\. Write def takes_nothing\(params\): \.\.\."),
        (takes_names, r"takes_names\(lr, width\) cannot be called with one dict of params\. Write def"),
        (takes_keywords, r"takes_keywords\(\*\*params\) cannot be called with one dict"),
        (waits, r"waits is async, and nobody awaits it\. Write a plain function"),
        (waits_and_yields, r"waits_and_yields is async"),
        (functools.partial(waits), r"waits is async"),
        (yields_and_reports, r"yields_and_reports yields and takes report\. Do one of them"),
        (max, r"max does not say which arguments it takes\. Write def max\(params\)"),
        (Half, r"Half lacks the methods load, save, step\. Define them in the class"),
        (Trainable, r"Trainable lacks the methods"),
        (Needy, r"Needy\(\) is made anew for every trial, and cannot be .*'path'.*\. Give its arguments defaults"),
        (Steps(), r"Steps\(\) is one object, and every trial needs its own\. Give the class: Steps\."),
        (Stranger, r"Stranger is a class that a440 does not know\. Derive it from Trainable"),
        (
            torch.nn.Linear,
            r"Linear is a model, and every trial builds .*\. Write class Mine\(TorchTrainable\), with def",
        ),
        (torch.nn.Linear(2, 1), r"Linear is a model, and every trial builds one of its own"),
        ("examples.digits:DigitsMLP", r"'examples\.digits:DigitsMLP' cannot be trained\. Give a function"),
        (None, r"None cannot be trained\. Give"),
    ],
)
def test_what_cannot_be_trained_is_refused_with_the_mend(source, message):
    with pytest.raises(TypeError, match=message):
        kind_of(source)


def test_optional_arguments_beside_params_are_fine():
    assert kind_of(lambda params, epochs=3: 1) == "function"
    assert kind_of(lambda params, *args, **more: 1) == "function"
    assert kind_of(functools.partial(takes_names, width=3)) == "function"


def test_trials_draw_the_same_whatever_their_neighbours_left_behind():
    start = starter(Steps, Brief("loss"))

    first = start({}, seed=3)._trainable.draws
    random.seed(99), np.random.seed(99), torch.manual_seed(99)
    again = start({}, seed=3)._trainable.draws
    other = start({}, seed=4)._trainable.draws

    assert first == again
    assert not set(first) & set(other)


def test_functions_are_sown_before_they_start_but_not_between_their_epochs():
    def train(params):
        for _ in range(3):
            yield random.random()

    start = starter(train, Brief("loss"))
    first, again = start({}, seed=3), start({}, seed=3)
    random.seed(99)

    curves = []
    for seed in (3, 3):
        training = start({}, seed)
        curves.append([training.step()["loss"] for _ in range(3)])

    assert curves[0] == curves[1]
    assert len(set(curves[0])) == 3
    assert first is not again


def test_params_that_a_class_changes_are_its_own():
    option = {"layers": [64, 32]}

    starter(Steps, Brief("loss"))(option, 0)._trainable.params["layers"].append(1)

    assert option == {"layers": [64, 32]}


def test_torch_draws_alike_whether_it_was_loaded_before_or_by_the_training_itself():
    script = (
        "import sys\n"
        "from trainables.start import starter\n"
        "def train(params):\n"
        "    assert params['loaded'] == ('torch' in sys.modules)\n"
        "    import torch\n"
        "    return float(torch.rand(()))\n"
        "from trainables.contract import Brief\nstart = starter(train, Brief('loss'))\n"
        "print([start({'loaded': False}, 5).step(), start({'loaded': True}, 5).step()])\n"
        "print([type(finder).__name__ for finder in sys.meta_path])\n"
    )

    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    values, finders = out.splitlines()
    new, used = eval(values)

    assert new == used
    assert "_Arrival" not in finders


def test_importing_the_room_loads_neither_torch_nor_ray_nor_numpy():
    script = (
        "import sys, trainables, trainables.start, trainables.session, trainables.shipping\n"
        "heavy = {'torch', 'ray', 'numpy', 'pandas'} & set(sys.modules)\n"
        "trainables.start.kind_of(lambda params: 1)\n"
        "print(sorted(heavy))\n"
        "from trainables import Batches, TorchTrainable, split\n"
        "print('torch' in sys.modules, 'ray' in sys.modules)"
    )

    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout

    assert out.splitlines() == ["[]", "True False"]


def test_an_unknown_name_of_the_room_is_an_attribute_error():
    import trainables

    with pytest.raises(AttributeError, match="module 'trainables' has no attribute 'Batch'"):
        trainables.Batch  # noqa: B018
