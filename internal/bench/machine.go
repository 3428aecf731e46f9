package bench

import (
	"fmt"
	"os"
	"strings"
)

// machineName is the same for all clients on a machine, in its containers too, and another on each: a sum of what Linux draws when it
// starts, or else of the machine's name. Empty where there is neither.
func machineName() string {
	drawn, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		name, err := os.Hostname()
		if err != nil {
			return ""
		}
		drawn = []byte(name)
	}
	return fmt.Sprintf("%016x", fnvOf([]byte(strings.TrimSpace(string(drawn)))))
}

// without is a client of the same machine that has done nothing yet.
func (c Client) without() Client {
	return Client{Cores: c.Cores, Machine: c.Machine, MachineCores: c.MachineCores}
}
