package worker

import "testing"

// BenchmarkArena is a block of the smallest class, taken and given back.
func BenchmarkArena(b *testing.B) {
	a, err := NewArena()
	if err != nil {
		b.Fatal(err)
	}
	defer a.Close()
	b.ReportAllocs()
	for b.Loop() {
		_, at, _ := a.Alloc(5000)
		a.Free(at, 5000)
	}
}
