# Two commands do everything on a fresh machine: `make demo` and `make test`.
# PYTHON may name any Python from 3.10 to 3.13; without it the newest one found is taken.

VENV ?= .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3.12 python3.11 python3.13 python3.10 python3; do \
	"$$p" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& { echo $$p; break; }; done)
JOBS ?= 2

.PHONY: demo test lint golden bench docs predictions lock wheels android clean require-python

require-python:
	@test -n "$(PYTHON)" || { echo "edge-deploy needs Python 3.10 to 3.13; install one, or name it: make PYTHON=/path/to/python3 ..." >&2; exit 2; }

# The virtual environment, from the lock files with their hashes.
$(VENV)/.demo: requirements/demo.lock pyproject.toml | require-python
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/demo.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	touch $@

$(VENV)/.dev: requirements/dev.lock pyproject.toml | require-python
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	touch $@ $(VENV)/.demo

demo: $(VENV)/.demo  ## The whole job on real trained models, into demo-output/
	$(BIN)/edge-deploy demo --output demo-output --force

test: $(VENV)/.dev lint  ## All tests; the last line is pytest's own summary
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup --ignore tests/prediction
	$(BIN)/python -m pytest tests/prediction  # alone: it measures how good predictions are here

lint: $(VENV)/.dev  ## Style, types, and which room may import which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@# Python 3.10 has an older numpy, whose types are others.
	if $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then $(BIN)/mypy; fi
	$(BIN)/lint-imports

golden: $(VENV)/.dev  ## Write the golden files again; look at the difference before you commit it
	EDGE_DEPLOY_UPDATE_GOLDEN=1 $(BIN)/python -m pytest -q -n $(JOBS) tests/pipeline/test_json_keys.py tests/pipeline/test_profile*.py \
		tests/pipeline/test_doctor.py tests/unit/test_bundling.py tests/pipeline/test_bundle.py \
		tests/pipeline/test_android_bundle.py tests/unit/test_archives*.py tests/android/test_harness_json.py

docs: $(VENV)/.dev  ## Write docs/cli.md again
	$(BIN)/python -m edge_deploy.cli.reference > docs/cli.md

predictions: $(VENV)/.dev  ## Fit the published tables again: devices/*.toml, docs/prediction.md
	$(BIN)/python -m edge_deploy.prediction.networks.table edge_deploy/reference/model_features.csv
	$(BIN)/python -m edge_deploy.prediction.tables.published
	$(BIN)/python -m edge_deploy.prediction.tables.accuracy_page docs/prediction.md

bench: $(VENV)/.dev  ## A table of ratios; nothing is asserted
	$(BIN)/python -m tests.bench

lock: $(VENV)/.dev  ## Resolve all versions again
	for extra in demo dev; do $(BIN)/uv pip compile --universal --python-version 3.10 --upgrade \
		--generate-hashes --extra $$extra --no-emit-index-url --no-annotate \
		--custom-compile-command "make lock" pyproject.toml -o requirements/$$extra.lock --quiet || exit; done

wheels: $(VENV)/.dev  ## Pin the packages of bundles again: their newest versions and hashes
	$(BIN)/python -m edge_deploy.bundles.wheel_pins > wheels.part
	mv wheels.part edge_deploy/targets/wheels.toml

android: $(VENV)/.dev  ## Build again what goes to phones (android_harness/edge_deploy_android/built)
	$(BIN)/python android_harness/java/build.py

clean:
	rm -rf $(VENV) .cache demo-output build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
