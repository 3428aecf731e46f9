// Package verdict decides from runs whether one thing is worse or better than another, which of many are best, and how
// many runs that takes. bench, lab and tune all ask it, so that they cannot disagree. It knows numbers, not servers.
//
//	Compare      two samples              -> worse, better, same or undecided, with an interval
//	CompareAll   many pairs of samples    -> the same, all of it true at once with 95 % confidence (Holm 1979)
//	Rank         many samples             -> a place for each, all of them true at once with 95 % confidence
//	Noise        many samples             -> how much runs of one thing differ by themselves
//	Tells        noise, settings, repeats -> the smallest difference that will be found 8 times in 10
//
// The unit of a sample is the run: requests within one share a server and a moment of the machine. Values are positive
// numbers that differ by factors, such as rates and latencies, and their logarithms are compared. Worst, a latency that
// lies among failures, and a rate of 0 are allowed.
package verdict
