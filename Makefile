# SPDX-License-Identifier: BSD-2-Clause
# apm-bpf. `make help` lists the targets. Sources are found by wildcard: a new file needs no edit here.

VERSION := 0.1.0
BUILD   := build
PREFIX  ?= /usr/local
DESTDIR ?=

CC         ?= cc
CLANG      ?= clang
LLVM_STRIP ?= $(firstword $(shell command -v llvm-strip llvm-strip-14 llvm-strip-18 llvm-strip-19 2>/dev/null) true)
BPFTOOL    ?= $(firstword $(wildcard /usr/local/sbin/bpftool /usr/sbin/bpftool) bpftool)
PKG_CONFIG ?= pkg-config

# Short lines while building; make V=1 shows the commands.
Q   := $(if $(V),,@)
say  = $(if $(V),,@printf '  %-6s %s\n' $(1) $(patsubst $(BUILD)/%,%,$@))

ARCH     := $(shell uname -m)
BPF_ARCH := $(if $(filter aarch64,$(ARCH)),arm64,x86)
TRIPLET  := $(shell $(CC) -print-multiarch 2>/dev/null)

WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wno-unused-parameter
CPPFLAGS += -D_GNU_SOURCE -DAPM_VERSION='"$(VERSION)"' -Iuser -Ibpf -I$(BUILD)
CFLAGS   ?= -O2 -g
CFLAGS   += -std=gnu11 $(WARN) -fno-omit-frame-pointer
LIBS     := -l:libbpf.a -lelf -lz -lcapstone -ljansson -l:libiberty.a -lncursesw -ltinfo -lm -lpthread
BPFFLAGS := -O2 -g -target bpf -D__TARGET_ARCH_$(BPF_ARCH) -std=gnu11 -Wall -Wextra -Wno-unused-parameter \
            -Ivmlinux -Ibpf -I/usr/include/$(TRIPLET) -mcpu=v3 -MMD -MP

SAN      := -fsanitize=address,undefined -fno-sanitize-recover=undefined

# The linker of BPF objects finds an extern map only where its definition came before.
BPF_SRC  := bpf/maps.bpf.c $(filter-out bpf/maps.bpf.c,$(wildcard bpf/*.bpf.c bpf/lib/*.bpf.c))
BPF_OBJ  := $(BPF_SRC:%.bpf.c=$(BUILD)/%.bpf.o)
USER_SRC := $(wildcard user/*.c user/*/*.c)
USER_OBJ := $(USER_SRC:%.c=$(BUILD)/%.o)
LIB_OBJ  := $(filter-out $(BUILD)/user/main.o,$(USER_OBJ))
# What needs neither root nor BPF: everything outside collect/ and what includes it.
PURE_SRC := $(filter-out $(wildcard user/collect/*.c) $(shell grep -l 'collect/' $(USER_SRC) 2>/dev/null),$(USER_SRC))
SAN_OBJ  := $(patsubst %.c,$(BUILD)/san/%.o,$(filter-out user/main.c,$(USER_SRC)))
FUZZ_OBJ := $(patsubst %.c,$(BUILD)/fuzz/%.o,$(filter-out user/main.c,$(PURE_SRC)))

UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT_BIN := $(UNIT_SRC:%.c=$(BUILD)/%)
HOST_SRC := $(wildcard tests/host/test_*.c)
HOST_BIN := $(HOST_SRC:%.c=$(BUILD)/%)
HOST_BPF := $(patsubst %,$(BUILD)/host/bpf/%.o,maps text params lib/sqlite lib/libpq lib/mysql lib/hiredis)
ABI_SRC  := $(wildcard tests/abi/test_*.c tests/verify/test_*.c)
ABI_BIN  := $(ABI_SRC:%.c=$(BUILD)/%)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_BIN := $(FUZZ_SRC:%.c=$(BUILD)/%)
LIVE_SRC := $(wildcard tests/live/clients/*.c)
LIVE_BIN := $(LIVE_SRC:%.c=$(BUILD)/%)
BENCH_SRC := $(wildcard tests/bench/*.c)
BENCH_BIN := $(BENCH_SRC:%.c=$(BUILD)/%)
DEMO_SRC := $(wildcard tools/demo.d/*.c)
DEMO_BIN := $(DEMO_SRC:%.c=$(BUILD)/%)

.PHONY: all help test test-unit test-modules test-kernels demo bench bench-scale bench-report bench-diff deb fuzz lint install uninstall clean
.SECONDARY:
.DELETE_ON_ERROR:

all: $(BUILD)/apm-bpf

help:
	@echo 'make            build $(BUILD)/apm-bpf (no root, no BTF on the build host)'
	@echo 'make test       everything; live tests need root (else they are skipped and counted)'
	@echo 'make test-unit  what needs no root'
	@echo 'make test-modules  what npm has for the tests: better-sqlite3, and SQLite'"'"'s source in it (network; else they are skipped)'
	@echo 'make soak       200 rounds each of attach and detach under load: programs as usual, and such as switch stacks, leave calls, vfork … (root)'
	@echo 'make demo       trace a small shop with planted faults (root)'
	@echo 'make bench      the price, measured in alternating pairs (root, takes minutes)'
	@echo 'make bench-scale  its part about many processes alone'
	@echo 'make bench-report  the price beside other tools: tests/bench/REPORT.md (root, 16 minutes; PAIRS=7)'
	@echo 'make bench-diff  whether diff keeps its word: 100 comparisons of runs recorded for it (root, half an hour)'
	@echo 'make deb        a Debian package in $(BUILD)'
	@echo 'make fuzz       fuzz for FUZZ_SECONDS per target (default 60)'
	@echo 'make test-kernels  the live tests under other kernels, in qemu (downloads them once; KERNEL=, OFFLINE=1)'
	@echo 'make lint       rules of the tree, clang-format, clang-tidy, cppcheck, shellcheck'
	@echo 'make install    PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)'
	@echo 'make clean'

# ---- BPF: objects, one linked object, one skeleton ----
$(BUILD)/%.bpf.o: %.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF)
	$(Q)$(CLANG) $(BPFFLAGS) -c $< -o $@
	@$(LLVM_STRIP) -g $@

$(BUILD)/bpf/apm.o: $(BPF_OBJ)
	$(call say,LINK)
	$(Q)$(BPFTOOL) gen object $@ $^

$(BUILD)/apm.skel.h: $(BUILD)/bpf/apm.o
	$(call say,SKEL)
	$(Q)$(BPFTOOL) gen skeleton $< name apm_bpf > $@.tmp && mv $@.tmp $@

# ---- the program ----
$(BUILD)/user/collect/%.o: CPPFLAGS += -isystem $(BUILD)
$(BUILD)/san/user/collect/%.o: CPPFLAGS += -isystem $(BUILD)
# The skeleton is a system header to the compiler (its warnings are not ours), so -MMD leaves it out.
$(BUILD)/user/collect/loader.o $(BUILD)/san/user/collect/loader.o: $(BUILD)/apm.skel.h

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/libapm.a: $(LIB_OBJ)
	@rm -f $@
	$(call say,AR)
	$(Q)ar rcs $@ $^

$(BUILD)/apm-bpf: $(BUILD)/user/main.o $(BUILD)/libapm.a
	$(call say,LINK)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

# ---- tests ----
$(BUILD)/san/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(SAN) -MMD -MP -c $< -o $@

$(BUILD)/san/libapm.a: $(SAN_OBJ)
	@rm -f $@
	$(call say,AR)
	$(Q)ar rcs $@ $^

$(ABI_BIN): $(BUILD)/apm.skel.h
$(ABI_BIN): CPPFLAGS += -isystem $(BUILD)
$(UNIT_BIN) $(ABI_BIN): $(BUILD)/%: %.c $(BUILD)/san/libapm.a
	@mkdir -p $(@D)
	$(call say,TEST)
	$(Q)$(CC) $(CPPFLAGS) -Itests $(CFLAGS) $(SAN) -MMD -MP -o $@ $< $(BUILD)/san/libapm.a -lcmocka $(LIBS)

# The BPF programs compiled for the host, over tests/host/shim in libbpf's place.
HOST_FLAGS = -D__TARGET_ARCH_x86 -Itests/host/shim -Itests/host -Ivmlinux -Ibpf -std=gnu11 -O1 -g -Wall -Wno-unknown-pragmas \
	-Wno-unused-function $(SAN) -MMD -MP
$(BUILD)/host/bpf/%.o: bpf/%.bpf.c
	@mkdir -p $(@D)
	$(CC) $(HOST_FLAGS) -c $< -o $@

$(HOST_BIN): $(BUILD)/%: %.c tests/host/bpf_host.c $(HOST_BPF)
	@mkdir -p $(@D)
	$(call say,TEST)
	$(Q)$(CC) $(HOST_FLAGS) -o $@ $< tests/host/bpf_host.c $(HOST_BPF) -lcmocka

$(BUILD)/fuzz/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CLANG) $(CPPFLAGS) -O1 -g -std=gnu11 -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined -MMD -MP -c $< -o $@

$(BUILD)/fuzz/libapm.a: $(FUZZ_OBJ)
	@rm -f $@
	$(call say,AR)
	$(Q)ar rcs $@ $^

$(FUZZ_BIN): $(BUILD)/%: %.c $(BUILD)/fuzz/libapm.a
	@mkdir -p $(@D)
	$(call say,FUZZ)
	$(Q)$(CLANG) $(CPPFLAGS) -Itests -O1 -g -std=gnu11 -fsanitize=address,undefined,fuzzer -fno-sanitize-recover=undefined \
		-MMD -MP -o $@ $< $(BUILD)/fuzz/libapm.a -lelf -lz -ljansson -l:libiberty.a -lm

# Programs traced by live tests: built as an ordinary project would be. A file may name its libraries in a line "LIBS: -lpq".
PQ_CFLAGS := $(shell $(PKG_CONFIG) --cflags libpq 2>/dev/null)
$(LIVE_BIN) $(DEMO_BIN): $(BUILD)/%: %.c
	@mkdir -p $(@D)
	$(call say,TEST)
	$(Q)$(CC) -D_GNU_SOURCE -std=gnu11 -O2 -g $(WARN) $(PQ_CFLAGS) $(shell sed -n 's/.*CFLAGS: *\(.*[^ *\/]\).*/\1/p' $< | head -1) \
		-MMD -MP -o $@ $< $(shell sed -n 's/.*LIBS: *\(.*[^ *\/]\).*/\1/p' $< | head -1)

$(BENCH_BIN): $(BUILD)/%: %.c $(BUILD)/libapm.a
	@mkdir -p $(@D)
	$(call say,BENCH)
	$(Q)$(CC) $(CPPFLAGS) $(PQ_CFLAGS) $(CFLAGS) $(shell sed -n 's/.*CFLAGS: *\(.*[^ *\/]\).*/\1/p' $< | head -1) \
		-MMD -MP -o $@ $< $(BUILD)/libapm.a \
		$(shell sed -n 's/.*LIBS: *\(.*[^ *\/]\).*/\1/p' $< | head -1) $(LIBS)

test-unit: $(UNIT_BIN) $(HOST_BIN) $(BUILD)/apm-bpf
	tests/run unit host replay

test: all $(UNIT_BIN) $(HOST_BIN) $(ABI_BIN) $(LIVE_BIN) $(BENCH_BIN) $(FUZZ_BIN) $(DEMO_BIN)
	tests/run unit host replay vm abi verify fuzz tree live

# A module of node with SQLite inside, and the source of SQLite for programs of Go and with musl. First what is only fetched.
MODULE := $(BUILD)/node_modules/better-sqlite3
test-modules: $(MODULE)/build/Release/better_sqlite3.node
$(MODULE)/build/Release/better_sqlite3.node: $(MODULE)/deps/sqlite3/sqlite3.c
	$(call say,NODE)
	$(Q)cd $(BUILD) && npm rebuild better-sqlite3 --loglevel=error
$(MODULE)/deps/sqlite3/sqlite3.c:
	@mkdir -p $(BUILD)
	$(call say,FETCH)
	$(Q)npm install better-sqlite3@12 --prefix $(BUILD) --ignore-scripts --no-audit --no-fund --loglevel=error --fetch-retries=1 --fetch-timeout=60000

soak: all $(LIVE_BIN)
	tests/live/soak.py 200 all

demo: all $(DEMO_BIN)
	tools/demo.d/run

FUZZ_SECONDS ?= 60
fuzz: $(FUZZ_BIN)
	tests/fuzz/run $(FUZZ_SECONDS)

bench: all $(BENCH_BIN) $(LIVE_BIN)
	tests/bench/run

bench-scale: all $(LIVE_BIN)
	tests/bench/scale.py --write

PAIRS ?= 7
bench-report: all $(BENCH_BIN)
	tests/bench/measure.py --pairs $(PAIRS)
	tests/bench/report.py tests/bench/report.json

bench-diff: all
	tests/bench/diff_aa.py

deb: all
	tools/deb $(BUILD)

# KERNEL= picks one, OFFLINE=1 re-uses what was downloaded.
test-kernels: all $(LIVE_BIN)
	tests/vm/run
	tests/run -k wrapper vm

lint:
	tools/check-tree
	tools/lint

install: all
	install -Dm755 $(BUILD)/apm-bpf $(DESTDIR)$(PREFIX)/sbin/apm-bpf
	install -Dm644 docs/apm-bpf.8 $(DESTDIR)$(PREFIX)/share/man/man8/apm-bpf.8
	install -Dm644 completions/apm-bpf.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/apm-bpf
	install -Dm644 completions/apm-bpf.zsh $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_apm-bpf

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/sbin/apm-bpf $(DESTDIR)$(PREFIX)/share/man/man8/apm-bpf.8 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/apm-bpf \
		$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_apm-bpf

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD) -type f -name '*.d' 2>/dev/null)
