# Two commands: `make compare` measures, `make test` tests. Each does the set-up
# that it needs. Without npm both run what needs Go alone.

NODE_FOLDERS = rawws/node sio/node

.PHONY: compare champion test check exact node clean

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

test: node
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
# it differs.
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

%/node_modules/.package-lock.json: %/package-lock.json
	npm ci --no-audit --no-fund --silent --prefix $*
	@touch $@

clean:
	rm -rf bin $(NODE_FOLDERS:%=%/node_modules)
