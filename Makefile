# These commands set up everything they need in .venv; they need python3, pip and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PICTURE ?= docs/images/astronaut.jpg
OUTPUT ?= runs/demo

MINUTES ?= 30

.PHONY: demo test fuzz clean

demo: $(VENV)/.demo
	$(BIN)/vitruvian predict "$(PICTURE)" $(if $(DETECTOR),--detector "$(DETECTOR)") $(if $(POSE),--pose "$(POSE)") \
		$(if $(SIZE),--img-size $(SIZE)) -o "$(OUTPUT)/" --json "$(OUTPUT)/poses.json" --draw-boxes --overwrite

test: $(VENV)/.test
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/pytest tests/training tests/fuzz
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile --ignore=tests/training --ignore=tests/fuzz

fuzz: $(VENV)/.test
	$(BIN)/python tests/fuzz/running.py $(MINUTES)

clean:
	rm -rf $(VENV) runs

$(VENV)/.demo: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/.test: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps trackeval
	touch $@
