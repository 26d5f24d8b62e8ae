# Needs Go, and for the race detector gcc. FUZZTIME is how much each fuzz target runs in `make test`: a count, because with a
# length of time go test now and then fails at its end with "context deadline exceeded" and no input at fault.
FUZZTIME ?= 30000x

# What stands in the way of every event, and so is worth measuring.
HOT = . ./signature ./provider/... ./internal/ingest ./internal/store ./internal/delivery

.PHONY: build run test lint bench interop help

build: ## bin/bellhop, one static binary
	CGO_ENABLED=0 go build -trimpath -o bin/bellhop ./cmd/bellhop

run: build ## build and serve on this machine, data in ./data; ARGS are flags for the server
	./bin/bellhop serve $(ARGS)

test: lint ## lint, every test under the race detector in shuffled order, then a short fuzz of each target
	CGO_ENABLED=1 go test -race -shuffle=on -timeout 20m ./...
	FUZZTIME=$(FUZZTIME) .ci/fuzz

lint: ## formatting, vet, staticcheck
	@unformatted=$$(gofmt -l .) && if [ -n "$$unformatted" ]; then echo "not formatted, run gofmt -w:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	go tool staticcheck ./...

bench: build ## this machine end to end, then the hot packages one by one
	./bin/bellhop bench
	go test -run '^$$' -bench . -benchmem $(HOT)

interop: build interop/node/node_modules ## published clients against a live server: needs node, npm and the network; ARGS are flags for go test
	cd interop && go vet && go test -count=1 $(ARGS)

interop/node/node_modules: interop/node/package.json interop/node/package-lock.json
	cd interop/node && npm ci --ignore-scripts --no-audit --no-fund && touch node_modules

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST)
