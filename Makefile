# What is done often, each complete by itself: see README.md.

# The first Python that will do; or make PYTHON=...
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN = $(VENV)/bin

# What tests run beside us; tests use what they find of it.
TEST_PACKAGES = postgresql chromium chromium-driver fonts-dejavu-core \
	systemd nginx haproxy

# How all tests are run: two files at a time.
AT_ONCE = -n 2 --dist loadfile

.PHONY: run test test-deps soap lint types format bench news dist clean

run: $(VENV)/installed
	exec $(BIN)/twistd -n cs $(ARGS)

test: test-deps
	$(BIN)/python -m pytest $(or $(ARGS),$(AT_ONCE))

test-deps: $(VENV)/test-installed
	.ci/need $(TEST_PACKAGES)

# The tests of SOAP, whose library leans on what Python has dropped, on every
# other Python that the machine has; the backends have nothing to do with it.
SOAP_TESTS = tests/ocpp/test_soap.py tests/test_soap_session.py \
	$(wildcard tests/transports/test_soap*.py)

soap:
	@for python in $$(.ci/pythons $(BIN)/python); do \
		venv=.venv-$$(basename $$python); \
		$(MAKE) PYTHON=$$python VENV=$$venv $$venv/test-installed \
		&& echo "== SOAP on $$python" \
		&& $$venv/bin/python -m pytest -q $(AT_ONCE) \
			-k 'not BackendTests' $(SOAP_TESTS) || exit 1; \
	done

lint: $(VENV)/lint-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/lint-installed
	$(BIN)/mypy

format: $(VENV)/lint-installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/installed
	$(BIN)/python -m bench $(ARGS)

# What would be in NEWS.md; ARGS=--yes writes it.
news: $(VENV)/news-installed
	$(BIN)/towncrier build $(or $(ARGS),--draft)

dist:
	$(BIN)/python -m pip wheel --no-deps --wheel-dir dist .

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache

# Without python3-venv, Debian makes a venv that has no pip; tox may leave a
# file of this name.
$(VENV)/bin/pip:
	@test -n "$(PYTHON)" || { echo "needs Python 3.11, 3.12 or 3.13" >&2; exit 1; }
	$(PYTHON) -c 'import ensurepip' 2>/dev/null \
		|| .ci/need $(notdir $(PYTHON))-venv
	test ! -f $(VENV) || rm $(VENV)
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: setup.cfg pyproject.toml | $(VENV)/bin/pip
	$(BIN)/pip install -q -e .
	touch $@

$(VENV)/%-installed: setup.cfg pyproject.toml | $(VENV)/bin/pip
	$(BIN)/pip install -q -e '.[$*]'
	touch $@
