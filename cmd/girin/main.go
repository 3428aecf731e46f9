// Command girin serves Python web applications, and measures them.
package main

import (
	"os"

	"girin/internal/cli"
)

func main() { os.Exit(cli.Run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
