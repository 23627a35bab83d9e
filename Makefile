# Both commands set up everything they need in .venv; they need python3, pip and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PICTURE ?= docs/images/astronaut.jpg
SIZE ?= 320
OUTPUT ?= runs/demo

.PHONY: demo models test clean

demo: models $(VENV)/.demo
	$(BIN)/vitruvian predict "$(PICTURE)" --detector "$(DETECTOR)" --pose "$(POSE)" --img-size $(SIZE) \
		-o "$(OUTPUT)/" --json "$(OUTPUT)/poses.json" --draw-boxes --overwrite

models:
	@test -f "$(DETECTOR)" -a -f "$(POSE)" || { \
		echo "This version ships no weights yet, and DETECTOR=$(DETECTOR) POSE=$(POSE) are not two files."; \
		echo "Give two ONNX files, a person detector (RTMDet, YOLOX) and a pose net:"; \
		echo "    make demo DETECTOR=detector.onnx POSE=pose.onnx [PICTURE=photo.jpg] [SIZE=320]"; exit 2; } >&2

test: $(VENV)/.test
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/pytest

clean:
	rm -rf $(VENV) runs

$(VENV)/.demo: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/.test: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@
