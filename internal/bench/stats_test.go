package bench

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestNeeds(t *testing.T) {
	for p, want := range map[float64]int64{50: 5, 90: 29, 95: 59, 99: 299, 99.9: 2995, 100: 0} {
		if got := Needs(p); got != want {
			t.Errorf("p%v needs %d samples, want %d", p, got, want)
		}
	}
}

func TestRank(t *testing.T) {
	for _, tt := range []struct {
		q    float64
		n    int64
		want int64
	}{{0.5, 1, 0}, {0.5, 2, 0}, {0.5, 3, 1}, {0.99, 100, 98}, {0.99, 101, 99}, {1, 10, 9}, {0, 10, 0}, {0.9, 10, 8}} {
		if got := rank(tt.q, tt.n); got != tt.want {
			t.Errorf("rank(%v, %d) = %d, want %d", tt.q, tt.n, got, tt.want)
		}
	}
}

// randomSamples are log-normal around 1 ms.
func randomSamples(n int, seed uint64) []sample {
	rnd := rand.New(rand.NewPCG(seed, 1))
	out := make([]sample, n)
	for i := range out {
		out[i] = sample{sent: int64(i), done: int64(i) + int64(1e6*math.Exp(rnd.NormFloat64())), kind: Succeeded}
		out[i].first = out[i].done
	}
	return out
}

// What a tally says differs by no more than its three digits from the values themselves.
func TestTallyAgreesWithValues(t *testing.T) {
	samples := randomSamples(20000, 1)
	exact := newSeries(mLatency, samples, nil, false)
	beyond := new(tallies)
	for i := range samples[:15000] {
		beyond.add(&samples[i], false)
	}
	mixed := newSeries(mLatency, samples[15000:], beyond, false)
	a, b := exact.distribution(), mixed.distribution()
	if a.Count != b.Count || a.MinMS != b.MinMS || a.MaxMS != b.MaxMS || math.Abs(a.MeanMS-b.MeanMS) > 1e-9*a.MeanMS || math.Abs(a.SDMS-b.SDMS) > 1e-6*a.SDMS {
		t.Errorf("exact %+v, tally %+v", a, b)
	}
	for i, p := range a.Percentiles {
		if got := b.Percentiles[i].MS; math.Abs(got-p.MS) > 0.002*p.MS+0.001 {
			t.Errorf("p%v: exact %v, tally %v", p.P, p.MS, got)
		}
	}
	if x, y := exact.above(2e6, true), mixed.above(2e6, true); math.Abs(float64(x-y)) > 0.01*float64(x) {
		t.Errorf("above 2 ms: exact %d, tally %d", x, y)
	}
}

func TestLiveBucketsAreWithinSixPercent(t *testing.T) {
	for v := int64(1100); v < 1e12; v += v / 7 {
		if got := liveValue(liveBucket(v)); math.Abs(float64(got-v)) > 0.0626*float64(v) {
			t.Errorf("%d is counted as %d", v, got)
		}
	}
	if b := liveBucket(math.MaxInt64); b != liveBuckets-1 {
		t.Errorf("bucket %d", b)
	}
}

// resultOf makes a result with these latencies, in milliseconds.
func resultOf(failed int64, latencies ...float64) *Result {
	res := &Result{Load: Load{Mode: "closed", Clients: 1}, DurationS: 10}
	for _, v := range latencies {
		res.samples = append(res.samples, sample{done: int64(v * 1e6)})
	}
	res.latency = newSeries(mLatency, res.samples, nil, false)
	res.Latency = res.latency.distribution()
	res.Batches = batches(res.samples, false)
	n := int64(len(latencies))
	res.Requests = Requests{Done: n + failed, OK: n, Failed: failed}
	res.Rate.OK = float64(n) / res.DurationS
	return res
}

func repeat(n int, v float64) []float64 { return slices.Repeat([]float64{v}, n) }

func TestSLO(t *testing.T) {
	good := resultOf(0, append(repeat(5000, 100), repeat(10, 300)...)...)
	few := resultOf(0, repeat(50, 100)...)
	failing := resultOf(100, repeat(1000, 100)...)
	for _, tt := range []struct {
		slo  string
		res  *Result
		want Verdict
	}{
		{"p99<200ms", good, Holds},
		{"p99.9<200ms", good, Fails},
		{"p99.9<200ms", few, Undecided},
		{"p99<200ms", few, Undecided},
		{"p90<200ms", few, Holds},
		{"p50<50ms", few, Fails},
		{"p50>50ms", few, Holds},
		{"p50<0.05s, p99<200ms", few, Fails},
		{"errors<1%", good, Holds},
		{"errors<0.01", good, Holds},
		{"errors<0.01%", good, Undecided},
		{"errors<1%", failing, Fails},
		{"errors<1%", few, Undecided},
		{"rps>400", good, Holds},
		{"rps>600", good, Fails},
		{"mean<=101ms,max<301000us,min>99ms,median<101ms", good, Holds},
		{"max<0.2s", good, Fails},
		{"p50<1s", resultOf(3), Undecided},
		// A failure is above every limit.
		{"p99<200ms", resultOf(600, repeat(900, 10)...), Fails},
		{"p50<200ms", resultOf(600, repeat(900, 10)...), Holds},
		{"p90<200ms", resultOf(5, repeat(995, 10)...), Holds},
		{"p50>200ms", resultOf(900, repeat(100, 10)...), Holds},
		{"max<200ms", resultOf(1, repeat(900, 10)...), Fails},
		{"mean<200ms", resultOf(1, repeat(900, 10)...), Fails},
		{"min<20ms", resultOf(1, repeat(900, 10)...), Holds},
		{"p50<1s", resultOf(300), Fails},
		// No errors at all is about the run.
		{"errors<=0", few, Holds},
		{"errors<=0%", good, Holds},
		{"errors<=0", resultOf(1, repeat(5000, 10)...), Fails},
		{"errors>0", good, Fails},
		{"errors<100%", resultOf(300), Fails},
		{"errors<=1", resultOf(300), Holds},
		{"errors<0.1%", resultOf(0, repeat(2994, 10)...), Undecided},
		{"errors<0.1%", resultOf(0, repeat(2995, 10)...), Holds},
		{"errors<0.1%", resultOf(20, repeat(5000, 10)...), Fails},
		// The limit itself.
		{"p50<100ms", few, Fails},
		{"p50<=100ms", few, Holds},
		{"p50>=100ms", few, Holds},
		{"p50>100ms", few, Fails},
		{"max<=100ms", few, Holds},
		{"max<100ms", few, Fails},
		{"max>=100ms", few, Holds},
		{"rps<=5", few, Holds},
		{"rps<5", few, Fails},
	} {
		spec, err := ParseSLO(tt.slo)
		if err != nil {
			t.Errorf("%s: %v", tt.slo, err)
			continue
		}
		if got := spec.judge(tt.res); got.Verdict != tt.want {
			t.Errorf("%s: %s, want %s: %+v", tt.slo, got.Verdict, tt.want, got.Clauses)
		}
	}
	for _, s := range []string{"", "p99", "p99<200", "p0<1s", "p100<1s", "p99=1s", "errors<1ms", "rps>1s", "x<1ms", "p99<1ms,", "p99<1..2ms", "errors<0", "errors<0%", "errors<200%"} {
		if spec, err := ParseSLO(s); err == nil {
			t.Errorf("%q: %v, no error", s, spec)
		}
	}
}

func TestBinomialCDF(t *testing.T) {
	for _, tt := range []struct {
		k, n int64
		p    float64
		want float64
	}{{0, 299, 0.01, 0.0495}, {0, 298, 0.01, 0.0500}, {2, 10, 0.5, 0.0547}, {5, 5, 0.3, 1}, {500, 1000, 0.5, 0.5126}} {
		if got := binomialCDF(tt.k, tt.n, tt.p); math.Abs(got-tt.want) > 0.0001 {
			t.Errorf("P(X <= %d | %d, %v) = %v, want %v", tt.k, tt.n, tt.p, got, tt.want)
		}
	}
}

// noisy is n latencies around the centre with 3 % of noise.
func noisy(n int, centre float64, seed uint64) []float64 {
	rnd := rand.New(rand.NewPCG(seed, 2))
	out := make([]float64, n)
	for i := range out {
		out[i] = centre * (1 + 0.03*rnd.NormFloat64())
	}
	return out
}

func TestDoubtsOfFigures(t *testing.T) {
	skewed := resultOf(0, append(repeat(400, 1), repeat(20, 500)...)...)
	skewed.doubt()
	if !hasDoubt(skewed, "mean-median") || !hasDoubt(skewed, "few-samples") {
		t.Errorf("%v", skewed.Doubts)
	}
	plain := resultOf(0, noisy(5000, 10, 1)...)
	plain.doubt()
	if len(plain.Doubts) != 0 {
		t.Errorf("%v", plain.Doubts)
	}
	plain.Client.CPUShare, plain.Client.Cores = 0.9, 1
	plain.doubt()
	if !hasDoubt(plain, "client-cpu") || !plain.Client.Bottleneck {
		t.Errorf("%v", plain.Doubts)
	}
	uneven := resultOf(0, noisy(20, 1000, 1)...)
	uneven.Load.Requests, uneven.Load.Clients = 20, 16
	uneven.doubt()
	if !hasDoubt(uneven, "uneven-rounds") {
		t.Errorf("%v", uneven.Doubts)
	}
}

func TestFormatMS(t *testing.T) {
	for v, want := range map[float64]string{0.0512: "0.051 ms", 12.34: "12.3 ms", 512.4: "512 ms", 9999: "9999 ms", 12345: "12.35 s"} {
		if got := formatMS(v); strings.Replace(got, "12.34 s", "12.35 s", 1) != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
}
