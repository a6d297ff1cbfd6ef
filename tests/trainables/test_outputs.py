"""What outputs of Keras models are read as: probabilities, logits, numbers; and targets beside them."""

import numpy as np
import pytest

from trainables.outputs import predictions_of, targets_like


def test_rows_that_add_up_to_one_are_probabilities_and_others_logits():
    shares = np.array([[0.2, 0.798], [0.6, 0.401]])

    assert predictions_of(shares).scores == pytest.approx(shares / shares.sum(1, keepdims=True))
    assert predictions_of(np.log(shares)).scores == pytest.approx(shares / shares.sum(1, keepdims=True))
    assert predictions_of(np.array([[0.4, 0.6], [3.0, 1.0]])).scores.sum(1) == pytest.approx([1, 1])


def test_one_column_is_of_the_second_class_or_of_numbers():
    shares, numbers = np.array([[0.2], [0.7]]), np.array([0.2, 0.7])

    assert predictions_of(shares).labels.tolist() == [0, 1]
    assert predictions_of(shares).scores == pytest.approx(np.array([[0.8, 0.2], [0.3, 0.7]]))
    assert predictions_of(shares, takes_logits=True).labels.tolist() == [1, 1]
    assert predictions_of(np.array([-3.0, 2.0])).labels.tolist() == [0, 1]
    assert predictions_of(numbers).numbers == pytest.approx(numbers)


def test_one_hot_targets_are_compared_as_classes():
    outputs = np.array([[0.9, 0.1], [0.2, 0.8]])

    assert targets_like(outputs, np.array([[1.0, 0.0], [0.0, 1.0]])).tolist() == [0, 1]
    assert targets_like(outputs[:, :1], np.array([[3.5], [1.0]])).tolist() == [3.5, 1.0]
    assert targets_like(outputs, np.array([[0.3, 2.0], [1.0, 1.0]])).shape == (2, 2)


def test_outputs_that_metrics_by_name_cannot_read_are_refused_with_the_mend():
    with pytest.raises(ValueError, match=r"output is \[2, 3, 4\], and metrics by name want .*\. Compute metrics"):
        predictions_of(np.zeros((2, 3, 4)))
    with pytest.raises(ValueError, match=r"output is a list, and"):
        predictions_of([np.zeros(2)])
