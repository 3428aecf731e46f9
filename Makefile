# What there is to do with this checkout. `make run` is the place to start.
PYTHON ?= python3
VENV   ?= .venv
PORT   ?= 8000
FUZZTIME ?= 60s

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
export PORT PYTHON

.PHONY: help run build test test-go test-python check faults chaos soak sockets bench lab asan leaks fuzz wheels release release-test docs cross deb-packages clean

help: ## say what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22
	@echo "  with PYTHON=$(PYTHON) VENV=$(VENV) PORT=$(PORT)"

run: build $(VENV)/.run ## serve examples/blocking_flask.py on 127.0.0.1:8000 (or PORT=)
	@scripts/run $(VENV)

build: ## build bin/girin
	@scripts/need-go
	@scripts/build-accelerator
	CGO_ENABLED=0 go build -o bin/girin ./cmd/girin

test: check test-go test-python ## check, and run every test

check: ## gofmt, go vet, staticcheck
	@scripts/need-go
	@unformatted=$$(gofmt -l cmd examples internal); [ -z "$$unformatted" ] || { echo "gofmt -w is due for:" $$unformatted; exit 1; }
	go vet ./...
	go tool staticcheck ./...

# The tests of both languages run the built girin and the Python of .venv.
TESTENV = VIRTUAL_ENV=$(abspath $(VENV)) PATH="$(abspath $(VENV))/bin:$$PATH" GIRIN=$(abspath bin/girin)

GO_TEST ?= go test ./...

test-go: build $(VENV)/.test
	$(TESTENV) $(GO_TEST) -race -shuffle=on -timeout 25m
	go test -run AllocatesNothing ./internal/front # which the race detector does not allow
	go test -tags restricted ./internal/worker # as where packet pipes and memfd are refused

test-python: build $(VENV)/.test
	$(TESTENV) python -m pytest

bench: build $(VENV)/.bench ## measure girin beside gunicorn and Granian (ARGS= for benchmarks/peers.py)
	$(TESTENV) python benchmarks/peers.py $(ARGS)

lab: build $(VENV)/.bench ## compare settings of girin and gunicorn in charts (ARGS= for girin lab article)
	$(TESTENV) bin/girin lab article $(ARGS)

faults: build $(VENV)/.bench ## put faults to girin and its peers; write docs/RELIABILITY.md (35 minutes, root; CHAOS= seconds, CONNECTS= sockets; ARGS='-k TEST' renews its line)
	FAULTS=full $(TESTENV) python -m pytest -v tests/faults $(ARGS)

chaos: build $(VENV)/.test ## let workers, servers and the engine of jobs die and freeze at random, and check what must be true of jobs (CHAOS=10m, CHAOS_SEED=)
	$(TESTENV) CHAOS=$(or $(CHAOS),10m) go test -count=1 -timeout 3h -v -run 'TestJobsInChaos|TestTheModel' ./internal/e2e

# Both halves check the answers' bytes and what is held afterwards; the second
# looks for data races too.
SOAK ?= 10m
soak: build $(VENV)/.test ## mixed clients, kills and reloads on every class and transport; twice SOAK=10m, with and without -race
	$(TESTENV) SOAK=$(SOAK) go test -count=1 -timeout 1h -v ./internal/e2e/soak $(ARGS)
	go build -race -o bin/girin-race ./cmd/girin
	$(TESTENV) GIRIN=$(abspath bin/girin-race) SOAK=$(SOAK) go test -count=1 -timeout 1h -v ./internal/e2e/soak $(ARGS)

sockets: build $(VENV)/.test ## put all of Autobahn's 517 cases to both loops, and over HTTP/2 (25 minutes)
	$(TESTENV) GIRIN_WEBSOCKET_CASES=all python -m pytest -s tests/test_websocket_conformance.py $(ARGS)

fuzz: ## run each fuzz target for FUZZTIME
	@scripts/need-go
	scripts/fuzz $(FUZZTIME)

asan: $(VENV)/.test ## run the shim's tests with the accelerator under AddressSanitizer and UBSan (5 minutes)
	scripts/asan $(abspath $(VENV))/bin/python $(ARGS)

leaks: build $(VENV)/.test ## look for what a million requests leave behind in a worker
	$(TESTENV) python internal/shim/tests/leaks.py 1000000 $(ARGS)

wheels: build/tools/.made ## build the wheels and the source archive of this checkout into dist/ (CPython 3.9 to 3.15, x86_64 and aarch64; 2 minutes)
	packaging/build wheels

release: build/tools/.made ## the wheels, and archives, Linux packages and SHA256SUMS with them (3 minutes)
	packaging/build all

release-test: release $(VENV)/.test ## build the release once more in another folder, compare, check, install and run it (30 minutes)
	@scripts/install-debs release
	scripts/release-test $(abspath $(VENV))

docs: build/tools/.made ## build the documentation as a site into build/site; a broken link is an error
	build/tools/bin/zensical build --strict

cross: ## build and vet for every platform
	@scripts/need-go
	scripts/cross

deb-packages: ## install the Debian packages that test and bench need
	@scripts/install-debs test
	@scripts/install-debs bench

clean: ## remove what make made
	rm -rf bin build dist $(VENV)

# One .venv that grows from run to test to bench; a stamp in it says how far.
$(VENV)/.run: requirements/run.txt
	@scripts/install-debs build
	@scripts/venv $(PYTHON) $(VENV) $<
	@touch $@

$(VENV)/.test: requirements/test.txt $(VENV)/.run
	@scripts/install-debs test
	@scripts/venv $(PYTHON) $(VENV) $<
	@touch $@

$(VENV)/.bench: requirements/bench.txt $(VENV)/.test
	@scripts/install-debs bench
	@scripts/venv $(PYTHON) $(VENV) $<
	@touch $@

# What releases are built with, in an environment of its own: it needs a newer Python than girin does.
build/tools/.made: requirements/release.txt
	@scripts/need-go
	@scripts/venv $(PYTHON) build/tools $<
	@touch $@
