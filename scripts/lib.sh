# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Shared by the scripts: paths and versions, messages, quiet long-running commands,
# locking of the cache, package downloads. Sourced, never run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# Holds everything fetched or built outside cargo's target directory.
cache=${LPM_MTRIE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lpm-mtrie}
# The kernels of this checkout: links into the cache, created by scripts/kernel.
# shellcheck disable=SC2034  # used by the scripts that source this file
kernels=$root/target/kernels
# The static programs that run in the test machine: machine-init, suite, demo, lpm, examples.
# shellcheck disable=SC2034  # used by the scripts that source this file
programs=${CARGO_TARGET_DIR:-$root/target}/x86_64-unknown-linux-musl/release
# The same for 64-bit Arm.
# shellcheck disable=SC2034  # used by the scripts that source this file
programs_arm64=${CARGO_TARGET_DIR:-$root/target}/aarch64-unknown-linux-musl/release
# Cargo's output for tests and lints, and its intermediate output for the programs of
# scripts/test, shared by all checkouts. These files are never run by name, so those of
# different checkouts cannot be confused.
# shellcheck disable=SC2034  # used by the scripts that source this file
checks_target=$cache/cargo
# These programs contain no C, so the linker shipped with rustc suffices.
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=rust-lld
llvm=19
bindgen_version=0.72.1
# shellcheck disable=SC2034  # used by the scripts that source this file
bindgen_root=$cache/bindgen-$bindgen_version
# Used if the system's QEMU is too old; scripts/setup fetches it.
qemu_version=10.0.2
qemu_root=$cache/qemu-$qemu_version
rust_version=$(sed -n 's/^channel = "\(.*\)"/\1/p' "$root/rust-toolchain.toml")

# A shell started before rustup was installed lacks it in PATH; on Debian, depmod and
# modprobe are not in an ordinary user's PATH.
[[ :$PATH: == *:$bindgen_root/bin:* ]] ||
	PATH=$qemu_root/bin:$bindgen_root/bin:${CARGO_HOME:-$HOME/.cargo}/bin:$PATH:/usr/sbin:/sbin
# Kernel builds run outside the checkout, where rust-toolchain.toml has no effect.
RUSTUP_TOOLCHAIN=$rust_version
# bindgen must parse the kernel's headers like the compiler: use the same version.
LIBCLANG_PATH=/usr/lib/llvm-$llvm/lib
export PATH RUSTUP_TOOLCHAIN LIBCLANG_PATH

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "error: $*"; exit 1; }

# usage: print the header comment of the running script.
usage() { sed -n '/^# SPDX/d; 2,/^[^#]/s/^# \{0,1\}//p' "$0"; }

# took START: print the time since START (a value of $SECONDS), human-readable.
took() {
	local s=$((SECONDS - $1))
	if ((s < 100)); then echo "$s s"; else echo "$((s / 60)) min $((s % 60)) s"; fi
}

# quietly LOG WHAT COMMAND…: run COMMAND with its output in LOG, report progress once
# a minute, and show errors and the end of the log if it fails.
quietly() {
	local log=$1 what=$2 start=$SECONDS pid beat status=0
	shift 2
	mkdir -p "$(dirname "$log")"
	# In a process group of its own, which is killed as a whole.
	set -m
	"$@" </dev/null >"$log" 2>&1 &
	pid=$!
	set +m
	(
		# Descriptors 8 and 9, the locks, are closed: this process must not hold them.
		trap 'kill "$nap" 2>/dev/null; exit' TERM
		while sleep 60 >/dev/null 2>&1 & nap=$!; wait "$nap"; do
			say "$what: $(took "$start"), $(wc -l <"$log") lines in $log"
		done
	) 8>&- 9>&- &
	beat=$!
	# shellcheck disable=SC2064  # expand the ids now
	trap "kill -- -$pid $beat 2>/dev/null" EXIT
	wait "$pid" || status=$?
	kill "$beat" 2>/dev/null || true
	trap - EXIT
	((status == 0)) && return
	say "$what failed with status $status; from $log:"
	{ grep -nE '(^|[ :])([Ee]rror|\*\*\*|undefined)|warning: unused' "$log" | head -n 20; echo ...; tail -n 20 "$log"; } >&2
	return "$status"
}

# lock_checks: lock checks_target until this script ends, and remove another checkout's
# crates from it. Cargo compares file times, and would mistake them for this checkout's.
# Scripts called by the holder do not wait.
lock_checks() {
	local member members=()
	[[ ${LPM_MTRIE_CHECKS-} != "$checks_target" ]] || return 0
	mkdir -p "$checks_target"
	exec 8>"$checks_target.lock"
	flock -n 8 || { say "waiting for another run that uses $checks_target"; flock 8; }
	export LPM_MTRIE_CHECKS=$checks_target
	[[ $(cat "$checks_target/checkout" 2>/dev/null) != "$root" ]] || return 0
	cd "$root" || die "cannot enter $root"
	while read -r member; do
		members+=(-p "$member")
	done < <(cargo metadata --no-deps --format-version 1 | grep -o '"name":"[^"]*","version"' | cut -d'"' -f4)
	((${#members[@]})) || die "cargo metadata names no crate of $root"
	cargo clean --quiet --target-dir "$checks_target" "${members[@]}"
	cargo clean --quiet --release --target-dir "$checks_target" "${members[@]}"
	cargo clean --quiet --release --target-dir "$checks_target/loom" "${members[@]}"
	cargo clean --quiet --release --target x86_64-unknown-linux-musl --target-dir "$checks_target" "${members[@]}"
	echo "$root" >"$checks_target/checkout"
}

# need TOOL PACKAGE: install it if it is missing.
need() {
	local sudo=''
	command -v "$1" >/dev/null && return
	((EUID == 0)) || sudo=sudo
	say "installing $2, for $1"
	$sudo apt-get install -qq -y --no-install-recommends "$2" >/dev/null || die "$1 is missing; install the package $2"
}

# old_qemu PROGRAM: true if it is older than 8.1, or missing; prints its version.
#
# Before 8.1, QEMU's emulation misses modifications of code that another CPU is about
# to run, such as attaching a probe or a tracepoint: the kernel dies on a breakpoint
# that has been removed, or an attached program never runs. Fixed upstream by commit
# deba78709ae8 ("accel/tcg: Always lock pages before translation").
old_qemu() {
	local version
	version=$("$1" --version 2>/dev/null | sed -n 's/.*version \([0-9.]*\).*/\1/p')
	echo "$version"
	[[ $(printf '%s\n' 8.1 "$version" | sort -V | head -n 1) != 8.1 ]]
}

# kvm_works IMAGE: whether QEMU can use /dev/kvm, whose existence is not sufficient: in
# some virtual machines guests abort or hang before their first output. Therefore, once
# per boot of the host, a kernel without a root file system has to boot far enough to
# panic within 15 s.
kvm_works() {
	local answer=$cache/kvm-works boot log
	[[ -r /dev/kvm && -w /dev/kvm ]] || return
	boot=$(</proc/sys/kernel/random/boot_id)
	if [[ $(cat "$answer" 2>/dev/null) != "$boot "* ]]; then
		say "trying /dev/kvm (at most 15 s, once per boot of this host)"
		mkdir -p "$cache"
		log=$(mktemp)
		{ timeout 15 qemu-system-x86_64 -M q35 -accel kvm -cpu max -smp 1 -m 512M -nodefaults -no-user-config \
			-display none -no-reboot -kernel "$1" -serial "file:$log" \
			-append "console=ttyS0 reboot=t panic=-1" </dev/null >/dev/null || true; } 2>/dev/null
		if grep -q 'Kernel panic' "$log"; then
			echo "$boot yes" >"$answer"
		else
			say "/dev/kvm exists but does not run a kernel; using emulation from now on"
			echo "$boot no" >"$answer"
		fi
		rm "$log"
	fi
	[[ $(<"$answer") == *yes ]]
}

# tools_version: versions of the tools that build kernels, for cache keys.
tools_version() {
	"clang-$llvm" --version | head -n 1
	"ld.lld-$llvm" --version
	rustc -vV
	bindgen --version
	pahole --version
}

# reproducible: make kernel builds independent of builder and time.
reproducible() {
	export KBUILD_BUILD_TIMESTAMP='2026-01-01 00:00:00' KBUILD_BUILD_USER=lpm-mtrie KBUILD_BUILD_HOST=lpm-mtrie
	# Set but empty, so that kbuild does not ask git for a suffix of the release name.
	export LOCALVERSION=
	# Drop the settings of a surrounding make; with its MAKELEVEL the selftests build in /.
	unset KBUILD_OUTPUT KCONFIG_CONFIG MAKEFLAGS MFLAGS MAKELEVEL
}

# The parts of patches/, in the order in which they apply; each but the last is useful
# without the later ones. What only a module needs is a separate part, so that the
# in-tree form can be defined by parts instead of individual patches.
# shellcheck disable=SC2034  # used by the scripts that source this file
stacks=(1-sleepable-updates 2-lpm-match-length 3-map-types-from-modules 4-lpm-mtrie 4-lpm-mtrie/module)
# shellcheck disable=SC2034  # used by series
in_tree_stacks=(1-sleepable-updates 2-lpm-match-length 4-lpm-mtrie)

# series_patches PART…: print their patches in order, without cover letters (0000).
series_patches() {
	local part patch
	for part; do
		for patch in "$root/patches/$part"/[0-9]*.patch; do
			[[ ! -e $patch || ${patch##*/} == 0000-* ]] || echo "$patch"
		done
	done
}

# hash_of FILE…: print one sha256 over names (as given) and contents.
hash_of() { sha256sum -- "$@" | sha256sum | cut -d' ' -f1; }

# lock_cache: lock the cache until this script ends, so that two runs do not build in
# the same directory. Scripts called by the holder do not wait.
lock_cache() {
	[[ ${LPM_MTRIE_LOCKED-} == "$cache" ]] && return
	mkdir -p "$cache"
	exec 9>"$cache/lock"
	flock -n 9 || { say "waiting for another run that uses $cache"; flock 9; }
	export LPM_MTRIE_LOCKED=$cache
}

# private_apt TOOL ARGS…: run apt as any user, with private lists, cache and sources.
private_apt() {
	local tool=$1
	shift
	"$tool" -q -o Dir::Etc::SourceList="$cache/apt/debian.sources" -o Dir::Etc::SourceParts=- \
		-o Dir::State::Lists="$cache/apt/lists" -o Dir::Cache="$cache/apt/cache" \
		-o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none \
		-o APT::Default-Release= "$@"
}

# debian_mirror: print the Debian mirror that this machine is configured for. Before
# the first apt-get update the origin is unknown; then guess by the address.
debian_mirror() {
	# shellcheck disable=SC2016  # apt's own placeholders
	apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)' |
		awk -F'|' '$3 != "main" { next }
			$1 == "Debian" && $2 == "Debian" { print $4; found = 1; exit }
			$1 == "" && $4 ~ /\/debian\/?$/ { guess = guess ? guess : $4 }
			END { if (!found && guess) print guess }'
}

# fetch_deb SUITE PACKAGE VERSION SHA256: download a package of a Debian suite from this
# machine's mirror, or the newest version if that one is gone; print "VERSION FILE".
# The caller holds the cache lock. The system's package sources are not changed.
fetch_deb() {
	local suite=$1 package=$2 version=$3 sha256=$4 mirror has keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	command -v apt-get >/dev/null || die "apt-get is missing; it is needed to fetch $package"
	[[ -r $keyring ]] || die "$keyring is missing (package debian-archive-keyring); run scripts/setup"
	mirror=$(debian_mirror)
	[[ -n $mirror ]] || die "cannot fetch $package: no Debian mirror is configured in apt"
	mkdir -p "$cache"/apt/{lists/partial,cache/archives/partial}
	printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' \
		"$mirror" "$suite" "$keyring" >"$cache/apt/debian.sources"
	private_apt apt-get update >"$cache/apt/log" 2>&1 ||
		{ cat "$cache/apt/log" >&2; die "cannot read the package lists of $suite"; }
	has=$(private_apt apt-cache madison "$package" | awk -F' *[|] *' '{ print $2 }')
	[[ -n $has ]] || die "the mirror no longer has $package in $suite"
	if ! grep -qFx "$version" <<<"$has"; then
		say "the mirror no longer has $package $version"
		version=$(sort -V <<<"$has" | tail -n 1) sha256=''
		say "falling back to the newest version: $version (signature checked by apt, no pinned sha256)"
	fi
	rm -f "$cache/apt/$package"_*.deb
	(cd "$cache/apt" && private_apt apt-get download "$package=$version") >>"$cache/apt/log" 2>&1 ||
		{ tail "$cache/apt/log" >&2; die "cannot download $package $version"; }
	set -- "$cache/apt/$package"_*.deb
	[[ -z $sha256 ]] || sha256sum --quiet -c - <<<"$sha256  $1" >&2 ||
		die "$1 does not match the pinned sha256; not used"
	echo "$version $1"
}
