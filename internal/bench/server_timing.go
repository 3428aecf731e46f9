package bench

import "bytes"

// serverTiming is what a Server-Timing header says of the time before the response (https://www.w3.org/TR/server-timing/).
type serverTiming struct {
	queueMS, appMS float32
	present        bool
}

// add reads the metrics "queue" and "app"; a value it cannot read is passed over, since nothing depends on it.
func (t *serverTiming) add(value []byte) {
	for metric := range bytes.SplitSeq(value, []byte(",")) {
		name, params, _ := bytes.Cut(metric, []byte(";"))
		ms, ok := duration(params)
		if !ok {
			continue
		}
		switch name = trimBlanks(name); {
		case equalFold(name, "queue"):
			t.queueMS, t.present = ms, true
		case equalFold(name, "app"):
			t.appMS, t.present = ms, true
		}
	}
}

// duration finds the dur parameter of a metric.
func duration(params []byte) (ms float32, ok bool) {
	for param := range bytes.SplitSeq(params, []byte(";")) {
		key, value, _ := bytes.Cut(param, []byte("="))
		if equalFold(trimBlanks(key), "dur") {
			return decimal(trimBlanks(value))
		}
	}
	return 0, false
}

// decimal reads digits with or without a point.
func decimal(b []byte) (v float32, ok bool) {
	scale := float32(0)
	for _, c := range b {
		switch {
		case '0' <= c && c <= '9' && scale == 0:
			v, ok = v*10+float32(c-'0'), true
		case '0' <= c && c <= '9':
			v, scale = v+float32(c-'0')*scale, scale/10
		case c == '.' && scale == 0:
			scale = 0.1
		default:
			return 0, false
		}
	}
	return v, ok
}
