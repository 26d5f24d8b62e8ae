# Needs Go, and gcc for the race detector.

# FUZZTIME is how much each fuzz target runs in `make fuzz`: a count, because with a length of time go test now and
# then fails at its end with "context deadline exceeded" and no input at fault.
FUZZTIME ?= 30000x

# STRESS is the length of `make stress`: how often the program is killed. Other runs grow and shrink with it.
STRESS ?= 20

# SQLite itself, translated to Go by its driver's authors, has no goroutines and is most of what the tests execute.
# Without the race detector in that one package they take a third of the time. Other libraries cannot be left out: the
# linker may take their copy of a generic function of the standard library, and the detector then misses its
# synchronization.
#
# Bellhop has no unsafe code, so that the checks of unsafe pointers that come with -race take a tenth of the time and
# find nothing. The last of several -gcflags that name a package is the one that counts.
RACE = -race -gcflags=all=-d=checkptr=0 '-gcflags=github.com/ncruces/go-sqlite3-wasm/v6/...=-race=false' \
	'-gcflags=github.com/bellhop-gateway/bellhop/...=-dwarf=false -d=checkptr=0' \
	'-gcflags=github.com/bellhop-gateway/bellhop/internal/api=-dwarf=false -d=checkptr=0 -l' -ldflags=-s

# Without the tables for debuggers, a package is compiled in less time and a test binary linked in half of it. Stack
# traces and the race detector's reports do not need them. internal/api holds a copy of a long generic function for
# each operation: without inlining it is compiled in 6 seconds of CPU time, and not in 11.
NO_DWARF = '-gcflags=github.com/bellhop-gateway/bellhop/...=-dwarf=false' \
	'-gcflags=github.com/bellhop-gateway/bellhop/internal/api=-dwarf=false -l' -ldflags=-s

# What is compiled to run briefly, or not at all, is compiled without inlining: in two thirds of the CPU time.
QUICK = '-gcflags=all=-dwarf=false -l' -ldflags=-s

# BUILD is how everything for the tests is built: vet, staticcheck, the tests and the program that internal/journey
# drives share what is compiled. It has all tags, so that vet reads every file; UNTAGGED leaves out the tests that need
# a tag.
BUILD = -buildvcs=false $(RACE) -tags=stress,browser
UNTAGGED = -skip '^Test(Stress|Chromium)'

# The garbage collector runs a quarter as often, and a program with the race detector does not sleep for a second as it
# exits.
TEST_ENV = CGO_ENABLED=1 GOGC=400 GORACE="atexit_sleep_ms=0 $(GORACE)" GOFLAGS="$(BUILD)"

# PLAIN is how the long tests and their program are built: without the race detector, as the program is released.
PLAIN = CGO_ENABLED=0 GOFLAGS="-buildvcs=false $(NO_DWARF)"

# The packages that every event passes through, and so are worth measuring.
HOT = ./signature ./provider/... ./internal/match ./internal/ingest ./internal/store/sqlite ./internal/delivery \
	./internal/outbound ./internal/egress/...

.PHONY: build run test lint vet staticcheck tests fuzz stress cross browser screenshots bench interop apifuzz package deb \
	deploycheck help

build: ## bin/bellhop, one static binary
	CGO_ENABLED=0 go build -trimpath -ldflags '$(COMMIT)' -o bin/bellhop ./cmd/bellhop

# COMMIT tells the program its commit, also where the toolchain does not ask git: GOFLAGS=-buildvcs=false.
COMMIT = $(shell [ "$$(git rev-parse --show-toplevel 2>/dev/null)" = '$(CURDIR)' ] && \
	git log -1 --format='-X $(RELEASE).commit=%H -X $(RELEASE).committedAt=%cI' && \
	echo -X $(RELEASE).modified=$$([ -z "$$(git status --porcelain)" ] && echo false || echo true))
RELEASE = github.com/bellhop-gateway/bellhop/internal/release

run: build ## build and serve on this machine, data in ./data; ARGS are flags for the server
	./bin/bellhop serve $(ARGS)

test: vet ## lint, and every test under the race detector in shuffled order; of the fuzz targets only the seeds
	@$(MAKE) --no-print-directory -j2 staticcheck tests

lint: vet staticcheck ## formatting, vet, staticcheck, also of what is built with the tags stress and browser

# vet compiles every package. staticcheck reads what the compiler wrote and keeps one core busy, the tests the other.
vet:
	@unformatted=$$(gofmt -l .) && if [ -n "$$unformatted" ]; then echo "not formatted, run gofmt -w:"; echo "$$unformatted"; exit 1; fi
	$(TEST_ENV) go vet ./...

staticcheck:
	$(TEST_ENV) $$(go tool -n staticcheck) -tags stress,browser ./...

tests:
	$(TEST_ENV) go test $(UNTAGGED) -vet=off -p 3 -shuffle=on -timeout 10m ./...

fuzz: ## each fuzz target for FUZZTIME, such as 30000x or 5s
	GOFLAGS="$(QUICK)" FUZZTIME=$(FUZZTIME) .ci/fuzz

# Under the race detector `make test` tries a tenth of the forged requests.
stress: ## forgeries, kill, power cut and load, on this machine alone; STRESS is how often it kills
	$(PLAIN) go test -run 'Mutants$$|^TestProvider$$/^Mutants$$|^TestPresets$$/./^Mutants$$' -count=1 ./signature ./provider/...
	STRESS=$(STRESS) $(PLAIN) go test -tags stress -run '^TestStress' -count=1 -p 1 -timeout 30m $(STRESSED)

# The packages with stress tests, so that no other test binary is built.
STRESSED = $(sort $(dir $(shell grep -rl --include='*_test.go' --exclude-dir=interop '^func TestStress' .)))

cross: ## whether everything compiles for macOS and Windows
	GOFLAGS="-buildvcs=false $(QUICK)" CGO_ENABLED=0 GOOS=darwin GOARCH=arm64 go build ./...
	GOFLAGS="-buildvcs=false $(QUICK)" CGO_ENABLED=0 GOOS=windows GOARCH=amd64 go build ./...

browser: ## what a real browser does with the answers: needs chromium
	$(PLAIN) go test -tags browser -run '^TestChromium' -count=1 -timeout 10m ./internal/journey $(ARGS)

# ARGS=-shots=FOLDER of `make browser` keeps a picture of every page, for somebody who looks at them.
screenshots: ## the pictures of docs/images, from the demonstration: needs chromium
	$(PLAIN) go test -tags browser -run '^TestChromiumPictures$$' -count=1 ./internal/journey \
		-args -pictures $(CURDIR)/docs/images

bench: build ## this machine end to end, then the hot packages one by one
	./bin/bellhop bench
	go test -run '^$$' -bench . -benchmem $(HOT)

interop: build interop/node/node_modules ## published clients against a live server: needs node, npm and the network; ARGS are flags for go test
	cd interop && go vet && go test -count=1 -timeout 30m $(ARGS)

# The program that it drives is built from the same packages.
apifuzz: ## requests to the API, made from its OpenAPI document; STRESS is the number of rounds, ARGS such as -seed 7
	STRESS=$(STRESS) $(PLAIN) go test -tags stress -run '^TestStressAPIFuzz$$' -count=1 -timeout 30m ./internal/journey \
		-args -seed $$(date +%s) $(ARGS)

# The same commit makes the same bytes. VERSION is that of the tag, or one made from the commit, unless it is given;
# `go -C tools run ./package -h` lists what else ARGS can choose.
package: ## what is released, in dist: archives, deb, rpm, container image, bills of materials, SHA-256 sums
	go -C tools run ./package -out ../dist $(if $(VERSION),-version $(VERSION)) $(ARGS)

deb: ## the Debian package installed, used, upgraded, removed: below a systemd of its own; needs root, on Debian
	$(PLAIN) .ci/deb $(ARGS)

# With the program that the browser tests drive, and so without another build.
deploycheck: ## deploy/: each file read by the tool it is for, events through nginx and Caddy; needs nginx, caddy, rpm
	$(PLAIN) go build -o bin/bellhop-check ./cmd/bellhop
	cd tools && $(PLAIN) go vet ./... && BELLHOP=$(CURDIR)/bin/bellhop-check $(PLAIN) go test -count=1 ./... $(ARGS)

interop/node/node_modules: interop/node/package.json interop/node/package-lock.json
	cd interop/node && npm ci --ignore-scripts --no-audit --no-fund && touch node_modules

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST)
