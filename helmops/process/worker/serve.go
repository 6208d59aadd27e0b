package worker

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
)

// Serve is the life of a child: it confines the process, then works on one task after the other until its input ends.
// It returns the exit code of the process. Bounds are arguments of the command line, so that nothing has to be read
// before they hold.
func Serve(jobs Jobs, args []string, in io.Reader, out io.Writer, report io.Writer) int {
	bounds, err := parseBounds(args)
	if err == nil {
		err = confine(bounds)
	}
	if err != nil {
		fmt.Fprintf(report, ownPrefix+"%v\n", err)
		return 1
	}

	s := &server{jobs: jobs, bounds: bounds, out: out, tasks: make(chan []byte), answers: make(chan answer)}
	go s.read(bufio.NewReaderSize(in, 64<<10))
	for task := range s.tasks {
		if err := s.work(task); err != nil {
			return 1
		}
	}

	return 0
}

// server is the child's side of the pipe.
type server struct {
	jobs   Jobs
	bounds Bounds

	writing sync.Mutex
	out     io.Writer

	tasks   chan []byte
	answers chan answer
}

type answer struct {
	body []byte
	err  error
}

// read hands over frames. The parent has gone when the input ends, and nothing reads an answer then, so the process
// ends in the middle of its work.
func (s *server) read(in io.Reader) {
	for {
		kind, body, err := readFrame(in, maxTask)
		if err != nil {
			os.Exit(0) // there is nothing to clean up
		}

		switch kind {
		case frameTask:
			s.tasks <- body
		case frameAnswer:
			s.answers <- answer{body: body}
		case frameRefusal:
			s.answers <- answer{err: errors.New(string(body))}
		default:
			os.Exit(1) // the parent is another program
		}
	}
}

// work runs the job of a task and sends what came of it.
func (s *server) work(task []byte) error {
	name, input, _ := bytes.Cut(task, []byte{0})
	if err := renew(s.bounds); err != nil {
		return err
	}

	output, err := s.run(string(name), input)
	s.writing.Lock()
	defer s.writing.Unlock()
	switch {
	case err != nil:
		return writeFrame(s.out, frameFailure, encodeFailure(err))
	case int64(len(output)) > s.bounds.Output:
		return writeFrame(s.out, frameTooLarge)
	default:
		return writeFrame(s.out, frameOutput, output)
	}
}

func (s *server) run(name string, input []byte) (output []byte, err error) {
	job := s.jobs[name]
	if job == nil {
		return nil, fmt.Errorf("there is no job %q", name)
	}

	defer func() {
		if recover() != nil { // the value may quote the input
			output, err = nil, Panicked("")
		}
	}()
	ctx := context.WithValue(context.Background(), filesKey{}, s)
	return job(ctx, input, s.ask)
}

// trace is the stack without what the functions were called with.
func trace() string { return withoutValues(string(debug.Stack())) }

// crash is the stack in what a process has reported that ended with a panic, which is behind the value of the panic.
// The runtime indents the lines of the value.
func crash(report string) string {
	_, stack, found := strings.Cut(report, "\ngoroutine ")
	if !found {
		return ""
	}
	return withoutValues("goroutine " + stack)
}

func withoutValues(stack string) string {
	var lines []string
	for line := range strings.Lines(stack) {
		if at := strings.LastIndex(line, "("); at > 0 && !strings.HasPrefix(line, "\t") {
			line = line[:at] + "\n"
		}
		lines = append(lines, line)
	}
	const most = 60
	return strings.Join(lines[:min(len(lines), most)], "")
}

// ask implements Host for jobs.
func (s *server) ask(_ context.Context, question []byte) ([]byte, error) {
	if int64(len(question)) > s.bounds.Output {
		return nil, errors.New("the question is too large")
	}

	s.writing.Lock()
	err := writeFrame(s.out, frameQuestion, question)
	s.writing.Unlock()
	if err != nil {
		return nil, err
	}

	given := <-s.answers
	return given.body, given.err
}

type filesKey struct{}

// WorkingOn reports the file that a job works on, for the message when it exceeds a bound. ctx is that of the job;
// elsewhere it does nothing.
func WorkingOn(ctx context.Context, file string) {
	s, is := ctx.Value(filesKey{}).(*server)
	if !is {
		return
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	_ = writeFrame(s.out, frameFile, []byte(file)) // the parent has gone; the next read ends the process
}

// failure is an error on its way to the parent.
type failure struct {
	Text   string      `json:"text,omitempty"`
	Code   string      `json:"code,omitempty"`
	Detail []byte      `json:"detail,omitempty"`
	Stack  string      `json:"stack,omitempty"`
	Limit  *LimitError `json:"limit,omitempty"`
}

func encodeFailure(err error) []byte {
	f := failure{Text: err.Error()}
	var panicked *PanicError
	var coded interface{ Code() string }
	var detailed interface{ Detail() []byte }
	if errors.As(err, &f.Limit) {
		f.Text = ""
	}
	if errors.As(err, &panicked) {
		f.Stack = panicked.trace
	}
	if errors.As(err, &coded) {
		f.Code = coded.Code()
	}
	if errors.As(err, &detailed) {
		f.Detail = detailed.Detail()
	}

	const longest = 64 << 10
	if len(f.Text) > longest {
		f.Text = strings.ToValidUTF8(f.Text[:longest], "") + "…"
	}

	out, err := json.Marshal(f)
	if err != nil {
		return []byte(`{"text":"the failure of the job cannot be encoded"}`)
	}

	return out
}

func decodeFailure(body []byte, asked error) error {
	var f failure
	switch err := json.Unmarshal(body, &f); {
	case err != nil:
		return &DiedError{How: "its answer cannot be read"}
	case f.Limit != nil:
		return f.Limit
	case f.Stack != "":
		return &PanicError{text: f.Text, trace: f.Stack}
	default:
		return &JobError{Text: f.Text, Code: f.Code, Detail: f.Detail, Asked: asked}
	}
}

// collect is how much a child's heap grows between two collections, in percent. What a child keeps is a few MiB, and a
// rendering allocates as much, so that the default of 100 collects with every rendering.
const collect = 400

// settle gives the Go runtime the bounds that it can hold without help. One processor is enough: the pool has several
// children.
func settle(b Bounds) {
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(collect)
	debug.SetMaxStack(int(b.Stack))
	debug.SetMemoryLimit(b.Memory / 4 * 3)
}
