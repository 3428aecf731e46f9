package worker

import "math/bits"

// buddies divides a row of units into blocks (Knowlton, 1965): free ones are of
// 2^k units, aligned to their size, and two that are halves of a larger one merge. A
// block that is taken need not be: what it has too much is given back at once, so
// that a body a little larger than a power of two does not cost twice its size.
type buddies struct {
	first      [orders]int32 // of the free blocks of each order; none: 0, which is never free
	next, prev []int32       // by the unit that a free block begins with; 0: none
	order      []int8        // of the free block that begins there, plus one; 0: none does
	used       int           // units
}

// orders is one more than the largest: a block of all units.
const orders = 15

// newBuddies returns a row of so many units, of which the first ones are taken for
// good.
func newBuddies(units, taken int) *buddies {
	b := &buddies{next: make([]int32, units), prev: make([]int32, units), order: make([]int8, units), used: units}
	b.give(taken, units-taken)
	return b
}

// take returns where so many units begin, if there are as many in a row.
func (b *buddies) take(units int) (at int, ok bool) {
	k := bits.Len(uint(units - 1))
	from := k
	for from < orders && b.first[from] == 0 {
		from++
	}
	if from >= orders {
		return 0, false
	}
	at = int(b.first[from])
	b.unlink(at, from)
	b.used += units
	// What is too much, from the end on: the halves that are not needed at all.
	for left, start := units, at; from >= 0 && left < 1<<from; {
		from--
		if left <= 1<<from {
			b.link(start+1<<from, from)
		} else {
			left -= 1 << from
			start += 1 << from
		}
	}
	return at, true
}

// give gives so many units back, those from at on, which were taken together.
func (b *buddies) give(at, units int) {
	b.used -= units
	for units > 0 {
		// The largest block that is aligned here and not longer than the rest.
		k := min(bits.Len(uint(units))-1, bits.TrailingZeros(uint(at)))
		b.merge(at, k)
		at += 1 << k
		units -= 1 << k
	}
}

// merge makes a block free, and as large as its free neighbours allow.
func (b *buddies) merge(at, k int) {
	for k < orders-1 {
		other := at ^ 1<<k
		if other >= len(b.order) || int(b.order[other]) != k+1 {
			break
		}
		b.unlink(other, k)
		at = min(at, other)
		k++
	}
	b.link(at, k)
}

func (b *buddies) link(at, k int) {
	after := b.first[k]
	b.next[at], b.prev[at] = after, 0
	if after != 0 {
		b.prev[after] = int32(at)
	}
	b.first[k], b.order[at] = int32(at), int8(k+1)
}

func (b *buddies) unlink(at, k int) {
	before, after := b.prev[at], b.next[at]
	if before != 0 {
		b.next[before] = after
	} else {
		b.first[k] = after
	}
	if after != 0 {
		b.prev[after] = before
	}
	b.order[at] = 0
}
