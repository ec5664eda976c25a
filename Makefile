# Everything from a bare clone: `make demo` and `make test` need only python3 (3.11 or newer) and make.
#   make demo                                       train the stories twice, print continuations
#   make train CONFIG=configs/fable.yaml            train a config (ARGS="train.epochs=2" adds to it)
#   make generate CUE="The old miller"              continue a cue with the newest run
#   make test | slow | browser | soak | lint | bench | setup | clean | help   (bench takes PEER=, TEXTS= and KERAS=)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt
TORCH_CPU_INDEX := https://download.pytorch.org/whl/cpu
CONFIG ?= configs/story.yaml
CUE ?= The old miller
ARGS ?=
PEER ?=
TEXTS ?=
KERAS ?=
export CUE

.PHONY: setup demo train generate test slow browser soak lint bench clean help
.DEFAULT_GOAL := help

setup: $(READY)

# The stamp is written last, so a broken install is made again. When only a pin has
# changed, pip changes only that.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$$($(PYTHON) --version) is too old: lstmgen needs 3.11 or newer. Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "python3 cannot make a virtual environment (on Debian: apt install python3-venv)"; exit 1; }
	@if nvidia-smi -L 2>/dev/null | grep -q GPU; then \
	  echo "torch: there is an NVIDIA GPU, so the CUDA build from the default index"; \
	elif $(PYTHON) -c 'import sys, urllib.request as r; r.urlopen(sys.argv[1], timeout=5)' $(TORCH_CPU_INDEX)/torch/ 2>/dev/null; then \
	  echo "torch: no NVIDIA GPU, so the CPU build from $(TORCH_CPU_INDEX)"; \
	  index="--extra-index-url $(TORCH_CPU_INDEX)"; \
	else \
	  echo "torch: PyTorch's index of CPU builds does not answer, so from the default index (on Linux that may be the large CUDA build)"; \
	fi; \
	echo "installing into $(VENV), once"; \
	$(PIP) $$index torch && $(PIP) -e '.[dev]'
	@touch $@

# The same stories twice, from scratch and from a base, and three continuations by each.
demo: $(READY)
	@scratch=$$($(BIN)/lstmgen train story --name story) && \
	tuned=$$($(BIN)/lstmgen train tuned --name tuned) && \
	for run in "$$scratch" "$$tuned"; do \
	  { case $$run in "$$tuned") echo "fine-tuned from english-fiction";; *) echo "from scratch";; esac; \
	    sed -n 's/^ *best perplexity *\([0-9.]*\).*/validation perplexity \1/p' "$$run/log.txt"; echo; \
	    $(BIN)/lstmgen generate "$$run" --cue "The old miller" -n 3 --words 60 --seed 1; \
	  } | fold -s -w 56 > "$$run/demo.txt"; \
	done && echo && pr -m -t -w 118 "$$scratch/demo.txt" "$$tuned/demo.txt" | expand

train: $(READY)
	@$(BIN)/lstmgen train $(CONFIG) $(ARGS)

generate: $(READY)
	@$(BIN)/lstmgen generate --cue "$$CUE" $(ARGS)

test: lint
	@$(BIN)/python -m pytest -m "not slow and not browser" -n auto --dist loadfile

# Tests that take more than some seconds each; CI runs them too.
slow: $(READY)
	@$(BIN)/python -m pytest -m "slow and not browser"

# The page of a run in headless Chromium, which is installed if it is missing and may be.
browser: $(READY)
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || \
	  command -v google-chrome >/dev/null || \
	  { echo "installing Chromium, once"; apt-get install -y -qq chromium >/dev/null; } || \
	  { apt-get update -qq && apt-get install -y -qq chromium >/dev/null; } || \
	  { echo "no Chromium: install it (on Debian: apt install chromium) and try again"; exit 1; }
	@$(PIP) -e '.[browser]'
	@$(BIN)/python -m pytest -m browser tests/browser

# The long versions: 50 kills, 10,000 reads beside a writer, 10,000 drawn inputs, 5,000 flipped bits.
soak: $(READY)
	@LSTMGEN_SOAK=1 $(BIN)/python -m pytest -m soak --durations=0

lint: $(READY)
	@$(BIN)/ruff format --check --quiet . || { echo "not formatted: run $(BIN)/ruff format"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@said=$$($(BIN)/lint-imports --no-logo --no-cache 2>&1) || { echo "$$said"; exit 1; }

# Peers come by path, as do their texts: PEER a checkout of pytorch/examples, TEXTS as in
# "--text Brown=brown --text Shakespeare=input.txt", KERAS the python of an environment with Keras.
bench: $(READY)
	@set -e; for name in plain cells regularisers generation startup preparing growth profile_step; do \
	  $(BIN)/python -m benchmarks $$name $(ARGS); \
	done
	@if [ -n "$(PEER)" ]; then $(BIN)/python -m benchmarks generation --peer "$(PEER)" --only-shell $(ARGS); \
	  else echo "generate.py of pytorch/examples is left out: name a checkout, PEER=..."; fi
	@if [ -n "$(PEER)" ] && [ -n "$(TEXTS)" ]; then $(BIN)/python -m benchmarks dense --peer "$(PEER)" $(TEXTS) $(ARGS); \
	  else echo "word_language_model is left out: name PEER=... and TEXTS=\"--text NAME=PATH\""; fi
	@if [ -n "$(KERAS)" ]; then $(BIN)/python -m benchmarks many_to_one --keras "$(KERAS)" $(ARGS); \
	  else echo "Keras is left out: name a Python that has it, KERAS=..."; fi

# Runs are yours: clean never touches them.
clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find lstmgen tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | sed -n '1,5p'
