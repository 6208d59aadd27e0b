# Fairlead: everything a developer does. `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

BIN := $(CURDIR)/bin
K8S := 1.37.2
# The manifests in config are part of the binary.
GO_SOURCES := $(shell find api cmd controllers helmops sources -name '*.go' -not -name '*_test.go') \
  $(shell find config -name '*.go' -o -name '*.yaml')
DEMO_SOURCES := $(shell find test/demo test/env test/servers -name '*.go' -not -name '*_test.go' 2>/dev/null)
BENCH_SOURCES := $(shell find test/bench test/hostile test/env test/servers -name '*.go' -not -name '*_test.go' 2>/dev/null)

# The minor version of Kubernetes.
K8S_MINOR := $(word 2,$(subst ., ,$(K8S)))
# The version that the control plane reports; without it charts with a kubeVersion cannot be installed. Helm takes the
# last four for the version of a cluster that it does not ask, as in `helm template` and `helm lint`.
CLUSTER_FLAGS := -trimpath -ldflags '-s -w \
  -X k8s.io/component-base/version.gitVersion=v$(K8S) \
  -X k8s.io/component-base/version.gitMajor=1 \
  -X k8s.io/component-base/version.gitMinor=$(K8S_MINOR) \
  -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 \
  -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=$(K8S_MINOR) \
  -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1 \
  -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=$(K8S_MINOR)'
# What make image is for.
PLATFORMS ?= linux/$(shell go env GOARCH)
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
# What a release is built for.
RELEASE_PLATFORMS ?= linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
# What make deflake and make coverage test; make deflake does so TIMES times.
PKG ?= ./api/... ./controllers/... ./helmops/... ./sources/... ./cmd/...
TIMES ?= 10
# The test that watches idle objects, and that can share the machine with others.
ZOO := ^TestNothingSpins$$
# How long each parser is fuzzed.
FUZZ ?= 2s

##@ Use

run: cluster $(BIN)/fairlead $(BIN)/demo ## Start a cluster with Fairlead in it and show an install and an upgrade; stays up
	@$(BIN)/demo --stay

demo: cluster $(BIN)/fairlead $(BIN)/demo ## The same as run, but ends by itself: 0 when all went well, 1 when not
	@$(BIN)/demo

##@ Develop

build: $(BIN)/fairlead ## Build the fairlead binary

image: $(addprefix $(BIN)/fairlead-,$(subst /,-,$(PLATFORMS))) ## Write an OCI image to bin/image; ARGS='--push REFERENCE' pushes it, PLATFORMS='linux/amd64 linux/arm64' says for what
	@cd test/tools && go run ./image --project $(CURDIR) --out $(BIN)/image --version $(VERSION) $(ARGS) \
	  $(foreach p,$(PLATFORMS),$(p)=$(BIN)/fairlead-$(subst /,-,$(p)))

release-dry: $(BIN)/helm ## Build what a release has into bin/release, for this platform; RELEASE_PLATFORMS='linux/arm64 darwin/arm64' says for what
	@test/tools/release.sh $(VERSION) $(if $(filter file,$(origin RELEASE_PLATFORMS)),$(shell go env GOOS)/$(shell go env GOARCH),$(RELEASE_PLATFORMS))

release: $(BIN)/helm ## Build a release for all platforms, push and sign it; the workflow of a tag runs it, with VERSION and REGISTRY
	@test/tools/release.sh --publish $(VERSION) $(RELEASE_PLATFORMS)

generate: ## Generate deep copies, CRDs, RBAC, the API reference and JSON schemas from the types and markers
	@go tool controller-gen object paths=./api/... crd:maxDescLen=1024 output:crd:dir=config/crd
	@go tool controller-gen rbac:roleName=fairlead-controller paths=./controllers/... paths=./cmd/... output:rbac:dir=config/rbac
	@cp config/crd/fairlead.dev_*.yaml charts/fairlead/crds/
	@go run ./test/apiref --crds config/crd --pages docs/api --schemas docs/schemas

fmt: ## Format the code
	@gofmt -w $$(git ls-files '*.go')

tidy: ## Tidy the five modules
	@go mod tidy && cd test/cluster && go mod tidy && cd ../tools && go mod tidy && cd ../s3 && go mod tidy && cd ../tools/sopsfiles && go mod tidy

lint: $(BIN)/golangci-lint ## Lint; the rules are in .golangci.yml
	@$(BIN)/golangci-lint run ./...

vuln: $(BIN)/govulncheck ## Look for known vulnerabilities; says "not run" without access to the database
	@test/tools/vuln.sh $(BIN)/govulncheck

##@ Test

test: unit fuzz integration ## All tests: unit, a moment of fuzzing, then integration against a real control plane

unit: $(BIN)/versitygw ## Unit tests
	@echo "unit tests"
	@test -d ../shared/charts || echo "the folder shared/charts beside the project is absent; published charts are not tested"
	@go vet ./... && go test $$(go list ./... | grep -vE '/test/(integration|helmcompat|remediation|gitops|attacks)')

deflake: ## Repeat unit tests in random order to find those that fail now and then; PKG=./helmops/plan TIMES=50
	@go test -count=$(TIMES) -shuffle=on -failfast $(PKG)

coverage: ## Measure what unit tests cover, into bin/coverage.html; PKG says of which packages
	@mkdir -p $(BIN)
	@go test -coverprofile=$(BIN)/coverage.out $(PKG)
	@go tool cover -html=$(BIN)/coverage.out -o $(BIN)/coverage.html
	@go tool cover -func=$(BIN)/coverage.out | tail -n 1

fuzz: ## Fuzz every parser of outside input, for a moment each; FUZZ=1m says how long
	@echo "fuzzing for $(FUZZ) each; cold, this takes a few minutes on two cores to build"
	@test/tools/fuzz.sh $(FUZZ)

integration: cluster $(BIN)/fairlead ## Integration tests against bin/devcluster
	@echo "integration tests against Kubernetes $(K8S)"
	@cd test/cluster && go test -trimpath -count=1 -timeout 15m ./...
	@go test -count=1 -timeout 60m -parallel 4 -skip '$(ZOO)' ./test/integration/...
	@$(MAKE) --no-print-directory --output-sync=target -j2 zoo comparisons
	@go test -count=1 -timeout 20m ./test/attacks

zoo: cluster $(BIN)/fairlead ## Objects in every state there is, each left alone for a minute; a part of make test
	@go test -count=1 -timeout 15m -run '$(ZOO)' ./test/integration

comparisons: cluster $(BIN)/fairlead ## What Helm and GitOps promise, compared with what is done; a part of make test
	@go test -count=1 -timeout 15m -p 2 ./test/helmcompat ./test/remediation ./test/gitops

attacks: cluster $(BIN)/fairlead ## What a tenant tries against its neighbors; a part of make test
	@go test -count=1 -timeout 20m ./test/attacks

presubmit: generate fmt lint test vuln verify ## What a change has to pass

bench: cluster $(BIN)/fairlead $(BIN)/bench ## Measure times, processor time, memory and requests; flags go into ARGS: make bench ARGS='-n 500'
	@$(BIN)/bench $(ARGS)

verify: ## Fail when generated files differ from what is committed
	@git diff --exit-code -- api config charts docs/api docs/schemas
	@test -z "$$(git ls-files --others --exclude-standard -- api config charts docs/api docs/schemas)" || \
	  { echo "generated files are not committed:"; git ls-files --others --exclude-standard -- api config charts docs/api docs/schemas; exit 1; }

##@ Control plane for tests

cluster: $(BIN)/kubectl $(BIN)/helm $(BIN)/kwok $(BIN)/devcluster $(BIN)/versitygw ## Build devcluster, kwok, kubectl, helm and versitygw into bin/

$(BIN)/kubectl $(BIN)/helm $(BIN)/kwok: test/cluster/go.mod test/cluster/go.sum
	@mkdir -p $(BIN)
	@echo "building $(notdir $@); the first build of the control plane takes about ten minutes on two cores"
	@cd test/cluster && time go build $(CLUSTER_FLAGS) -o $@ \
	  $(if $(findstring kubectl,$@),k8s.io/kubernetes/cmd/kubectl,$(if $(findstring helm,$@),helm.sh/helm/v3/cmd/helm,sigs.k8s.io/kwok/cmd/kwok))

$(BIN)/devcluster: $(shell find test/cluster -type f -not -name '*_test.go')
	@mkdir -p $(BIN)
	@echo "building devcluster with Kubernetes $(K8S); cold, this takes about ten minutes on two cores"
	@cd test/cluster && time go build $(CLUSTER_FLAGS) -o $@ .

$(BIN)/versitygw: test/s3/go.mod test/s3/go.sum
	@mkdir -p $(BIN)
	@echo "building versitygw, the server of buckets in tests; cold, this takes about two minutes on two cores"
	@cd test/s3 && time go build -trimpath -ldflags '-s -w' -o $@ github.com/versity/versitygw/cmd/versitygw

# Without cgo the binary is static and a quarter smaller: with it, Go's plugin package keeps code that nobody calls.
$(BIN)/fairlead: $(GO_SOURCES) go.mod go.sum
	@mkdir -p $(BIN)
	@echo "building fairlead; cold, this takes about two minutes on two cores"
	@CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $@ ./cmd/fairlead

# One binary per platform, for the image.
$(BIN)/fairlead-linux-%: $(GO_SOURCES) go.mod go.sum
	@mkdir -p $(BIN)
	@echo "building fairlead for linux/$*; cold, this takes about two minutes on two cores"
	@CGO_ENABLED=0 GOOS=linux GOARCH=$* go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $@ ./cmd/fairlead

$(BIN)/demo: $(DEMO_SOURCES) go.mod go.sum
	@echo "building the demo"
	@go build -trimpath -o $@ ./test/demo

$(BIN)/bench: $(BENCH_SOURCES) go.mod go.sum
	@echo "building the benchmark"
	@go build -trimpath -o $@ ./test/bench

$(BIN)/golangci-lint: test/tools/go.mod
	@mkdir -p $(BIN)
	@echo "building golangci-lint; cold, this takes about five minutes on two cores"
	@cd test/tools && go build -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

$(BIN)/govulncheck: test/tools/go.mod
	@mkdir -p $(BIN)
	@cd test/tools && go build -o $@ golang.org/x/vuln/cmd/govulncheck

##@ Help

help: ## Show this help
	@awk 'BEGIN {FS = ":.*##"; print "usage: make TARGET"} \
	  /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-zA-Z_-]+:.*##/ {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

clean: ## Remove what was built and the state of make run
	@rm -rf $(BIN) .run

.PHONY: run demo build image release release-dry generate fmt tidy lint vuln test unit deflake coverage fuzz integration zoo comparisons attacks presubmit bench verify cluster help clean
