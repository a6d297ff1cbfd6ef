PY := .venv/bin/python
PYTHON ?= python3
STUDIES := tests/house tests/orchestrator tests/trainables/test_to_ray.py
CLUSTERS := tests/orchestrator/test_home.py tests/orchestrator/test_autoscaled.py tests/orchestrator/test_submit.py tests/orchestrator/test_storage.py tests/orchestrator/test_shared_processes.py

.PHONY: setup demo test test-studies test-rooms check format bench soak clean

setup: .venv/.ready

.venv/.ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make setup PYTHON=python3.11")'
	test -x $(PY) || $(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --constraint constraints.txt "torch==$$(sed -n 's/^torch==//p' constraints.txt)"
	$(PY) -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: setup
	.venv/bin/a440 run examples/digits.yaml

test: setup  # two runs side by side: what starts a Ray, one test at a time, and what computes without one
	$(MAKE) --jobs=2 --output-sync=target test-studies test-rooms

test-studies:
	$(PY) -m pytest -o cache_dir=.pytest_cache/studies $(STUDIES) $(CLUSTERS:%=--ignore=%)

test-rooms:
	$(PY) -m pytest -o cache_dir=.pytest_cache/rooms tests search trainables cluster orchestrator $(STUDIES:%=--ignore=%)
	$(PY) -m pytest -o cache_dir=.pytest_cache/rooms $(CLUSTERS)

check: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

format: setup
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

bench: setup
	$(PY) benchmarks/overhead.py
	$(PY) benchmarks/scale.py
	$(PY) benchmarks/packing.py
	$(PY) benchmarks/fused.py steps
	$(PY) benchmarks/fused.py studies
	$(PY) -m benchmarks.quality search
	$(PY) -m benchmarks.quality kinds
	$(PY) -m benchmarks.quality latency
	$(PY) benchmarks/models.py

soak: setup
	$(PY) -m pytest -m soak
	$(PY) -m pytest -m "hypothesis and not soak" --hypothesis-profile=hunt

clean:
	rm -rf .venv runs build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
