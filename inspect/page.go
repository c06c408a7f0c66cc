package inspect

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{"file": filepath.Base, "age": age, "rate": rate}).Parse(pageText))

// A view is the data of the page's template. All choices of a client are in the query of the
// URL, so the page works without its script, which only fetches the page again at intervals.
type view struct {
	Base   string // the URL path up to and with /debug/greenlets, also where the handler is mounted below another path
	Q      query
	S      snapshot
	Total  int     // greenlets in all trees, whether the query selects them or not
	Rate   float64 // their switches per second
	Groups []group // the places with the most greenlets, the largest group first
	Trees  []shownTree
	One    *entry // nil: the page of all greenlets
}

type query struct {
	Name, State, Place, Sort string
	Root                     uint64
	Limit                    int
	Fragment                 bool
	values                   url.Values
}

// With returns the query with the value of one key changed, for links. It leaves the token out,
// which would otherwise get into the browser's history and into copied links.
func (q query) With(key, value string) template.URL {
	v := url.Values{}
	for k, old := range q.values {
		v[k] = old
	}
	v.Del("fragment")
	v.Del("token")
	v.Set(key, value)
	return template.URL("?" + v.Encode())
}

// A group is the greenlets that are suspended at one place.
type group struct {
	Where  string // FILE:LINE, with the file's whole path
	Func   string
	Number int
}

type shownTree struct {
	tree
	Name string
	Rows []*entry
	More int // selected greenlets that are not in Rows because of the limit
}

// Title returns NAME/ID, as Greenlet.String does; greenlet/ID if there is no name.
func (o *entry) Title() string {
	if o.Name == "" {
		return fmt.Sprintf("greenlet/%d", o.ID)
	}
	return fmt.Sprintf("%s/%d", o.Name, o.ID)
}

// Place returns FILE:LINE; "" if w is nil.
func (w *where) Place() string {
	if w == nil {
		return ""
	}
	return fmt.Sprintf("%s:%d", w.File, w.Line)
}

// age returns how long o has been in its state, with "> " in front if that is only a lower bound.
func age(o *entry) string {
	d, sign := o.SinceMs, ""
	if d == 0 {
		if d, sign = o.AtLeastMs, "> "; d == 0 {
			return ""
		}
	}
	t := time.Duration(d * float64(time.Millisecond))
	for _, unit := range []time.Duration{time.Second, time.Millisecond, time.Microsecond} {
		if t >= unit {
			return sign + t.Round(unit/10).String()
		}
	}
	return sign + t.String()
}

func rate(r float64) string {
	if r == 0 {
		return ""
	}
	return strconv.FormatFloat(r, 'f', 0, 64)
}

const (
	usualLimit = 200  // default of ?limit=, the number of greenlets that are shown
	maxLimit   = 5000 // its upper bound
	mostGroups = 30   // number of places that are shown
)

func parse(r *http.Request) query {
	v := r.URL.Query()
	q := query{Name: v.Get("name"), State: v.Get("state"), Place: v.Get("place"), Sort: v.Get("sort"), Fragment: v.Get("fragment") != "", values: v}
	q.Root, _ = strconv.ParseUint(v.Get("root"), 10, 64) // 0, also if it is no number: all trees
	q.Limit, _ = strconv.Atoi(v.Get("limit"))            // 0, also if it is no number: the default
	if q.Limit <= 0 {
		q.Limit = usualLimit
	}
	q.Limit = min(q.Limit, maxLimit)
	return q
}

func (q query) finds(o *entry) bool {
	if q.State != "" && q.State != o.State {
		return false
	}
	if q.Name != "" && !strings.Contains(o.Title(), q.Name) {
		return false
	}
	return q.Place == "" || o.Where != nil && (strings.Contains(o.Where.Place(), q.Place) || strings.Contains(o.Where.Func, q.Place))
}

// plain says whether the query neither filters nor sorts, in which case each tree is shown with
// its greenlets indented below their parents.
func (q query) plain() bool { return q.State == "" && q.Name == "" && q.Place == "" && q.Sort == "" }

func (q query) order(rows []*entry) {
	by := map[string]func(a, b *entry) int{
		"name":     func(a, b *entry) int { return cmp.Compare(a.Name, b.Name) },
		"switches": func(a, b *entry) int { return cmp.Compare(b.Switches, a.Switches) },
		"rate":     func(a, b *entry) int { return cmp.Compare(b.PerSecond, a.PerSecond) },
		"c":        func(a, b *entry) int { return cmp.Compare(b.CStackUsed, a.CStackUsed) },
		"place": func(a, b *entry) int {
			return cmp.Compare(a.Where.Place(), b.Where.Place())
		},
		"for": func(a, b *entry) int { // running before suspended, then the longest time first
			return cmp.Or(cmp.Compare(a.State, b.State), cmp.Compare(b.SinceMs, a.SinceMs), cmp.Compare(b.AtLeastMs, a.AtLeastMs))
		},
	}[q.Sort]
	if by != nil {
		slices.SortStableFunc(rows, by)
	}
}

func viewOf(r *http.Request, s snapshot) *view {
	base, _, _ := strings.Cut(r.URL.Path, path)
	v := &view{Base: base + path, Q: parse(r), S: s}
	groups := map[where]*group{}
	left := v.Q.Limit
	for _, t := range s.Trees {
		var found []*entry
		for _, g := range t.Greenlets {
			v.Total++
			v.Rate += g.PerSecond
			if w := g.Where; w != nil {
				at := where{File: w.File, Line: w.Line}
				if _, known := groups[at]; !known {
					groups[at] = &group{w.Place(), w.Func, 0}
				}
				groups[at].Number++
			}
			if (v.Q.Root == 0 || v.Q.Root == t.Root) && v.Q.finds(g) {
				found = append(found, g)
			}
		}
		if len(found) == 0 {
			continue
		}
		if v.Q.plain() {
			found = asTree(found, left)
		} else {
			v.Q.order(found)
		}
		st := shownTree{tree: t, Name: t.Greenlets[0].Title(), Rows: found}
		if len(found) > left {
			st.Rows = found[:left]
		}
		st.More = len(found) - len(st.Rows)
		left -= len(st.Rows)
		v.Trees = append(v.Trees, st)
	}
	for _, g := range groups {
		v.Groups = append(v.Groups, *g)
	}
	slices.SortFunc(v.Groups, func(a, b group) int { return cmp.Or(cmp.Compare(b.Number, a.Number), cmp.Compare(a.Where, b.Where)) })
	v.Groups = v.Groups[:min(mostGroups, len(v.Groups))]
	return v
}

// asTree sorts the greenlets so that each follows its parent, and sets their depths. The first is
// the root; a greenlet whose parent is not in the list is put below the root. Parents change while
// they are read one by one, so they can form a cycle, which the root does not lead to; such
// greenlets, and those deeper than maxDepth, are at the end.
func asTree(all []*entry, maxDepth int) []*entry {
	index := make(map[uint64]int, len(all)) // by ID
	for i, g := range all {
		index[g.ID] = i
	}
	// Indexes into all; 0: none, since the root is nobody's child.
	child, sibling := make([]int, len(all)), make([]int, len(all))
	for i := len(all) - 1; i > 0; i-- {
		p, ok := index[all[i].Parent]
		if !ok || p == i {
			p = 0
		}
		child[p], sibling[i] = i, child[p]
	}
	out := make([]*entry, 0, len(all))
	var add func(i, depth int)
	added := make([]bool, len(all))
	add = func(i, depth int) {
		if added[i] || depth > maxDepth {
			return
		}
		added[i] = true
		all[i].Depth = min(depth, 20)
		out = append(out, all[i])
		for k := child[i]; k != 0; k = sibling[k] {
			add(k, depth+1)
		}
	}
	add(0, 0)
	for i, done := range added {
		if !done {
			out = append(out, all[i])
		}
	}
	return out
}

func writePage(b *bytes.Buffer, r *http.Request, s snapshot) error {
	v := viewOf(r, s)
	if v.Q.Fragment {
		return page.ExecuteTemplate(b, "live", v)
	}
	return page.Execute(b, v)
}

func writeOne(b *bytes.Buffer, r *http.Request, o *entry) error {
	base, _, _ := strings.Cut(r.URL.Path, path)
	v := &view{Base: base + path, Q: parse(r), One: o}
	if v.Q.Fragment {
		return page.ExecuteTemplate(b, "one", v)
	}
	return page.Execute(b, v)
}

// States and Sorts are the choices of the page's form, by the values in the query.
func (v *view) States() []string { return []string{"running", "suspended"} }
func (v *view) Sorts() []string {
	return []string{"for", "name", "place", "switches", "rate", "c"}
}

// Empty says whether the query selects all greenlets, in the default order.
func (q query) Empty() bool { return q.plain() && q.Root == 0 }
