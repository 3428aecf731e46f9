#!/usr/bin/env bash
# Compares load generators as clients: girin bench, wrk, ab and hey, interleaved, against one raw server on this machine.
# First the highest rate at -c64 with keep-alive, per second of CPU that the client spends; then what each says about
# latencies that are known: the server tells what it has really taken, since its timers are late. Ends with 1 if a percentile
# of girin bench is further from that than 1 % or 0.1 ms. Needs a quiet machine.
#
#	scripts/bench-client.sh [ROUNDS [SECONDS]]
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-5} secs=${2:-5}
for tool in wrk ab hey; do
	command -v "$tool" >/dev/null || { echo "$tool is missing: apt-get install wrk apache2-utils; go install github.com/rakyll/hey@latest" >&2; exit 1; }
done

tmp=$(mktemp -d)
servers=()
trap 'kill "${servers[@]}" 2>/dev/null || true; rm -rf "$tmp"' EXIT
go build -o "$tmp/girin" ./cmd/girin
go build -o "$tmp/knownserver" ./internal/bench/knownserver

start_server() { # sets url
	"$tmp/knownserver" >"$tmp/addr" &
	servers+=($!)
	until [ -s "$tmp/addr" ]; do :; done
	url=http://$(cat "$tmp/addr")
	: >"$tmp/addr"
}

# measure NAME COMMAND...: the command's output goes to NAME.out, its CPU seconds to NAME.cpu.
measure() {
	local name=$1
	shift
	TIMEFORMAT='%U %S'
	{ time "$@" >"$tmp/$name.out" 2>"$tmp/$name.err"; } 2>"$tmp/$name.cpu" || { cat "$tmp/$name.err" >&2; exit 1; }
}

# count NAME: how many requests it says it has made.
count() {
	case $1 in
	girin*) awk '/^Complete requests/ {print $3}' "$tmp/$1.out" ;;
	wrk) awk '/requests in/ {print $1}' "$tmp/$1.out" ;;
	ab) awk '/^Complete requests/ {print $3}' "$tmp/$1.out" ;;
	hey) awk '/responses$/ {n += $2} END {print n}' "$tmp/$1.out" ;;
	esac
}

one_round() {
	measure girin "$tmp/girin" bench -q -c 64 -d "${secs}s" "$url/"
	measure wrk wrk -t2 -c64 -d"${secs}s" "$url/"
	measure girin2 "$tmp/girin" bench -q --cpus 2 -c 64 -d "${secs}s" "$url/"
	measure ab ab -q -k -c 64 -t "$secs" -n 100000000 "$url/"
	measure hey hey -c 64 -z "${secs}s" "$url/"
	for tool in girin girin2 wrk ab hey; do
		echo "$tool $(count "$tool") $(cat "$tmp/$tool.cpu")" >>"$tmp/table"
	done
}

start_server
for ((i = 0; i < rounds; i++)); do one_round; done
echo "Requests per second, and per second of client CPU; $rounds rounds of $secs s, interleaved, -c64 keep-alive; medians"
sort -k1,1 "$tmp/table" | awk -v secs="$secs" '
	function median(list, n,   i, j, t) {
		for (i = 1; i < n; i++) for (j = i + 1; j <= n; j++) if (list[j] < list[i]) { t = list[i]; list[i] = list[j]; list[j] = t }
		return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
	}
	{ k = ++n[$1]; rate[$1, k] = $2 / secs; eff[$1, k] = $2 / ($3 + $4) }
	END {
		split("girin girin2 wrk ab hey", order, " ")
		for (o = 1; o in order; o++) {
			name = order[o]
			for (k = 1; k <= n[name]; k++) { r[k] = rate[name, k]; e[k] = eff[name, k] }
			mr[name] = median(r, n[name]); me[name] = median(e, n[name])
		}
		label["girin"] = "girin bench"; label["girin2"] = "girin --cpus 2"; label["wrk"] = "wrk -t2"; label["ab"] = "ab -k"; label["hey"] = "hey"
		for (o = 1; o in order; o++) {
			name = order[o]
			printf "  %-15s %9.0f/s %9.0f/CPU s   girin bench has %.2f times that per CPU s\n", label[name], mr[name], me[name], me["girin"] / me[name]
		}
	}'

# What each says about known latencies. A fresh server each, so that the stall comes two seconds after the first request.
row() { printf '  %-12s p50 %-10s p90 %-10s p95 %-10s p99 %-10s longest %s\n' "$@"; }
girin_ms() { awk '/"p": / {p = $2 + 0} /"ms": / && !(p in ms) {ms[p] = $2} END {printf "%.3f %.3f %.3f %.3f %.3f", ms[50], ms[90], ms[95], ms[99], ms[100]}' "$tmp/girin.json"; }
ab_ms() { awk '/^ +(50|90|95|99|100)%/ {printf "%s ", $2}' "$tmp/ab.out"; }
hey_ms() { awk '/(50|90|95|99)%+ in/ {printf "%.1f ", $3 * 1000} /Slowest/ {s = $2 * 1000} END {printf "%.1f", s}' "$tmp/hey.out"; }

# taken_ms: what the requests since the last time have taken in the server.
taken_ms() {
	local addr=${url#http://}
	exec 3<>"/dev/tcp/${addr%:*}/${addr##*:}"
	printf 'GET /taken HTTP/1.0\r\n\r\n' >&3
	awk '/^p[0-9]+ / {printf "%s ", $2}' <&3
	exec 3>&-
}

wrong=0
# compare TOOL: its percentiles beside the server's, and how far they are from them at most.
compare() {
	local name=$1 said taken within=yes
	said=$("${1/girin bench/girin}_ms") taken=$(taken_ms)
	# shellcheck disable=SC2086 # words
	row "$name" $said
	# shellcheck disable=SC2086
	row "  server" $taken
	echo "$said $taken" | awk '{
		for (i = 1; i <= 4; i++) {
			off = $i - $(i + 5)
			if (off < 0) off = -off
			if (off > most) most = off
			if (off / $(i + 5) > share) share = off / $(i + 5)
			if (off > 0.1 && off > 0.01 * $(i + 5)) far = 1
		}
		printf "               percentiles are at most %.3f ms, and at most %.2f %%, from the server'"'"'s: %s\n", most, 100 * share,
			far ? "NOT within 1 % or 0.1 ms" : "within 1 % or 0.1 ms"
		exit far
	}' || within=no
	[ "$within" = yes ] || [ "$name" != "girin bench" ] || wrong=1
}

for path in fixed bimodal; do
	[ "$path" = fixed ] && truth="20 ms" || truth="10 ms, and 100 ms for one in eight: p50 10, p90 and above 100"
	echo "Closed loop, -c8, 2000 requests, /$path: $truth, and what timers are late; ms"
	start_server
	measure girin "$tmp/girin" bench -q -c 8 -n 2000 --json="$tmp/girin.json" "$url/$path" && compare "girin bench"
	measure ab ab -q -k -c 8 -n 2000 "$url/$path" && compare ab
	measure hey hey -c 8 -n 2000 "$url/$path" && compare hey
done
echo "200 requests per second for 5 s, and a stall of 500 ms: 10 % of the requests fall into it; p50 2, p95 252, p99 452, longest 502 ms"
# shellcheck disable=SC2046
start_server && measure girin "$tmp/girin" bench -q --rate 200 -d 5s --json="$tmp/girin.json" "$url/stall" && row "girin bench" $(girin_ms) && row "  server" $(taken_ms)
# shellcheck disable=SC2046
start_server && measure hey hey -c 8 -q 25 -z 5s "$url/stall" && row hey $(hey_ms)
# shellcheck disable=SC2046
start_server && measure ab ab -q -k -c 1 -t 5 -n 100000000 "$url/stall" && row ab $(ab_ms)
echo "  (hey's 8 clients and ab's one send nothing while they wait: of the stall they see one request each)"
exit "$wrong"
