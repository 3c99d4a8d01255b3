# Two commands: `make compare` measures, `make test` tests. Each does the set-up
# that it needs. Without npm both run what needs Go alone.

NODE_FOLDERS = rawws/node sio/node internal/page/node

.PHONY: compare champion test check exact node programs clean

# Arguments go through ARGS: make compare ARGS="-stack rawws,sio -rounds 4"
compare: node
	@mkdir -p bin
	@go build -o bin/compare ./cmd/compare
	@bin/compare $(ARGS)

# rawws beside other WebSocket libraries, which are a module of their own:
# make champion ARGS="-rounds 2"
champion:
	@mkdir -p bin
	@cd peers && go build -o ../bin/champion ./cmd/champion
	@bin/champion $(ARGS)

test: node programs
	go test -race -timeout 75m ./...
	cd peers && go test -race -timeout 10m ./...

# What .ci/run does before the tests.
check:
	go vet ./...
	cd peers && go vet ./...
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo 'gofmt would change these files'; exit 1; }
	go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
	cd peers && go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...

# What is exact, against results/baseline.txt: docs/check.md says what to do if
# it differs. The workflow is strict about it, which takes the version of Go that the
# file is of.
exact: node
	@mkdir -p bin
	@go build -o bin/compare ./cmd/compare
	@bin/compare check -baseline results/baseline.txt

# The npm packages of the Node programs. What is up to date is left alone. Where
# they cannot be had, compare says what is left out; CI does not go on.
node:
	@if command -v npm >/dev/null; then \
		$(MAKE) --silent --no-print-directory $(NODE_FOLDERS:%=%/node_modules/.package-lock.json) >&2 || \
			{ [ -z "$$CI" ] && echo 'npm could not install the packages: the stacks with Node are left out.' >&2; }; \
	else \
		echo 'npm is not installed: the stacks with Node are left out. Install Node 18 or newer to add them.' >&2; \
	fi

# The programs that chats stand behind or beside. Tests and compare start their
# own; what apt starts as a service is stopped, where policy-rc.d does not keep
# it from being started. Who is not root installs them, or goes without: their
# cells are n/a then.
PROGRAMS = nginx-light haproxy squid redis-server chromium

programs:
	@missing=; path="$$PATH:/usr/sbin:/usr/local/sbin"; \
	for p in $(PROGRAMS); do PATH="$$path" command -v $${p%-light} >/dev/null || missing="$$missing $$p"; done; \
	[ -z "$$missing" ] && exit 0; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
		echo "not installed, so their cells are left out:$$missing. As root: apt-get install$$missing" >&2; exit 0; \
	fi; \
	policy=/usr/sbin/policy-rc.d; made=; \
	if [ ! -e $$policy ]; then printf '#!/bin/sh\nexit 101\n' >$$policy && chmod +x $$policy && made=$$policy; fi; \
	{ apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; } >/dev/null 2>&1 || \
		echo "apt-get could not install$$missing: the cells that need them are left out." >&2; \
	[ -z "$$made" ] || rm -f "$$made"

%/node_modules/.package-lock.json: %/package-lock.json
	npm ci --no-audit --no-fund --silent --prefix $*
	@touch $@

clean:
	rm -rf bin $(NODE_FOLDERS:%=%/node_modules)
