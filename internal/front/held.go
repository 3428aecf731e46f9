package front

// Held is what is held for clients, in bytes if nothing else is said.
type Held struct {
	Files      int64 `json:"files"`       // descriptors of connections, spooled bodies and files that are sent
	Answers    int64 `json:"answers"`     // answers in memory that wait for their clients
	Heads      int64 `json:"heads"`       // buffers of large heads
	Bodies     int64 `json:"bodies"`      // bodies that come, in memory
	Messages   int64 `json:"messages"`    // of WebSockets: not whole, or not received by the application
	SpoolFiles int64 `json:"spool_files"` // number of files with bodies, and answers that outgrew memory
	SpoolBytes int64 `json:"spool_bytes"` // in them
}

// Held tells what is held at present.
func (s *Server) Held() Held {
	return Held{
		Files: s.held.Load(), Answers: s.queued.Load(), Heads: s.heads.Load(), Bodies: s.inlined.Load(),
		Messages: s.messages.Load(), SpoolFiles: s.spool.Files(), SpoolBytes: s.spool.Bytes(),
	}
}
