package result

// judgeBodies marks the runs whose probe had another body than most: such a server does not
// do the same work.
func judgeBodies(runs []Run) {
	type key struct{ scenario, phase, stream string }
	counts := map[key]map[string]int{}
	usual := map[key]string{}
	for i := range runs {
		r := &runs[i]
		k := key{r.Scenario, r.Phase, r.Stream}
		if r.Body == "" {
			continue
		}
		if counts[k] == nil {
			counts[k] = map[string]int{}
		}
		counts[k][r.Body]++
		if counts[k][r.Body] > counts[k][usual[k]] {
			usual[k] = r.Body
		}
	}
	for i := range runs {
		r := &runs[i]
		if want := usual[key{r.Scenario, r.Phase, r.Stream}]; r.Body != "" && r.Body != want && r.Invalid == "" {
			r.Invalid = "the body differs from what most servers send"
		}
	}
}
