package config

import "slices"

// Tuned are the values of a setting that are worth trying on a machine with so many cores, by the
// setting's key; those without any are left as they are.
func Tuned(cores int) map[string][]any {
	values := map[string][]any{}
	for _, o := range Options() {
		if o.tuned != nil {
			values[o.Key] = o.tuned(cores)
		}
	}
	return values
}

// tunedWorkers are one, one for each core, one more, what gunicorn recommends (2 x cores + 1), and so
// many that they make up for having one thread each.
func tunedWorkers(cores int) []any {
	return distinct(1, cores, cores+1, 2*cores+1, 4*cores)
}

// tunedThreads are powers of two, up to where most applications have met a limit of their own.
func tunedThreads(int) []any { return distinct(1, 2, 4, 8, 16, 32, 64) }

// tunedClasses leaves out gaiohttp, which is there for who has it already: it runs what sync runs.
func tunedClasses(int) []any {
	var list []any
	for _, class := range WorkerClasses() {
		if class != "gaiohttp" {
			list = append(list, class)
		}
	}
	return list
}

func tunedPreload(int) []any { return []any{false, true} }

// distinct sorts numbers and drops what is there twice.
func distinct(numbers ...int) []any {
	slices.Sort(numbers)
	var list []any
	for _, n := range slices.Compact(numbers) {
		list = append(list, n)
	}
	return list
}
