"""What becomes of the nodes' answers; that they are asked is tested with a Ray, in the cluster's room."""

import pytest

from orchestrator.nodes import check_nodes


@pytest.fixture
def answering(monkeypatch):
    """Has every node say something; `{word}` is what the driver left for them."""

    def make(answers):
        def ask(function, place, word, timeout_s):
            assert (place / f".probe-{word}").read_text() == word
            return {node: answer(function, place, word) if callable(answer) else answer for node, answer in answers}

        monkeypatch.setattr("cluster.to_ray.on_every_node", ask)

    return make


def own_folder(tmp_path):
    def answer(function, place, word):
        (tmp_path / "elsewhere").mkdir()
        return function(tmp_path / "elsewhere", word)

    return answer


def test_a_path_that_is_not_shared_is_refused_with_the_nodes_that_do_not_see_it(tmp_path, answering):
    folder = tmp_path / "study"
    folder.mkdir()
    answering(
        [
            ("head", lambda function, place, word: function(place, word)),
            ("gpu-1", own_folder(tmp_path)),
            ("gpu-2", lambda function, place, word: function(place.parent / "nowhere", word)),
        ]
    )

    with pytest.raises(ValueError, match="is not shared by all nodes") as refused:
        check_nodes(folder)

    assert "gpu-1: it sees another folder there; gpu-2: it does not see it" in str(refused.value)
    assert "head" not in str(refused.value)
    assert "storage: s3://bucket/runs" in str(refused.value)
    assert list(folder.iterdir()) == []


def test_a_node_that_does_not_answer_is_told_and_not_waited_for(tmp_path, answering):
    answering([("head", None), ("gpu-1", TimeoutError("no answer in 20 s"))])

    with pytest.warns(UserWarning, match="gpu-1 did not say within 20 s"):
        check_nodes(tmp_path)


def test_a_node_on_which_asking_failed_is_refused(tmp_path, answering):
    answering([("gpu-1", RuntimeError("No module named 'trainables'"))])

    with pytest.raises(ValueError, match="gpu-1: No module named 'trainables'"):
        check_nodes(tmp_path)
