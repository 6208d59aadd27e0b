package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// verb has the test binary be a child.
const verb = "be-a-worker"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == verb {
		os.Exit(Serve(testJobs, os.Args[2:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

var sink [][]byte

var testJobs = Jobs{
	"echo": func(_ context.Context, in []byte, _ Host) ([]byte, error) { return in, nil },
	"fail": func(context.Context, []byte, Host) ([]byte, error) { return nil, errors.New("as arranged") },
	"ask": func(ctx context.Context, in []byte, host Host) ([]byte, error) {
		out, err := host(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("asking: %w", err)
		}
		return out, nil
	},
	"loop": func(ctx context.Context, _ []byte, _ Host) ([]byte, error) {
		WorkingOn(ctx, "templates/loop.yaml")
		for i := 0; ; i++ {
			sink = [][]byte{{byte(i)}}
		}
	},
	"sleep": func(context.Context, []byte, Host) ([]byte, error) { select {} },
	"nest": func(context.Context, []byte, Host) ([]byte, error) {
		return []byte(fmt.Sprint(nest(1))), nil
	},
	"hoard": func(_ context.Context, in []byte, _ Host) ([]byte, error) {
		var mebibytes int
		if _, err := fmt.Sscan(string(in), &mebibytes); err != nil {
			return nil, err
		}
		sink = nil
		for range mebibytes {
			sink = append(sink, bytes.Repeat([]byte{1}, 1<<20))
		}
		held := len(sink)
		sink = nil
		return []byte(fmt.Sprint(held)), nil
	},
	"large": func(context.Context, []byte, Host) ([]byte, error) { return make([]byte, DefaultOutput+1), nil },
	"panic": func(_ context.Context, in []byte, _ Host) ([]byte, error) { panic(string(in)) },
	"panic elsewhere": func(_ context.Context, in []byte, _ Host) ([]byte, error) {
		go panicking(errors.New(string(in)))
		select {}
	},
	"panic and recover": func(_ context.Context, in []byte, _ Host) (_ []byte, err error) {
		defer func() {
			if recover() != nil {
				err = fmt.Errorf("templates/a.yaml: %w", Panicked("the library panics"))
			}
		}()
		panic(string(in))
	},
	"die": func(_ context.Context, in []byte, _ Host) ([]byte, error) {
		fmt.Fprintln(os.Stderr, string(in))
		os.Exit(3)
		return nil, nil
	},
	"read": func(_ context.Context, in []byte, _ Host) ([]byte, error) { return os.ReadFile(string(in)) },
	"write": func(_ context.Context, in []byte, _ Host) ([]byte, error) {
		return nil, os.WriteFile(string(in), in, 0o600)
	},
	"start": func(ctx context.Context, in []byte, _ Host) ([]byte, error) {
		return exec.CommandContext(ctx, string(in)).Output() // that it fails is the test
	},
	"dial": func(ctx context.Context, in []byte, _ Host) ([]byte, error) {
		var dialer net.Dialer
		c, err := dialer.DialContext(ctx, "tcp", string(in))
		if err == nil {
			_ = c.Close()
		}
		return nil, err
	},
	"resolve": func(ctx context.Context, in []byte, _ Host) ([]byte, error) {
		_, err := net.DefaultResolver.LookupHost(ctx, string(in))
		return nil, err
	},
	"environment": func(context.Context, []byte, Host) ([]byte, error) {
		return []byte(strings.Join(os.Environ(), " ")), nil
	},
}

func panicking(value any) { panic(value) }

func nest(n int) int {
	if n < 0 {
		return 0
	}
	return nest(n+1) + n
}

func testPool(t *testing.T) *Pool {
	t.Helper()
	p := NewBoundedPool([]string{os.Args[0], verb}, Bounds{Processor: time.Minute})
	t.Cleanup(p.Close)
	return p
}

func run(p *Pool, job, input string) (string, error) {
	out, err := p.Run(context.Background(), Task{Job: job, Namespace: "apps", Input: []byte(input)})
	return string(out), err
}

func TestRun(t *testing.T) {
	p := testPool(t)
	for range 3 {
		if out, err := run(p, "echo", "hello"); out != "hello" || err != nil {
			t.Fatalf("output %q, error %v", out, err)
		}
	}
	if len(p.idle) != 1 {
		t.Errorf("%d children are idle, want the one that worked on all tasks", len(p.idle))
	}
	large := strings.Repeat("x", 5<<20)
	if out, err := run(p, "echo", large); out != large || err != nil {
		t.Errorf("an output of %d bytes has become %d, error %v", len(large), len(out), err)
	}
}

func TestAJobFails(t *testing.T) {
	p := testPool(t)
	_, err := run(p, "fail", "")
	var own *JobError
	if !errors.As(err, &own) || own.Text != "as arranged" {
		t.Errorf("error = %v", err)
	}
	if _, err := run(p, "unknown", ""); err == nil {
		t.Error("a job that does not exist was run")
	}
	if len(p.idle) != 1 {
		t.Error("the child did not survive an error")
	}
}

func TestTheHostAnswers(t *testing.T) {
	p := testPool(t)
	task := Task{Job: "ask", Input: []byte("who"), Host: func(_ context.Context, q []byte) ([]byte, error) {
		return append(q, "?"...), nil
	}}
	if out, err := p.Run(t.Context(), task); string(out) != "who?" || err != nil {
		t.Errorf("output %q, error %v", out, err)
	}
	refused := errors.New("not for you")
	task.Host = func(context.Context, []byte) ([]byte, error) { return nil, refused }
	_, err := p.Run(t.Context(), task)
	if !errors.Is(err, refused) || !strings.Contains(err.Error(), "asking: not for you") {
		t.Errorf("error = %v, want the one of the host in the words of the job", err)
	}
	task.Host = nil
	if _, err := p.Run(t.Context(), task); err == nil {
		t.Error("a task without a host was answered")
	}
}

// Each bound ends a task with an error that names it, and the next task finds a child.
func TestBounds(t *testing.T) {
	tests := []struct{ job, input, limit, file string }{
		{"loop", "", LimitProcessor, "templates/loop.yaml"},
		{"nest", "", LimitStack, ""},
		{"hoard", "600", LimitMemory, ""},
		{"large", "", LimitOutput, ""},
	}
	p := testPool(t)
	for _, test := range tests {
		t.Run(test.job, func(t *testing.T) {
			p.bounds.Processor = time.Minute // a slow machine needs seconds to fill the memory
			if test.limit == LimitProcessor {
				p.bounds.Processor = time.Second
			}

			_, err := run(p, test.job, test.input)
			var limit *LimitError
			if !errors.As(err, &limit) || limit.Limit != test.limit || limit.File != test.file {
				t.Fatalf("error = %v", err)
			}
			if limit.Bound == "" || limit.Reason() != "RenderingLimitExceeded" {
				t.Errorf("bound %q, reason %q", limit.Bound, limit.Reason())
			}
			if out, err := run(p, "echo", "next"); out != "next" || err != nil {
				t.Errorf("the next task: output %q, error %v", out, err)
			}
		})
	}
}

func TestTheDeadlineEndsATask(t *testing.T) {
	p := testPool(t)
	p.bounds.Deadline = 300 * time.Millisecond
	_, err := run(p, "sleep", "")
	var limit *LimitError
	if !errors.As(err, &limit) || limit.Limit != LimitDeadline {
		t.Errorf("error = %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := p.Run(ctx, Task{Job: "sleep"}); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want that of the caller", err)
	}
}

// What needs more memory than most gets it, and what earlier tasks have left does not count against a task.
func TestMemoryIsGivenToThoseWhoNeedIt(t *testing.T) {
	p := testPool(t)
	for range 3 {
		if out, err := run(p, "hoard", "250"); out != "250" || err != nil {
			t.Fatalf("output %q, error %v", out, err)
		}
	}
	for range 20 {
		if out, err := run(p, "hoard", "40"); out != "40" || err != nil {
			t.Fatalf("output %q, error %v", out, err)
		}
	}
}

// A child that ended while it was idle costs no task.
func TestAChildThatEndedIsReplaced(t *testing.T) {
	p := testPool(t)
	if _, err := run(p, "echo", ""); err != nil {
		t.Fatal(err)
	}
	child := p.idle[0]
	_ = child.cmd.Process.Kill()
	if out, err := run(p, "echo", "next"); out != "next" || err != nil {
		t.Errorf("output %q, error %v", out, err)
	}
}

// A child reaches nothing, for any job.
func TestAChildReachesNothing(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var reached atomic.Int64
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			reached.Add(1)
			_ = c.Close()
		}
	}()
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SECRET_OF_THE_PARENT", "value")
	p := testPool(t)
	for _, attempt := range []struct{ job, input string }{
		{"read", file}, {"read", "/etc/hostname"}, {"read", "/proc/self/environ"}, {"write", file + ".new"},
		{"start", "/bin/true"},
		{"dial", listener.Addr().String()}, {"resolve", "example.com"},
	} {
		if out, err := run(p, attempt.job, attempt.input); err == nil {
			t.Errorf("%s %s succeeded: %q", attempt.job, attempt.input, out)
		}
	}
	if n := reached.Load(); n > 0 {
		t.Errorf("the listener was reached %d times", n)
	}
	if out, err := run(p, "environment", ""); out != "" || err != nil {
		t.Errorf("environment %q, error %v", out, err)
	}
	if _, err := os.Stat(file + ".new"); err == nil {
		t.Error("a file was written")
	}
}

// A namespace whose tasks take long leaves a slot to the others.
func TestANamespaceLeavesRoomForOthers(t *testing.T) {
	p := testPool(t)
	p.bounds.Deadline = 5 * time.Second
	ctx, cancel := context.WithCancel(t.Context())
	var noisy sync.WaitGroup
	for range 6 {
		noisy.Go(func() { _, _ = p.Run(ctx, Task{Job: "sleep", Namespace: "noisy"}) })
	}
	for {
		if held, waiting := p.small.Held("noisy"); held == 1 && waiting == 5 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	for range 5 {
		if out, err := run(p, "echo", "quiet"); out != "quiet" || err != nil {
			t.Errorf("output %q, error %v", out, err)
		}
	}
	cancel()
	noisy.Wait()
	if held, waiting := p.small.Held("noisy"); held+waiting != 0 {
		t.Errorf("%d slots are held, %d are waited for", held, waiting)
	}
}

func TestAClosedPoolStartsNothing(t *testing.T) {
	p := testPool(t)
	if _, err := run(p, "echo", ""); err != nil {
		t.Fatal(err)
	}
	child := p.idle[0]
	p.Close()
	if child.cmd.ProcessState == nil {
		t.Error("the idle child goes on")
	}
	if _, err := run(p, "echo", ""); !errors.Is(err, ErrClosed) {
		t.Errorf("error = %v", err)
	}
}

// A task that fails for want of memory costs one idle child, however many there are: others work with them and put them
// back, so that looking for a better one might never end.
func TestHungryTaskTakesOneIdleChild(t *testing.T) {
	p := testPool(t)
	for range 3 {
		child, err := p.start(p.bounds.small())
		if err != nil {
			t.Fatal(err)
		}
		p.put(child)
	}
	var limit *LimitError
	if _, err := run(p, "hoard", "4000"); !errors.As(err, &limit) || limit.Limit != LimitMemory {
		t.Fatalf("error = %v", err)
	}
	if len(p.idle) != 2 {
		t.Errorf("%d of 3 idle children are left, want 2", len(p.idle))
	}
}
