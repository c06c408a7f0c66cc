//go:build cgo && linux

// Command greenlet demonstrates and measures package greenlet, and shows the greenlets of
// processes that serve package inspect's page.
//
//	greenlet demo [DIR...]
//	greenlet bench [-quick] [-run REGEXP] [-svg FILE]
//	greenlet ps [-tree] URL|SOCKET
//	greenlet top [-sort BY] [-d PAUSE] [-n ROUNDS] [-lines N] URL|SOCKET
//	greenlet stack URL|SOCKET ID
//	greenlet record [-seconds N] URL|SOCKET FILE
//	greenlet gdb
//	greenlet dlv
//
// A token is taken from the URL (?token=...) or from GREENLET_INSPECT_TOKEN.
package main

import (
	"fmt"
	"io"
	"os"
)

// A command is one of the program's subcommands.
type command struct {
	name string
	args string // as the usage shows them
	help string // one line for the usage; empty: for child processes of this command, and not in the usage
	run  func(args []string, stdout io.Writer) error
}

var commands = []command{
	{"demo", "[DIR...]", "five short scenes; the walks are over DIR...", demo},
	{"bench", "[-quick] [-run REGEXP] [-svg FILE]", "what things cost, here and with the peers; FILE gets a plot", benchmark},
	{"ps", "[-tree] URL|SOCKET", "the greenlets of a process that serves package inspect's page", listAll},
	{"top", "[-sort BY] [-d PAUSE] [-n ROUNDS] [-lines N] URL|SOCKET", "the same again and again; BY is rate, switches, for, name or c", watchTop},
	{"stack", "URL|SOCKET ID", "one greenlet's stack", showStack},
	{"record", "[-seconds N] URL|SOCKET FILE", "a time line for ui.perfetto.dev", recordLine},
	debuggers[0], debuggers[1],
	{iterPullWalk, "", "", demoIterPull},
	{benchChild, "", "", measureInChild},
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) (status int) {
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	switch name {
	case "help", "-h", "-help", "--help":
		usage(stdout)
		return 0
	}
	for _, c := range commands {
		if c.name != name {
			continue
		}
		if err := c.run(args[1:], stdout); err != nil {
			fmt.Fprintf(stderr, "greenlet %s: %v\n", name, err)
			return 1
		}
		return 0
	}
	if name != "" {
		fmt.Fprintf(stderr, "greenlet: there is no subcommand %q\n", name)
	}
	usage(stderr)
	return 2
}

func usage(w io.Writer) {
	fmt.Fprintln(w, "usage: greenlet COMMAND [ARGUMENT...]")
	for _, c := range commands {
		if c.help != "" {
			fmt.Fprintf(w, "  %-20s %s\n", c.name+" "+c.args, c.help)
		}
	}
}
