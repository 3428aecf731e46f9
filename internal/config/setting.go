package config

// setting is one resolved value and where it came from.
type setting struct {
	value  any
	source string
}
