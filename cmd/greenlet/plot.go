//go:build cgo && linux

package main

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"
	"text/template"

	"github.com/go-greenlet/greenlet/internal/bench"
)

// A series has the costs of one side of the comparison, by the number of live coroutines.
type series struct {
	name   string
	points []point
}

type point struct {
	live int
	ns   float64 // for one way
}

// curves measures switches to and from so many live coroutines, in random order: greenlets, and the peers.
func curves(how rounds, quick bool) ([]series, error) {
	numbers := []int{1, 3, 10, 30, 100, 300, 1000, 3000, 10_000}
	if quick {
		numbers = numbers[:5]
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	all := []series{{name: "greenlet"}, {name: "iter.Pull"}, {name: "unbuffered channels"}}
	for _, live := range numbers {
		runtime.GC()
		ns, err := interleave([]bench.Side{bench.Random(live, 0), bench.RandomPull(live, 0), bench.RandomChannels(live)}, how)
		if err != nil {
			return nil, err
		}
		for i := range all {
			all[i].points = append(all[i].points, point{live, median(ns[i])})
		}
	}
	return all, nil
}

// The bounds of the plot in the picture, in pixels.
const (
	left, right, top, bottom = 80.0, 620.0, 60.0, 400.0
)

// plot draws the series on logarithmic axes, as SVG.
func plot(w io.Writer, all []series) error {
	first := all[0].points
	lo, hi := first[0].ns, first[0].ns
	for _, s := range all {
		for _, p := range s.points {
			lo, hi = min(lo, p.ns), max(hi, p.ns)
		}
	}
	x := axis{float64(first[0].live), float64(first[len(first)-1].live), left, right}
	y := axis{lo / 1.3, hi * 1.3, bottom, top}
	type tick struct{ At, Label string }
	type line struct{ Name, Color, Points, X, Y string }
	var d struct {
		Title string
		X, Y  []tick
		Lines []line
	}
	d.Title = runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
	for v := 1.0; v <= x.to; v *= 10 {
		d.X = append(d.X, tick{pixel(x.at(v)), fmt.Sprint(int(v))})
	}
	for e := 1.0; e <= y.to; e *= 10 {
		for _, v := range []float64{e, 2 * e, 5 * e} {
			if v >= y.from && v <= y.to {
				d.Y = append(d.Y, tick{pixel(y.at(v)), fmt.Sprint(int(v))})
			}
		}
	}
	for i, s := range all {
		var points []string
		for _, p := range s.points {
			points = append(points, pixel(x.at(float64(p.live)))+","+pixel(y.at(p.ns)))
		}
		last := s.points[len(s.points)-1]
		d.Lines = append(d.Lines, line{s.name, []string{"#0b6e99", "#c4581b", "#6b6b6b"}[i],
			strings.Join(points, " "), pixel(right + 8), pixel(y.at(last.ns) + 4)})
	}
	apart(len(d.Lines), func(i int) *string { return &d.Lines[i].Y })
	return picture.Execute(w, d)
}

// apart moves labels down until each is at least 16 pixels below the one above it. y returns the
// place of label i, which apart changes.
func apart(n int, y func(i int) *string) {
	const least = 16
	value := func(i int) (v float64) {
		if _, err := fmt.Sscan(*y(i), &v); err != nil {
			panic(err) // pixel made it
		}
		return v
	}
	for range n { // a moved label may come too close to the next one, n-1 times at most
		for i := range n {
			for j := range n {
				if a, b := value(i), value(j); i != j && (a < b || a == b && i < j) && b-a < least {
					*y(j) = pixel(a + least)
				}
			}
		}
	}
}

// An axis maps the numbers from..to to the pixels begin..end, on a logarithmic scale.
type axis struct{ from, to, begin, end float64 }

func (a axis) at(v float64) float64 {
	return a.begin + (a.end-a.begin)*math.Log(v/a.from)/math.Log(a.to/a.from)
}

func pixel(v float64) string { return fmt.Sprintf("%.1f", v) }

var picture = template.Must(template.New("plot").Parse(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 780 460" font-family="sans-serif" font-size="13">
<rect width="780" height="460" fill="white"/>
<text x="80" y="28" font-size="17">One switch, to and from live ones in random order</text>
<text x="80" y="46" fill="#555">{{.Title}}, GOMAXPROCS=1, medians</text>
{{range .X}}<line x1="{{.At}}" y1="60" x2="{{.At}}" y2="400" stroke="#ddd"/>
<text x="{{.At}}" y="418" text-anchor="middle">{{.Label}}</text>
{{end}}{{range .Y}}<line x1="80" y1="{{.At}}" x2="620" y2="{{.At}}" stroke="#ddd"/>
<text x="72" y="{{.At}}" dy="4" text-anchor="end">{{.Label}}</text>
{{end}}<text x="350" y="444" text-anchor="middle">live ones</text>
<text x="24" y="230" text-anchor="middle" transform="rotate(-90 24 230)">ns, one way</text>
{{range .Lines}}<polyline points="{{.Points}}" fill="none" stroke="{{.Color}}" stroke-width="2.5"/>
<text x="{{.X}}" y="{{.Y}}" fill="{{.Color}}">{{.Name}}</text>
{{end}}</svg>
`))
