package config

// Option is one row of the table of settings. Flags, the configuration file's names, checks,
// help and documentation derive from it; nothing about a setting is said anywhere else.
type Option struct {
	Key           string // gunicorn's name, and the one in a configuration file
	Flag          string // long flag without dashes; "" if there is none
	Short         string // short flag, one letter
	Alias         string // a second long flag
	Section       string
	Kind          Kind
	Meta          string // what help calls the value
	Choices       []string
	Synonyms      map[string]string // of Choices
	Else          string            // what any other value of Choices counts as, with a warning; "": it is an error
	OptionalValue string            // what the flag means without a value; "" if it needs one
	Default       any               // in the form that Kind.parse returns; nil is None
	DefaultText   string            // the default as people are told it, where Default alone misleads
	Env           string            // environment variable that stands in for the default
	Own           bool              // Girin's own, unknown to gunicorn
	Status        Status
	Instead       string // unless it is built: what to know or to use instead
	Note          string // what it leaves out although it is built: a warning for who sets it
	Doc           string

	tuned   func(cores int) []any // values that are worth trying on so many cores; nil: none but the default
	field   func(*Config) any     // pointer to the field that gets the value; nil if there is none
	check   func(any) error       // what Kind does not know about good values; nil accepts all
	fromEnv func(string) any      // makes a raw value of Env; nil takes it as it is
}

// Status says what becomes of a setting. It is the one place to change when a setting is built.
type Status int

const (
	Built         Status = iota // does what Doc says
	NotBuilt                    // an error if set to anything but the default
	NotApplicable               // accepted, with a warning that says what to use instead
)

func (s Status) String() string {
	switch s {
	case NotBuilt:
		return "not built yet"
	case NotApplicable:
		return "not applicable"
	}
	return "built"
}

// Options returns the table, in the order of the help text.
func Options() []Option {
	var all []Option
	for _, part := range [][]Option{
		socketOptions(), workerOptions(), applicationOptions(), loggingOptions(), developmentOptions(),
		limitOptions(), proxyOptions(), tlsOptions(), processOptions(), hookOptions(),
		jobOptions(), section("Jobs", jobPageOptions()), syslogOptions(), asgiOptions(), http2Options(), parserOptions(), dirtyOptions(), helpOptions(),
	} {
		all = append(all, part...)
	}
	return all
}

// section names the section of each row.
func section(title string, rows []Option) []Option {
	for i := range rows {
		rows[i].Section = title
	}
	return rows
}

// byKey finds rows by their key.
func byKey(options []Option) map[string]*Option {
	m := make(map[string]*Option, len(options))
	for i := range options {
		m[options[i].Key] = &options[i]
	}
	return m
}
