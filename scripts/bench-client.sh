#!/usr/bin/env bash
# Compares load generators as clients: girin bench, wrk, ab and hey, interleaved, against one raw server on this machine.
# First the highest rate at -c64 with keep-alive, per second of CPU that the client spends; then what each says about
# latencies that are known. Needs a quiet machine.
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
girin_row() { row "girin bench" $(awk '/^  p(50|90|95|99) / {printf "%s%s ", $2, $3} /^  min/ {m = $0; sub(/.*max /, "", m); gsub(/ /, "", m)} END {print m}' "$tmp/girin.out"); }
ab_row() { row ab $(awk '/^ +(50|90|95|99|100)%/ {printf "%sms ", $2}' "$tmp/ab.out"); }
hey_row() { row hey $(awk '/(50|90|95|99)%+ in/ {printf "%.1fms ", $3 * 1000} /Slowest/ {s = $2 * 1000} END {printf "%.1fms", s}' "$tmp/hey.out"); }

for path in fixed bimodal; do
	[ "$path" = fixed ] && truth="20 ms" || truth="10 ms, and 100 ms for one in eight: p50 10, p90 and above 100"
	echo "Closed loop, -c8, 2000 requests, /$path: $truth"
	start_server
	measure girin "$tmp/girin" bench -q -c 8 -n 2000 "$url/$path" && girin_row
	measure ab ab -q -k -c 8 -n 2000 "$url/$path" && ab_row
	measure hey hey -c 8 -n 2000 "$url/$path" && hey_row
done
echo "200 requests per second for 5 s, and a stall of 500 ms: 10 % of the requests fall into it; p50 2, p95 252, p99 452, longest 502 ms"
start_server && measure girin "$tmp/girin" bench -q --rate 200 -d 5s "$url/stall" && girin_row
start_server && measure hey hey -c 8 -q 25 -z 5s "$url/stall" && hey_row
start_server && measure ab ab -q -k -c 1 -t 5 -n 100000000 "$url/stall" && ab_row
echo "  (hey's 8 clients and ab's one send nothing while they wait: of the stall they see one request each)"
