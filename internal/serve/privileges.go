package serve

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"girin/internal/arbiter"
	"girin/internal/config"
	"girin/internal/logs"
)

// dropPrivileges makes the server the user and group of its settings, for good
// and with all its threads. Sockets, logs and keys are open by then; workers,
// and what they share with the server, come after, so that they are the user's
// from their start.
func (s *server) dropPrivileges() error {
	c := s.cfg
	if c.UID == os.Geteuid() && c.GID == os.Getegid() {
		return nil
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("user %d and group %d: only root can become another user", c.UID, c.GID)
	}
	if err := s.giveAway(); err != nil {
		return err
	}
	groups, err := s.groups()
	if err != nil {
		return err
	}
	if err := become(c.UID, c.GID, groups); err != nil {
		return err
	}
	s.log.Infof("Running as user %d, group %d, groups %v", c.UID, c.GID, groups)
	s.tellWhatIsLost()
	return nil
}

// becomes is whom the arbiter becomes; nil: nobody else.
func (s *server) becomes(c *config.Config) *arbiter.User {
	if c.UID == os.Geteuid() && c.GID == os.Getegid() || os.Geteuid() != 0 {
		return nil
	}
	groups, err := s.groups()
	if err != nil {
		return nil // dropPrivileges tells
	}
	return &arbiter.User{UID: c.UID, GID: c.GID, Groups: groups}
}

// become changes user and groups. The syscall package does it for all threads.
func become(uid, gid int, groups []int) error {
	if err := syscall.Setgroups(groups); err != nil {
		return fmt.Errorf("setgroups %v: %w", groups, err)
	}
	if err := syscall.Setgid(gid); err != nil {
		return fmt.Errorf("setgid %d: %w", gid, err)
	}
	if err := syscall.Setuid(uid); err != nil {
		return fmt.Errorf("setuid %d: %w", uid, err)
	}
	if uid != 0 && syscall.Setuid(0) == nil {
		return errors.New("the rights of root came back after they were given up")
	}
	return nil
}

// groups are the supplementary groups: root's own are never kept.
func (s *server) groups() ([]int, error) {
	if !s.cfg.InitGroups {
		return []int{s.cfg.GID}, nil
	}
	u, err := user.LookupId(strconv.Itoa(s.cfg.UID))
	if err != nil {
		return nil, fmt.Errorf("initgroups: %w", err)
	}
	ids, err := u.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("initgroups: %w", err)
	}
	groups := []int{s.cfg.GID}
	for _, id := range ids {
		if n, err := strconv.Atoi(id); err == nil && n != s.cfg.GID {
			groups = append(groups, n)
		}
	}
	return groups, nil
}

// giveAway gives the user what the server has made as root: the pidfile and
// unix sockets. Logs are given away where they are opened.
func (s *server) giveAway() error {
	if path := s.pidFile.Load(); path != nil {
		if err := os.Lchown(*path, s.cfg.UID, s.cfg.GID); err != nil {
			return fmt.Errorf("pidfile: %w", err)
		}
	}
	addresses, err := s.cfg.Addresses()
	if err != nil {
		return err
	}
	for _, a := range addresses {
		if a.Network != "unix" || s.inherited {
			continue
		}
		if err := os.Lchown(a.Addr, s.cfg.UID, s.cfg.GID); err != nil {
			return fmt.Errorf("bind %s: %w", a, err)
		}
	}
	return nil
}

// tellWhatIsLost says what signals can no longer do.
func (s *server) tellWhatIsLost() {
	c := s.cfg
	for _, path := range []string{c.CertFile, c.KeyFile, c.CACerts} {
		if path != "" && unix.Access(path, unix.R_OK) != nil {
			s.log.Warningf("%s is not readable for the user: a new certificate needs a restart, HUP cannot read it", path)
		}
	}
	if path := c.File.Location; strings.HasPrefix(path, "/") && unix.Access(path, unix.R_OK) != nil {
		s.log.Warningf("%s is not readable for the user: HUP cannot read the settings again", path)
	}
	for _, path := range []string{c.ErrorLog, c.AccessLog} {
		if strings.HasPrefix(path, "/") && !logs.Inherited(path) && unix.Access(filepath.Dir(path), unix.W_OK|unix.X_OK) != nil {
			s.log.Warningf("the user may not make files beside %s: USR1 cannot open it again once it is moved away", path)
		}
	}
}
