# make book · pdf · chapter · new · test · module · mutants · browsers · audit · seeds · bench · checkpoint · serve · lab · fix · lint · clean · pins.  Everything is installed into .venv.
PYTHON ?= python3
PORT ?= 8000
SEED ?= 0
SEEDS ?= 0-19
CHAPTER ?=
LEAST ?= 0
SHARD ?=
BIN := .venv/bin
# Plugins of pytest that the tests of one chapter do without; to load them takes a second in each worker.
FEW := -o addopts= --no-loadscope-reorder -p no:nbmake -p no:anyio -p no:hypothesispytest

.PHONY: book pdf chapter new test module mutants browsers audit seeds bench checkpoint serve lab fix lint clean pins browser engines

book: .venv/installed browser engines
	@echo "Building the book: the notebooks run, their checks with them; a warning stops the build."
	@$(BIN)/python book/build.py

pdf: book
	@echo "Printing the book into one file; this takes some minutes."
	@$(BIN)/python book/pdf.py

chapter: .venv/installed browser engines
	@echo "Running, building and testing chapter $(N) with seed $(SEED)."
	@BOOK_SEED=$(SEED) $(BIN)/python book/build.py $(N)
	@BOOK_HTML=_build/chapters/$(N)/_build/html $(BIN)/pytest -q -n 2 --tb=short -rN $(FEW) tests/test_pages.py tests/test_notebooks.py -k $(N)_

test: book
	@echo "Testing the helpers, every notebook (seed $${BOOK_SEED:-1}; the book itself ran with 0) and the built pages."
	@BOOK_SEED=$${BOOK_SEED:-1} $(BIN)/pytest --durations=5

bench: .venv/installed
	@echo "Timing the helpers on one thread; a missed bar is an error. Let nothing else run meanwhile."
	@for file in benchmarks/*.py; do $(BIN)/python $$file || exit 1; done

checkpoint: .venv/installed
	@echo "Training and measuring anew what chapters 2, 5, 6 and 7 ship, on one thread; this takes more than an hour."
	@$(BIN)/python -m helpers.recall notebooks/02_mla_recall.npz
	@$(BIN)/python -m helpers.lora notebooks/05_lora_ga.npz
	@$(BIN)/python -m helpers.ign notebooks/06_ign_as_gan.npz
	@$(BIN)/python -m helpers.skip notebooks/07_skip_tuning.npz

serve: book
	@echo "The book is at http://127.0.0.1:$(PORT)/ until you press Ctrl-C."
	@$(BIN)/python -m http.server --bind 127.0.0.1 --directory _build/html $(PORT)

lab: .venv/installed
	@echo "Opening the notebooks in JupyterLab; Ctrl-C here ends it."
	@$(BIN)/jupyter lab --notebook-dir=. notebooks

new: .venv/installed
	@$(BIN)/python book/new.py "$(N)" "$(NAME)" "$(PREFIX)"

fix: .venv/installed
	@echo "Formatting code and notebooks, stripping outputs."
	@$(BIN)/nbstripout --keep-id notebooks/*.ipynb book/chapter.ipynb
	@$(BIN)/ruff check -q --fix .
	@$(BIN)/ruff format .

lint: .venv/installed
	@echo "Looking at code, notebooks, workflows and the citation file; nothing is changed."
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/nbstripout --keep-id --verify notebooks/*.ipynb book/chapter.ipynb
	@$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(BIN)/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff

clean:
	@echo "Removing what was built. Delete .venv by hand to install anew."
	@rm -rf _build .pytest_cache .ruff_cache .hypothesis

pins: .venv/installed
	@echo "Writing requirements.txt from pyproject.toml. The pin of torch has no build label, so that any build of it fits."
	@$(BIN)/pip-compile -q --all-extras --strip-extras --allow-unsafe --upgrade --no-header --no-annotate \
	  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host -o requirements.txt pyproject.toml
	@sed -i.old '/^torch==/s/+.*//' requirements.txt && rm requirements.txt.old

.venv/installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; try: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	@echo "Installing into .venv; this takes some minutes, once."
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install -q --disable-pip-version-check -r requirements.txt
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps -e .
	@$(BIN)/pip uninstall -q -y rfc3987-syntax  # nothing needs it, and jsonschema spends two seconds on loading it
	@touch $@

browsers: book
	@has() { command -v $$1 > /dev/null; }; missing=$$(has chromedriver || echo chromium-driver; \
	  has firefox-esr || has firefox || echo firefox-esr; has WebKitWebDriver || echo webkit2gtk-driver; has Xvfb || echo xvfb); \
	  [ -z "$$missing" ] || { has apt-get && echo "Installing" $$missing "for the tests in three browsers." \
	  && as=$$([ $$(id -u) = 0 ] || echo sudo -n) && $$as apt-get update -qq && $$as apt-get install -qq -y $$missing > /dev/null; } || true
	@echo "Testing the built pages in Chromium, Firefox and WebKit; this takes five minutes."
	@$(BIN)/pytest -n 0 tests/browsers.py

audit: book
	@echo "Looking at every page with Lighthouse, as a phone and as a desk would; this takes an hour. Let nothing else run meanwhile."
	@$(BIN)/python tests/audit.py

module: .venv/installed engines
	@echo "Minifying notranslate-math and packing it: _build/notranslate-math-….tgz"
	@mkdir -p _build && cd notranslate-math && PATH="$(CURDIR)/tests/engines/node_modules/.bin:$(CURDIR)/$(BIN):$$PATH" \
	  npm pack --silent --pack-destination ../_build

mutants: .venv/installed browser engines
	@echo "Changing the mathematics one place at a time; what the checks do not notice is listed."
	@$(BIN)/python tests/mutants.py --chapter "$(CHAPTER)" --least "$(LEAST)" $(if $(SHARD),--all --shard $(SHARD))

seeds: .venv/installed browser engines
	@echo "Running the chapters with the seeds $(SEEDS), two at a time."
	@$(BIN)/python tests/seeds.py --seeds "$(SEEDS)" --chapter "$(CHAPTER)"

browser: .venv/installed
	@$(BIN)/python src/helpers/browser.py 2> /dev/null || { { command -v apt-get > /dev/null \
	  && echo "Installing Chromium for chapter 8 and for the tests of the pages." && as=$$([ $$(id -u) = 0 ] || echo sudo -n) \
	  && $$as apt-get update -qq && $$as apt-get install -qq -y chromium > /dev/null; }; $(BIN)/python src/helpers/browser.py; }

engines: tests/engines/node_modules/.package-lock.json

tests/engines/node_modules/.package-lock.json: tests/engines/package-lock.json .venv/installed
	@echo "Installing the formula engines that chapter 8 is about."
	@$(BIN)/npm ci --silent --prefix tests/engines
	@touch $@
