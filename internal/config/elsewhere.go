package config

// elsewhere are options of other servers (uvicorn, hypercorn, uWSGI, Granian) that have no effect here
// by their own name, and what to write for them. uvicorn's that do: see uvicornOptions.
var elsewhere = map[string]string{
	"processes":            "-w NUMBER",
	"blocking-threads":     "--threads NUMBER",
	"http2":                "--http-protocols h2,h1",
	"env-file":             "-e KEY=VALUE for each line of it",
	"ssl-certificate":      "--certfile FILE",
	"ssl-keyfile-password": "--keyfile with a file that has none: openssl pkey -in FILE -out OTHER",
	"no-date-header":       "nothing: responses have a Date, as HTTP asks for",
	"header":               "nothing: middleware of the application adds fields",
}
