package front

// What the server answers itself, for whoever decides where requests go: on the
// health path whether it wants more of them (readiness), on the liveness path that
// it lives, and need not be started again.

// isCheck reports whether a path is one of the two.
func (s *Server) isCheck(path []byte) bool {
	return s.cfg.HealthPath != "" && string(path) == s.cfg.HealthPath ||
		s.cfg.LivenessPath != "" && string(path) == s.cfg.LivenessPath
}

// check is the answer to such a path.
func (s *Server) check(path []byte) (status string, text []byte) {
	switch {
	case s.cfg.LivenessPath != "" && string(path) == s.cfg.LivenessPath:
		return "200 OK", []byte("alive\n")
	case s.leaving.Load():
		return "503 Service Unavailable", []byte("the server ends\n")
	case s.cfg.Ready():
		return "200 OK", []byte("ok\n")
	}
	return "503 Service Unavailable", []byte("no worker is ready\n")
}

// Leave makes the server say that it ends: readiness is 503, and each response is
// the last of its connection. Requests are served as before, until Shutdown.
func (s *Server) Leave() { s.leaving.Store(true) }
