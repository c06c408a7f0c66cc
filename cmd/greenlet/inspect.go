//go:build cgo && linux

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/go-greenlet/greenlet/inspect"
	"github.com/go-greenlet/greenlet/internal/place"
	"github.com/go-greenlet/greenlet/scripts"
)

// This file has the subcommands that show the greenlets of another process; see package inspect.

// A process is a process that serves the inspector's page.
type process struct {
	client http.Client
	page   *url.URL
}

// reach returns the process at a URL, at HOST:PORT, or at a socket's path with or without "unix:"
// in front. It makes no connection.
func reach(target string) (*process, error) {
	p := &process{}
	file, socket := strings.CutPrefix(target, "unix:")
	if info, err := os.Stat(target); err == nil && info.Mode().Type() == os.ModeSocket {
		socket = true
	}
	switch {
	case socket:
		p.client.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", file)
		}}
		target = "http://socket"
	case !strings.Contains(target, "://"):
		if _, _, err := net.SplitHostPort(strings.SplitN(target, "/", 2)[0]); err != nil {
			return nil, fmt.Errorf("%q is no URL, no HOST:PORT and no socket that is there", target)
		}
		target = "http://" + target
	}
	u, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/debug/greenlets"
	}
	p.page = u
	return p, nil
}

// ask sends a request to the page, or to the path `below` under it, and returns the answer's body,
// which the caller closes.
func (p *process) ask(method, below string, query url.Values) (io.ReadCloser, error) {
	u := *p.page
	u.Path = path.Join(u.Path, below)
	token := cmp.Or(u.Query().Get("token"), os.Getenv(inspect.TokenVariable))
	u.RawQuery = query.Encode()
	r, err := http.NewRequest(method, u.String(), nil)
	if err != nil {
		return nil, err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := p.client.Do(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		return nil, fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(text)))
	}
	return resp.Body, nil
}

func (p *process) get(below string, into any) error {
	body, err := p.ask("GET", below, url.Values{"format": {"json"}})
	if err != nil {
		return err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(into); err != nil {
		return fmt.Errorf("the answer is not an inspector's: %w", err)
	}
	return nil
}

// seen and the types that follow are the part of the inspector's JSON that is used here.
type seen struct {
	Engine string
	Trees  []struct {
		Root      uint64
		Thread    int
		Greenlets []entry
	}
}

type entry struct {
	ID, Parent, Switches uint64
	Name, State          string
	Where                *seenPlace
	SinceMs              float64 `json:"since_ms"`
	AtLeastMs            float64 `json:"at_least_ms"`
	PerSecond            float64 `json:"per_second"`
	CStackUsed           int     `json:"c_stack_used"`
	Stack                []seenPlace
	depth                int
}

type seenPlace struct {
	Func, File string
	Line       int
}

func (o entry) place() string {
	if o.Where == nil {
		return ""
	}
	return fmt.Sprintf("%s:%d %s", path.Base(o.Where.File), o.Where.Line, path.Base(o.Where.Func))
}

// age returns how long o has been in its state, with "> " in front if that is only a lower bound from
// the inspector's earlier looks.
func (o entry) age() string {
	switch {
	case o.SinceMs != 0:
		return time.Duration(o.SinceMs * 1e6).Round(time.Millisecond / 10).String()
	case o.AtLeastMs != 0:
		return "> " + time.Duration(o.AtLeastMs*1e6).Round(time.Millisecond).String()
	}
	return ""
}

// flags parses flags, which may be before, between and after the arguments, and returns the
// arguments. Their number must be that of the words of want, which names them for the error.
func flags(args []string, want string, define func(f *flag.FlagSet)) ([]string, error) {
	f := flag.NewFlagSet("", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	if define != nil {
		define(f)
	}
	var plain []string
	for len(args) > 0 {
		if err := f.Parse(args); err != nil {
			return nil, err
		}
		if args = f.Args(); len(args) > 0 {
			plain, args = append(plain, args[0]), args[1:]
		}
	}
	if len(plain) != len(strings.Fields(want)) {
		return nil, fmt.Errorf("the arguments are: %s", want)
	}
	return plain, nil
}

func listAll(args []string, stdout io.Writer) error {
	asTree := false
	args, err := flags(args, "URL|SOCKET", func(f *flag.FlagSet) { f.BoolVar(&asTree, "tree", false, "") })
	if err != nil {
		return err
	}
	p, err := reach(args[0])
	if err != nil {
		return err
	}
	var s seen
	if err := p.get("", &s); err != nil {
		return err
	}
	w := listing(stdout)
	for _, t := range s.Trees {
		list := t.Greenlets
		if asTree {
			list = treeOrder(list)
		}
		for _, o := range list {
			fmt.Fprintf(w, "%d\t%s%s\t%s\t%s\t%d\t%d\t%d\t%s\n", o.ID, strings.Repeat("  ", o.depth), place.Printable(o.Name), o.State, o.age(), o.Switches, o.Parent, t.Thread, o.place())
		}
	}
	return w.Flush()
}

func listing(stdout io.Writer) *tabwriter.Writer {
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tNAME\tSTATE\tFOR\tSWITCHES\tPARENT\tTHREAD\tWHERE")
	return w
}

// treeOrder sorts a tree's greenlets so that each follows its parent, and sets their depths. The first
// is the root; a greenlet whose parent is not in the list is put below it. The inspector reads
// parents one by one while they change, so they can form a cycle; such greenlets are at the end.
func treeOrder(list []entry) (out []entry) {
	children := map[uint64][]entry{}
	known := map[uint64]bool{}
	for _, o := range list {
		known[o.ID] = true
	}
	for i, o := range list {
		if i > 0 {
			if !known[o.Parent] {
				o.Parent = list[0].ID
			}
			children[o.Parent] = append(children[o.Parent], o)
		}
	}
	listed := map[uint64]bool{}
	var add func(o entry, depth int)
	add = func(o entry, depth int) {
		if listed[o.ID] {
			return
		}
		listed[o.ID] = true
		o.depth = min(depth, 20)
		out = append(out, o)
		for _, c := range children[o.ID] {
			add(c, depth+1)
		}
	}
	for i, o := range list { // the root, and by that all that it leads to; then the greenlets of a cycle
		add(o, min(i, 1))
	}
	return out
}

// orders has the comparison for each value of top's -sort.
var orders = map[string]func(a, b entry) int{
	"rate":     func(a, b entry) int { return cmp.Compare(b.PerSecond, a.PerSecond) },
	"switches": func(a, b entry) int { return cmp.Compare(b.Switches, a.Switches) },
	"name":     func(a, b entry) int { return cmp.Compare(a.Name, b.Name) },
	"c":        func(a, b entry) int { return cmp.Compare(b.CStackUsed, a.CStackUsed) },
	"for": func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.State, b.State), cmp.Compare(b.SinceMs, a.SinceMs), cmp.Compare(b.AtLeastMs, a.AtLeastMs))
	},
}

func watchTop(args []string, stdout io.Writer) error {
	var rounds, lines int
	var pause time.Duration
	var by string
	args, err := flags(args, "URL|SOCKET", func(f *flag.FlagSet) {
		f.IntVar(&rounds, "n", 0, "")
		f.IntVar(&lines, "lines", 20, "")
		f.DurationVar(&pause, "d", time.Second, "")
		f.StringVar(&by, "sort", "rate", "")
	})
	if err != nil {
		return err
	}
	order := orders[by]
	if order == nil || pause <= 0 || lines <= 0 {
		return errors.New("-sort is rate, switches, for, name or c; -d and -lines are more than 0")
	}
	p, err := reach(args[0])
	if err != nil {
		return err
	}
	clear := ""
	if f, ok := stdout.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			clear = "\x1b[H\x1b[J" // cursor to the top left, and erase to the end of the screen
		}
	}
	for round := 0; ; round++ {
		var s seen
		if err := p.get("", &s); err != nil {
			return err
		}
		var all []entry
		total := 0.
		for _, t := range s.Trees {
			all = append(all, t.Greenlets...)
		}
		for _, o := range all {
			total += o.PerSecond
		}
		slices.SortStableFunc(all, order)
		fmt.Fprintf(stdout, "%s%d greenlets in %d trees, %.0f switches a second\n", clear, len(all), len(s.Trees), total)
		w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tNAME\tSTATE\tFOR\tSWITCHES\tPER SECOND\tC STACK\tWHERE")
		for _, o := range all[:min(lines, len(all))] {
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%d\t%.0f\t%d\t%s\n", o.ID, place.Printable(o.Name), o.State, o.age(), o.Switches, o.PerSecond, o.CStackUsed, o.place())
		}
		if err := w.Flush(); err != nil {
			return err
		}
		if round+1 == rounds {
			return nil
		}
		time.Sleep(pause)
	}
}

func showStack(args []string, stdout io.Writer) error {
	args, err := flags(args, "URL|SOCKET ID", nil)
	if err != nil {
		return err
	}
	if _, err := strconv.ParseUint(args[1], 10, 64); err != nil {
		return fmt.Errorf("%q is no greenlet's number: ps has them", args[1])
	}
	p, err := reach(args[0])
	if err != nil {
		return err
	}
	body, err := p.ask("GET", args[1], url.Values{"format": {"text"}})
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.Copy(stdout, body)
	return err
}

func recordLine(args []string, stdout io.Writer) error {
	seconds := 5.
	args, err := flags(args, "URL|SOCKET FILE", func(f *flag.FlagSet) { f.Float64Var(&seconds, "seconds", seconds, "") })
	if err != nil {
		return err
	}
	p, err := reach(args[0])
	if err != nil {
		return err
	}
	body, err := p.ask("POST", "record", url.Values{"seconds": {fmt.Sprint(seconds)}})
	if err != nil {
		return err
	}
	defer body.Close()
	f, err := os.Create(args[1])
	if err != nil {
		return err
	}
	n, err := io.Copy(f, body)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s: %d bytes; open it with ui.perfetto.dev or chrome://tracing\n", args[1], n)
	return nil
}

// script returns a subcommand that prints the path of a debugger's script.
func script(path func() (string, error)) func([]string, io.Writer) error {
	return func(args []string, stdout io.Writer) error {
		if _, err := flags(args, "", nil); err != nil {
			return err
		}
		file, err := path()
		if err == nil {
			fmt.Fprintln(stdout, file)
		}
		return err
	}
}

var debuggers = []command{
	{"gdb", "", "prints the path of the script for gdb: gdb -x \"$(greenlet gdb)\"", script(scripts.GDB)},
	{"dlv", "", "prints the path of the script for delve: (dlv) source PATH", script(scripts.Delve)},
}
