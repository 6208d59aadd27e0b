// Command bench measures Fairlead on a real control plane: how long releases take from their creation to Ready, and
// what that costs in processor time, memory and requests to the API server.
//
// It is what `make bench` starts; docs/benchmark.md explains what it prints. It passes no judgement: it fails only when
// something does not work.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// settings of a run, as the flags give them.
type settings struct {
	Releases int `json:"releases"`
	Slow     int `json:"slow"`
	Edits    int `json:"edits"`
	// Kustomizations of the fleet, with four objects each.
	Kustomizations int `json:"kustomizations"`
	// Pipelines that are idle, with three stages each.
	Pipelines    int           `json:"pipelines"`
	ReadyDelay   time.Duration `json:"readyDelayNanoseconds"`
	Concurrency  int           `json:"concurrency"` // 0 is the controller's default
	MinInterval  time.Duration `json:"minInterval"`
	Idle         time.Duration `json:"idleNanoseconds"`
	Scenarios    []string      `json:"scenarios"`
	ThroughProxy bool          `json:"throughProxy"`
	Timeout      time.Duration `json:"timeoutNanoseconds"`

	output string
	keep   bool
}

// broken is how many releases are rolled back: so few that nothing looks like an outage of the cluster.
func (s settings) broken() int { return min(s.Slow, 4) }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, out, progress io.Writer) int {
	s, err := parse(args, progress)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	err = measure(ctx, s, out, progress)
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil:
		fmt.Fprintln(progress, "interrupted")
		return 130
	}
	fmt.Fprintln(progress, "bench:", err)
	return 1
}

func parse(args []string, messages io.Writer) (settings, error) {
	var s settings
	var names string
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(messages)
	flags.IntVar(&s.Releases, "n", 100, "releases that are installed and upgraded, without pods")
	flags.IntVar(&s.Slow, "slow", 60, "releases of the slow rollout, with one pod each")
	flags.IntVar(&s.Edits, "edits", 100, "edits by hand, and changes of status")
	flags.IntVar(&s.Kustomizations, "kustomizations", 500, "Kustomizations of four objects that follow one repository")
	flags.IntVar(&s.Pipelines, "pipelines", 500, "idle pipelines of three stages")
	flags.DurationVar(&s.ReadyDelay, "ready-delay", 30*time.Second, "how long each pod takes to become ready")
	flags.IntVar(&s.Concurrency, "concurrency", 0, "workers of the controller; 0 for its default")
	flags.DurationVar(&s.MinInterval, "min-interval", time.Second,
		"least interval of the controller; its default is 10s, the scenarios sources, push, poll and commit poll more often")
	flags.DurationVar(&s.Idle, "idle", time.Minute, "how long the idle controller is watched")
	flags.StringVar(&names, "scenarios", strings.Join(scenarioNames(), ","),
		"what to run, in the order of the default; upgrade, drift and noise need install, rollback needs slow, push, poll "+
			"and commit need fleet")
	flags.BoolVar(&s.ThroughProxy, "through-proxy", true,
		"count the controller's requests with a proxy in its way, which costs some time")
	flags.DurationVar(&s.Timeout, "timeout", 15*time.Minute,
		"how long the releases of a scenario may take to become Ready")
	flags.StringVar(&s.output, "o", "", "file for the report as JSON")
	flags.BoolVar(&s.keep, "keep", false, "keep the directory with the logs")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	s.Scenarios = strings.Split(names, ",")
	if err := s.check(flags.Args()); err != nil {
		fmt.Fprintln(messages, "bench:", err)
		return s, err
	}
	return s, nil
}

func (s settings) check(rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("%q is no flag", rest[0])
	}
	counts := min(s.Releases, s.Slow, s.Edits, s.Kustomizations, s.Pipelines)
	times := min(s.MinInterval, s.Idle, s.Timeout)
	if counts < 1 || times <= 0 || s.Concurrency < 0 || s.ReadyDelay < 0 {
		return errors.New("-n, -slow, -edits, -kustomizations, -pipelines, -min-interval, -idle and -timeout have to " +
			"be positive, -concurrency and -ready-delay not negative")
	}
	for _, name := range s.Scenarios {
		if !slices.Contains(scenarioNames(), name) {
			return fmt.Errorf("scenario %q: want one of %s", name, strings.Join(scenarioNames(), ", "))
		}
	}
	for name, needs := range map[string]string{
		"upgrade": "install", "drift": "install", "noise": "install", "rollback": "slow", "push": "fleet", "poll": "fleet",
		"commit": "fleet",
	} {
		if slices.Contains(s.Scenarios, name) && !slices.Contains(s.Scenarios, needs) {
			return fmt.Errorf("scenario %s needs %s", name, needs)
		}
	}
	return nil
}

// measure runs the scenarios and prints what they cost.
func measure(ctx context.Context, s settings, out, progress io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "fairlead-bench-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil || s.keep {
			fmt.Fprintln(progress, "logs are kept in", dir)
			return
		}
		err = os.RemoveAll(dir)
	}()
	tell := teller(progress)
	tell("starting the control plane and the controller")
	f, err := prepare(ctx, s, dir, tell)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.stop()) }()
	report := &report{Machine: describeMachine(ctx), Settings: s}
	for _, scenario := range scenarios {
		if !slices.Contains(s.Scenarios, scenario.name) {
			continue
		}
		result, err := f.measure(ctx, scenario)
		if err != nil {
			return fmt.Errorf("%s: %w", scenario.name, err)
		}
		report.Scenarios = append(report.Scenarios, result)
	}
	if err := report.print(out); err != nil {
		return err
	}
	return report.save(s.output)
}

// teller prints lines of progress with the time since the start.
func teller(out io.Writer) func(format string, args ...any) {
	start := time.Now()
	return func(format string, args ...any) {
		fmt.Fprintf(out, "%6.1fs  %s\n", time.Since(start).Seconds(), fmt.Sprintf(format, args...))
	}
}
