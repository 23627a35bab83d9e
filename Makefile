# These commands set up everything they need in .venv; they need python3, pip and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PICTURE ?= docs/images/astronaut.jpg
OUTPUT ?= runs/demo

MINUTES ?= 30

.PHONY: demo test docs docs-test release fuzz clean

demo: $(VENV)/.demo
	$(BIN)/vitruvian predict "$(PICTURE)" $(if $(DETECTOR),--detector "$(DETECTOR)") $(if $(POSE),--pose "$(POSE)") \
		$(if $(SIZE),--img-size $(SIZE)) -o "$(OUTPUT)/" --json "$(OUTPUT)/poses.json" --draw-boxes --overwrite

test: $(VENV)/.test
	$(BIN)/ruff check src tests benchmarks docs training .ci
	$(BIN)/ruff format --check src tests benchmarks docs/code docs/make_pictures.py training .ci
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile tests/training tests/fuzz
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile --ignore=tests/training --ignore=tests/fuzz

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Trains, evaluates, exports and measures, too: what the pages mark as slow.
docs-test: $(VENV)/.test
	VITRUVIAN_SLOW_DOCS=1 $(BIN)/pytest tests/docs

release: $(VENV)/.test
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*
	$(BIN)/python .ci/check_wheel.py dist/*.whl

fuzz: $(VENV)/.test
	$(BIN)/python tests/fuzz/running.py $(MINUTES)

clean:
	rm -rf $(VENV) runs site dist

$(VENV)/.demo: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	touch $@

# An environment with the tests has all that the site needs.
$(VENV)/.docs: pyproject.toml
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[docs]'
	touch $@

$(VENV)/.test: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps trackeval
	touch $@
