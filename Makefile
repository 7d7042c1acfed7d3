# The commands of this tree. What they do is in tools/, tests/run, bench/ and
# CMakeLists.txt; here is only their order.
#
#   PORT=5000 DATA=./var       of make run
#   AUTH=on                    of make run; off: whoever reaches it may push
#   NGINX_SRC=/path            build against this nginx instead of Debian's
#   BUILD=build                the build directory
#   DESTDIR= PREFIX=/usr       of make install
#   TESTS="--only ngx,oci"     more arguments of tests/run
#   MUTANTS="--bug 5"          more arguments of tests/mutants/run
#   CRASH="--rounds 12"        more arguments of tests/crash/run
#   ORDERS=1000000             interleavings of make crash

PORT ?= 5000
DATA ?= var
AUTH ?= on
NGINX_SRC ?=
BUILD ?= $(if $(NGINX_SRC),build-vanilla,build)
DESTDIR ?=
PREFIX ?= /usr
TESTS ?=
MUTANTS ?=
CRASH ?=
ORDERS ?= 1000000
SECONDS_EACH ?= 60
export PORT DATA AUTH NGINX_SRC BUILD DESTDIR PREFIX
asan_library = $(shell g++ -print-file-name=libasan.so)

.DEFAULT_GOAL := help
.PHONY: help run test mutants crash bench install uninstall build asan tsan clang \
        fuzz lint format clean

help: ## list these commands
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1|\2/p' Makefile | \
	    while IFS='|' read -r n t; do printf '  make %-10s %s\n' "$$n" "$$t"; done

run: ## start a registry on 127.0.0.1:PORT with its data in DATA
	@tools/install-deps run build
	@tools/build release "$(BUILD)" programs
	@tools/run

test: ## install what tests need, build, run every test
	@tools/install-deps run build test lint
	@tools/install-deps clients || echo "tests of missing clients will fail"
	@tools/build release "$(BUILD)"
	@tools/clients
	@tests/run --build "$(BUILD)" $(TESTS)

mutants: ## put known bugs in, one at a time; each must be seen by a test
	@tools/install-deps run build test
	@tools/build release "$(BUILD)"
	@tests/mutants/run --build "$(BUILD)" $(MUTANTS)

crash: ## the proofs of docs/durability.md in full, an hour or two
	@tools/install-deps run build test
	@tools/build release "$(BUILD)"
	@LONGSHORE_BUILD="$(abspath $(BUILD))" tests/crash/run $(CRASH); code=$$?; \
	    "$(BUILD)/unit_model" --interleavings $(ORDERS) || code=1; \
	    LONGSHORE_CRASH=full tests/run --build "$(BUILD)" \
	        --only probes,faults,scrub,garbage || code=1; exit $$code

bench: ## compare with static nginx and docker-registry
	@tools/install-deps run build bench
	@tools/build release "$(BUILD)"
	@bench/run --build "$(BUILD)"; code=$$?; \
	    bench/micro/run --build "$(BUILD)" && exit $$code

build: ## build everything into BUILD
	@tools/install-deps build
	@tools/build release "$(BUILD)"

install: ## install under PREFIX (first: make build)
	@tools/install

uninstall: ## remove what make install put there; data stay
	@tools/install --remove

asan: ## tests with the address and undefined-behaviour sanitizers
	@tools/install-deps run build test
	@tools/build asan build-asan
	@LONGSHORE_PRELOAD=$(asan_library) tests/run --build build-asan \
	    --only unit,ngx,oci $(TESTS)

tsan: ## unit tests with the thread sanitizer
	@tools/install-deps build test
	@tools/build tsan build-tsan
	@tests/run --build build-tsan --only unit $(TESTS)

clang: ## build with clang, run the unit tests
	@tools/install-deps build test lint
	@tools/build clang build-clang
	@tests/run --build build-clang --only unit $(TESTS)

fuzz: ## run every fuzz target SECONDS_EACH seconds
	@tools/install-deps build lint
	@tests/fuzz/run $(SECONDS_EACH)

lint: ## check C++, scripts and units
	@tools/install-deps build lint
	@tools/lint

format: ## format the C++ files
	@tools/install-deps lint
	@git ls-files '*.cpp' '*.hpp' | xargs clang-format -i

clean: ## remove the build directories
	rm -rf build build-asan build-tsan build-clang build-fuzz build-lint \
	    build-vanilla
