package config

import "time"

// Values are the settings by key as hooks of the configuration file see them:
// in the types that JSON and Python share, times in seconds.
func (c *Config) Values() map[string]any {
	values := make(map[string]any, len(c.resolved)+1)
	for _, o := range Options() {
		if o.Kind == Hook || o.Section == "Help" {
			continue
		}
		values[o.Key] = inSeconds(c.shown(o.Key))
	}
	values["worker_class_str"] = c.WorkerClass
	values["user"], values["group"] = c.UID, c.GID
	values["default_proc_name"] = c.App
	return values
}

// inSeconds makes a number of a duration, whole if it can be.
func inSeconds(v any) any {
	d, ok := v.(time.Duration)
	switch {
	case !ok:
		return v
	case d%time.Second == 0:
		return int64(d / time.Second)
	}
	return d.Seconds()
}
