# Two commands: `make book` builds the book, `make test` checks the code and the texts.
# Both need Python 3.11 or 3.12, make and git. They install their own environment in .venv.

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
PROFILE ?= quick
PDF ?= no
CORES ?= $(shell nproc 2>/dev/null || echo 2)
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: book check test machines environment data bench lock clean

# Succeeds if the book is built. The book says which pages differ from the reference runs. PDF=yes also prints it.
book: environment data
	python -m book.builder.build book/profiles/$(PROFILE).yml $(CORES) pdf=$(PDF)
	@echo "open book/_build/html/index.html"

# Fails if the networks trained here differ from the reference runs. For the published book, fails if a claim that was
# reproduced is no longer reproduced.
check: environment
ifeq ($(PROFILE),paper)
	nrc claims --against book/profiles/paper.verdicts.json
else
	nrc check --profile book/profiles/$(PROFILE).yml
endif

# The fastest checks come first.
test: environment
	ruff check .
	ruff format --check .
	python .ci/sync_environment.py --check
	mypy
	pytest -n $(CORES) --dist loadfile --no-loadscope-reorder

# Repeats the numeric tests and re-checks under other instruction sets of this processor.
machines: environment data
	.ci/machines

environment: .venv/complete

.venv/complete: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info < (3, 13) else "Python 3.11 or 3.12 is needed: make PYTHON=/path/to/it")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(shell grep '^uv==' requirements.lock)
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	touch $@

# Simulated data are made here. SGEMM, CIFAR-10, MNIST and FashionMNIST are downloaded. UTKFace can be obtained only by
# hand, so it is taken from NRC_DATA_MIRROR. If data are missing, their page says why. CarRacing takes longest, so it
# comes first.
data: environment
	-printf '%s\n' car_racing hopper swimmer sgemm reacher cifar10 mnist fashion_mnist utkface | xargs -P $(CORES) -n 1 nrc data
	-nrc data digits_and_clothes  # made from mnist and fashion_mnist

# Run this on a machine that is otherwise idle. The last benchmark needs UTKFace and says so if it is missing.
bench: environment
	python -m benchmarks.limits
	python -m benchmarks.scaling
	python -m benchmarks.metrics
	python -m benchmarks.training
	python -m benchmarks.training_images
	-python -m benchmarks.images

lock:
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --no-header --no-annotate \
	    -o requirements.lock
	python .ci/sync_environment.py

clean:
	rm -rf build book/_build
