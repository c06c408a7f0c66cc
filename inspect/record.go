package inspect

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/go-greenlet/greenlet/internal/layer"
	"github.com/go-greenlet/greenlet/internal/timeline"
)

// A RecordOption changes what Record keeps.
type RecordOption func(*recordOptions)

type recordOptions struct {
	events int
	last   time.Duration
}

// Last makes Record keep only what happened in the last d before its end, such as the ten
// seconds before a failure. The default, 0, keeps all of the time.
func Last(d time.Duration) RecordOption { return func(o *recordOptions) { o.last = d } }

// Events sets how many events Record keeps, the most recent ones: about 40 bytes of memory
// each. The default is a million. A switch is one event; a start, an end or a mark is one, too.
func Events(n int) RecordOption { return func(o *recordOptions) { o.events = n } }

// ErrRecording is the error of Record while another recording is active in the process.
var ErrRecording = errors.New("inspect: there is a recording already, and only one at a time")

// Record records what all greenlets of the process do until ctx is done, and then writes it
// to w in the Trace Event format, which ui.perfetto.dev and chrome://tracing open. Each tree is
// a process in it, with a track for each greenlet that has run, which shows when it ran; each
// switch is an arrow; and starts, ends and the marks of Mark are instants.
//
// It keeps the last million events (see Events and Last), and up to 256 more for each tree that
// has not ended. The file says how many events were dropped for lack of room. While a recording
// is active, each switch takes the slow path and reads the clock. A tree notices the recording at
// its next switch. The error is ErrRecording, one of the options, or that of a write to w.
func Record(ctx context.Context, w io.Writer, opts ...RecordOption) error {
	r, err := record(ctx, opts...)
	if err != nil {
		return err
	}
	return writeTrace(w, r)
}

// record makes the recording, and does not write it.
func record(ctx context.Context, opts ...RecordOption) (*timeline.Recording, error) {
	o := recordOptions{events: 1_000_000}
	for _, opt := range opts {
		if opt != nil {
			opt(&o)
		}
	}
	if o.events <= 0 || o.last < 0 {
		return nil, errors.New("inspect: a recording of no events, or of less than no time")
	}
	r := timeline.New(o.events, int64(o.last), layer.Nanotime)
	if !r.Start() {
		return nil, ErrRecording
	}
	layer.Observe()
	<-ctx.Done()
	r.Stop()
	layer.Observe()
	return r, nil
}

// Mark adds a mark to the time line, on the track of the calling goroutine's greenlet. It does
// nothing while no recording is active, and in a goroutine that has no greenlets.
func Mark(name string) {
	if timeline.Active() != nil {
		layer.Mark(name)
	}
}

var kindNames = [...]string{timeline.Switch: "value", timeline.Throw: "error", timeline.Panic: "panic", timeline.Goexit: "goexit"}

// A traceWriter writes events of the Trace Event format. It does not look at the errors of its
// writes, because a bufio.Writer keeps the first one, writes nothing after it, and returns it from
// Flush, whose error writeTrace returns.
type traceWriter struct {
	out   *bufio.Writer
	began int64  // the time that is 0 in the file, in nanoseconds since the recording's start
	any   bool   // an event was written, so the next one needs a comma
	flow  uint64 // ID of the last arrow; 0: none yet
	room  []byte // buffer of event, used again
}

// event writes one: {"ph":…,"pid":…,"tid":…,"ts":… and then rest, which begins with a comma.
func (w *traceWriter) event(ph string, pid, tid uint64, at int64, rest string) {
	if w.any {
		_, _ = w.out.WriteString(",\n")
	}
	w.any = true
	b := append(w.room[:0], `{"ph":"`...)
	b = append(b, ph...)
	b = strconv.AppendUint(append(b, `","pid":`...), pid, 10)
	b = strconv.AppendUint(append(b, `,"tid":`...), tid, 10)
	b = micros(append(b, `,"ts":`...), max(0, at-w.began))
	b = append(append(b, rest...), '}')
	_, _ = w.out.Write(b)
	w.room = b
}

// micros appends nanoseconds as a decimal number of microseconds, the unit of the format.
func micros(b []byte, ns int64) []byte {
	b = strconv.AppendInt(b, ns/1000, 10)
	return append(b, '.', byte('0'+ns/100%10), byte('0'+ns/10%10), byte('0'+ns%10))
}

// quoted returns s as a string in JSON. Encoding a string into a bytes.Buffer cannot fail.
func quoted(s string) string {
	var b bytes.Buffer
	if err := writeJSON(&b, s); err != nil {
		return `""`
	}
	return string(bytes.TrimSpace(b.Bytes()))
}

func titleOf(t *timeline.Track) string {
	name := t.Name()
	if name == "" {
		name = "greenlet"
	}
	return fmt.Sprintf("%s/%d", name, t.ID)
}

func writeTrace(out io.Writer, r *timeline.Recording) error {
	lines, began, ended, lost := r.Lines()
	r.Release()
	w := &traceWriter{out: bufio.NewWriter(out), began: began}
	_, _ = w.out.WriteString("{\"traceEvents\": [\n")
	for _, l := range lines {
		w.line(l, ended)
	}
	fmt.Fprintf(w.out, "\n],\n\"displayTimeUnit\": \"ns\", \"otherData\": {\"dropped\": %d, \"seconds\": %.9f}}\n", lost, float64(ended-began)/1e9)
	return w.out.Flush() // the first error of all writes; see traceWriter
}

// line writes the events of one tree. Begin, a switch and Close end the run of the greenlet that has
// run before them, so a run is written when such an event is met, and the last one at the end.
func (w *traceWriter) line(l timeline.Line, ended int64) {
	pid := l.Root.ID
	titles := map[*timeline.Track]string{}
	title := func(t *timeline.Track) string {
		text, ok := titles[t]
		if !ok {
			text = quoted(titleOf(t))
			titles[t] = text
			w.event("M", pid, t.ID, w.began, `,"name":"thread_name","args":{"name":`+text+`}`)
		}
		return text
	}
	process := titleOf(l.Root)
	if l.Thread != 0 { // else it is tied to none
		process = fmt.Sprintf("%s, thread %d", process, l.Thread)
	}
	w.event("M", pid, pid, w.began, `,"name":"process_name","args":{"name":`+quoted(process)+`}`)
	var running *timeline.Track
	var since int64
	ran := func(until int64) {
		if running != nil {
			b := micros([]byte(`,"dur":`), max(0, until-max(since, w.began)))
			w.event("X", pid, running.ID, max(since, w.began), string(b)+`,"name":`+title(running)+`,"cat":"run","args":{"thread":`+strconv.Itoa(l.Thread)+`}`)
		}
	}
	instant := func(e timeline.Event, cat, name string) {
		if e.At >= w.began {
			w.event("i", pid, e.To.ID, e.At, `,"s":"t","name":`+name+`,"cat":"`+cat+`"`)
		}
	}
	for _, e := range l.Events {
		switch e.Kind {
		case timeline.Begin:
			running, since = e.To, e.At
		case timeline.Birth:
			title(e.To)
			instant(e, "birth", `"start"`)
		case timeline.End:
			instant(e, "end", `"end"`)
		case timeline.Mark:
			instant(e, "mark", quoted(*e.Text))
		case timeline.Close:
			ran(e.At)
			running = nil
		default:
			ran(e.At) // running is nil if the events before this one were dropped
			title(e.To)
			if e.At >= w.began {
				w.flow++
				// The viewers bind an arrow to the run that contains its beginning, so that has to
				// be a nanosecond before the run's end.
				rest := `,"name":"switch","cat":"` + kindNames[e.Kind] + `","id":` + strconv.FormatUint(w.flow, 10)
				w.event("s", pid, e.From.ID, max(e.At-1, min(since, e.At)), rest)
				w.event("f", pid, e.To.ID, e.At, rest+`,"bp":"e"`)
			}
			running, since = e.To, e.At
		}
	}
	ran(ended)
}

const (
	maxSeconds  = 60        // upper bound of ?seconds=
	usualEvents = 250_000   // default of ?events=; each takes some 400 bytes in the answer, which is streamed
	mostEvents  = 2_000_000 // upper bound of ?events=
)

func serveRecord(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		http.Error(w, "A recording is asked for by POST.", http.StatusMethodNotAllowed)
		return
	}
	seconds := 5.0
	if s := r.URL.Query().Get("seconds"); s != "" {
		var err error
		if seconds, err = strconv.ParseFloat(s, 64); err != nil || !(seconds > 0 && seconds <= maxSeconds) {
			http.Error(w, fmt.Sprintf("A recording takes from 0 to %d seconds, and not %q.", maxSeconds, s), http.StatusBadRequest)
			return
		}
	}
	events := usualEvents
	if s := r.URL.Query().Get("events"); s != "" {
		var err error
		if events, err = strconv.Atoi(s); err != nil || events <= 0 || events > mostEvents {
			http.Error(w, fmt.Sprintf("A recording keeps from 1 to %d events, and not %q.", mostEvents, s), http.StatusBadRequest)
			return
		}
	}
	d := time.Duration(seconds * float64(time.Second))
	ctx, cancel := context.WithTimeout(r.Context(), d)
	defer cancel()
	deadline(w, d+writeTime)
	recording, err := record(ctx, Events(events))
	if err != nil { // ErrRecording, since the options are valid
		http.Error(w, "There is a recording already, and only one at a time.", http.StatusConflict)
		return
	}
	w.Header().Set("Content-Disposition", `attachment; filename="greenlets.json"`)
	headers(w, formJSON)
	deadline(w, writeTime)
	_ = writeTrace(w, recording) // an error means that the client has gone; see answer
}
