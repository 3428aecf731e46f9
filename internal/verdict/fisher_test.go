package verdict

import (
	"math"
	"testing"
)

// The first two are Fisher's own: of a lady who tells milk from tea, and of twins of criminals.
func TestFisherMore(t *testing.T) {
	for _, tt := range []struct {
		k, n, j, m int64
		want       float64
	}{
		{3, 4, 1, 4, 17.0 / 70}, {10, 13, 2, 17, 0.00046518},
		{0, 10, 0, 10, 1}, {1, 100, 0, 20, 100.0 / 120}, {5, 100, 0, 100, 0.029692}, {100, 100, 0, 3, 1 / 176851.0},
	} {
		if got := FisherMore(tt.k, tt.n, tt.j, tt.m); math.Abs(got-tt.want) > 1e-3*tt.want {
			t.Errorf("%d of %d beside %d of %d: %g, want %g", tt.k, tt.n, tt.j, tt.m, got, tt.want)
		}
	}
	if got := FisherMore(3, 2, 0, 1); !math.IsNaN(got) {
		t.Errorf("3 of 2: %g", got)
	}
}
