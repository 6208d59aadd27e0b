package worker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// maxTasks is how many tasks a child works on before another takes its place, so that what leaks in it stays small.
	maxTasks = 512
	// patience is how long a task may take before its child runs at a low priority, so that short tasks pass it.
	patience = 2 * time.Second
	// ownPrefix is how a child begins to say why it cannot work.
	ownPrefix = "worker: "
	// maxReport bounds what is kept of what a child reports, in bytes.
	maxReport = 16 << 10
)

// process is a child, used by one task at a time.
type process struct {
	bounds Bounds
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	report *head
	// tasks is how many it has worked on. slowed is set once it runs at a low priority, which cannot be undone.
	tasks  int
	slowed bool
}

// start starts a child of command, which gets the bounds as further arguments.
func start(command []string, b Bounds) (*process, error) {
	args := append(append([]string{}, command[1:]...), b.args()...)
	cmd := exec.Command(command[0], args...) //nolint:gosec,noctx // this program itself; the pool ends it
	cmd.Env = []string{}
	cmd.Dir = "/"
	cmd.SysProcAttr = ownGroup()
	p := &process{bounds: b, cmd: cmd, report: &head{}}
	cmd.Stderr = p.report
	var err error
	if p.in, err = cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("starting a rendering process: %w", err)
	}

	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting a rendering process: %w", err)
	}

	p.out = bufio.NewReaderSize(out, 64<<10)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting a rendering process: %w", err)
	}

	return p, nil
}

// alive reports whether the child can take another task.
func (p *process) alive() bool { return p.cmd.ProcessState == nil && !p.slowed && p.tasks < maxTasks }

// end ends the child and frees what it holds.
func (p *process) end() {
	if p.cmd.ProcessState != nil {
		return
	}
	_ = p.cmd.Process.Kill() // it may have ended
	_ = p.in.Close()
	_ = p.cmd.Wait()
}

// run has the child work on a task. The child has ended when the error is not a *JobError.
func (p *process) run(ctx context.Context, t Task) ([]byte, error) {
	p.tasks++
	ctx, cancel := context.WithTimeout(ctx, p.bounds.Deadline)
	defer cancel()
	keep := context.AfterFunc(ctx, func() { _ = p.cmd.Process.Kill() })
	slow := time.AfterFunc(patience, func() { slowDown(p.cmd.Process.Pid) })
	output, err := p.converse(ctx, t)
	p.slowed = !slow.Stop()
	if !keep() && err == nil {
		err = ctx.Err() // it was killed just now
	}

	var own *JobError
	if err != nil && !errors.As(err, &own) {
		p.end()
	}

	return output, err
}

func (p *process) converse(ctx context.Context, t Task) ([]byte, error) {
	file := ""
	var asked error
	if err := writeFrame(p.in, frameTask, []byte(t.Job), []byte{0}, t.Input); err != nil {
		return nil, p.died(ctx, file)
	}

	for {
		kind, body, err := readFrame(p.out, p.bounds.Output)
		if err != nil {
			return nil, p.classify(ctx, err, file)
		}

		switch kind {
		case frameOutput:
			return body, nil
		case frameFailure:
			return nil, decodeFailure(body, asked)
		case frameTooLarge:
			return nil, p.bounds.exceeded(LimitOutput, file)
		case frameFile:
			file = string(body[:min(len(body), 1024)])
		case frameQuestion:
			if err := p.answer(ctx, t.Host, body, &asked); err != nil {
				return nil, p.died(ctx, file)
			}
		default:
			return nil, &DiedError{How: errFrame.Error()}
		}
	}
}

// answer has the host answer a question of the child, and notes the error of the host.
func (p *process) answer(ctx context.Context, host Host, question []byte, asked *error) error {
	if host == nil {
		return writeFrame(p.in, frameRefusal, []byte("nothing may be asked"))
	}
	body, err := host(ctx, question)
	if err != nil {
		*asked = err
		return writeFrame(p.in, frameRefusal, []byte(err.Error()))
	}
	return writeFrame(p.in, frameAnswer, body)
}

// classify says why reading from the child failed.
func (p *process) classify(ctx context.Context, err error, file string) error {
	switch {
	case errors.Is(err, errFrameSize):
		return p.bounds.exceeded(LimitOutput, file)
	default:
		return p.died(ctx, file)
	}
}

// died says why the child ended: the parent killed it, the kernel did, or the Go runtime gave up.
func (p *process) died(ctx context.Context, file string) error {
	killed := ctx.Err()
	p.end()
	text := p.report.text()
	var status syscall.WaitStatus
	if p.cmd.ProcessState != nil {
		status, _ = p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	}

	switch {
	case errors.Is(killed, context.DeadlineExceeded):
		return p.bounds.exceeded(LimitDeadline, file)
	case killed != nil:
		return killed
	case strings.Contains(text, stackText):
		return p.bounds.exceeded(LimitStack, file)
	case isOutOfMemory(text):
		return p.bounds.exceeded(LimitMemory, file)
	case status.Exited() && status.ExitStatus() == usedUp:
		return p.bounds.exceeded(LimitProcessor, file)
	case status.Signaled() && status.Signal() == syscall.SIGKILL: // the kernel, which ran out of memory
		return p.bounds.exceeded(LimitMemory, file)
	case isPanic(text): // in a goroutine that a library has started
		return &PanicError{trace: crash(text)}
	default:
		return &DiedError{How: p.cmd.ProcessState.String() + ownWords(text)}
	}
}

// ownWords returns what this program, or the runtime, says in a report. Other lines can quote the input.
func ownWords(report string) string {
	for line := range strings.Lines(report) {
		if strings.HasPrefix(line, ownPrefix) || strings.HasPrefix(line, fatalText) {
			return fmt.Sprintf(": %.200s", strings.TrimSpace(line))
		}
	}
	return ""
}

// head keeps the beginning of what a child reports: the Go runtime gives the cause of its end first.
type head struct {
	mu   sync.Mutex
	kept []byte
}

// Write implements io.Writer.
func (h *head) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if room := maxReport - len(h.kept); room > 0 {
		h.kept = append(h.kept, p[:min(len(p), room)]...)
	}
	return len(p), nil
}

func (h *head) text() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return string(h.kept)
}

// Command is how this program starts its children: itself, also when its file was replaced since it started.
func Command(verb string) []string {
	const self = "/proc/self/exe"
	if _, err := os.Stat(self); err == nil {
		return []string{self, verb}
	}
	program, err := os.Executable()
	if err != nil {
		program = os.Args[0]
	}
	return []string{program, verb}
}
