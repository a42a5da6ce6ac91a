# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the checking scripts share: how a check is reported, and checkpatch.pl
# with the exceptions that are made of it. Sourced behind lib.sh.

passed=0 failed=0
# check WHAT COMMAND…: silent if COMMAND succeeds; its output as scripts/test finds it.
check() {
	local what=$1 output
	shift
	if output=$("$@" 2>&1); then
		echo "ok      $what"
		passed=$((passed + 1))
	else
		printf -- '---- %s\n%s\n\nFAILED  %s\n' "$what" "$output" "$what"
		failed=$((failed + 1))
	fi
}

# verdict: the last line, and the exit status.
verdict() {
	echo "$passed passed, $failed failed"
	((failed == 0))
}

# Types of checkpatch.pl that are off, and why.
declare -A except=(
	[MISSING_SIGN_OFF]='the series is not submitted; its author signs off when it is'
	[FILE_PATH_CHANGES]='new files lie in folders that MAINTAINERS names, or that the series adds to it'
	[BRACKET_SPACE]='[index] = value as the body of a macro, as in kernel/bpf, is no array access'
	[MACRO_ARG_UNUSED]='each includer of bpf_types.h defines its macros with the arguments that it needs'
	[RCU_TASKS_TRACE]='allows it in BPF, and guesses what is BPF by path: rust/helpers/ is not on its list'
)
# The same for BPF C, which is no kernel source.
# shellcheck disable=SC2034  # used by lint
declare -A except_bpf=(
	[OPEN_BRACE]='a function called for_each_… is taken for a loop'
	[VOLATILE]='BPF programs mark with it what userspace writes'
)

# checkpatch LINUX ARGS…: with the checkpatch.pl of that tree.
checkpatch() {
	local linux=$1 output
	shift
	# It calls a Python parser of licence tags in git trees only; that one wants
	# a package of its own, so no git tree is shown to it.
	output=$(GIT_DIR=/nonexistent perl "$linux/scripts/checkpatch.pl" --root="$linux" --strict --quiet \
		--show-types --no-summary --color=never "$@" 2>&1) || { echo "$output"; return 1; }
	# A warning is a failure too.
	[[ -z $output ]] || { echo "$output"; return 1; }
}

# checkpatch_patch LINUX PATCH: a patch of the series, with the exceptions above.
checkpatch_patch() {
	local ignored="${!except[*]}"
	checkpatch "$1" --ignore "${ignored// /,}" "$2"
}
